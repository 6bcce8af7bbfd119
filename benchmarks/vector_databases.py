"""Compare vector databases behind one gallery of unit embeddings, and print a table.

    pip install lancedb pymilvus milvus-lite qdrant-client qdrant-edge-py "psycopg[binary]" pgvector
    python benchmarks/vector_databases.py --sizes 10000 100000      # about 15 minutes
    python benchmarks/vector_databases.py --postgres "host=127.0.0.1 user=postgres" ...

The embeddings are drawn as in `search.py`. Each database runs in a process of its own, which also
holds the embeddings to add. The memory is the largest of the process and its children, beyond the
embeddings. A server of PostgreSQL with pgvector must be given, and its memory is not measured. A
database that is not installed is marked so, and one that takes longer than --seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SIZE, K, PROBES, BATCH = 128, 10, 100, 5_000
Rows = np.ndarray
NAMES = "lancedb", "milvus-lite", "qdrant-local", "qdrant-edge", "pgvector"


def batches(n: int) -> Iterator[slice]:
    for start in range(0, n, BATCH):
        yield slice(start, min(start + BATCH, n))


class LanceDB:
    def __init__(self, path: Path, _: str):
        import lancedb

        self.database = lancedb.connect(path)
        self.table: Any = (
            self.database.open_table("gallery")
            if "gallery" in self.database.list_tables().tables
            else None
        )

    def build(self, ids: Rows, unit: Rows) -> None:
        import pyarrow

        def arrow(rows: slice) -> Any:
            flat = pyarrow.array(unit[rows].ravel())
            vectors = pyarrow.FixedSizeListArray.from_arrays(flat, SIZE)
            return pyarrow.table({"id": ids[rows], "vector": vectors})

        first, *others = (slice(i, i + 100_000) for i in range(0, len(ids), 100_000))
        self.table = self.database.create_table("gallery", arrow(first))
        for rows in others:
            self.table.add(arrow(rows))
        self.table.create_index(
            "dot", vector_column_name="vector", index_type="IVF_PQ", num_sub_vectors=SIZE // 4
        )
        self.table.create_scalar_index("id")

    def search(self, probe: Rows) -> list[int]:
        query = self.table.search(probe).distance_type("dot").nprobes(30).refine_factor(20)
        return query.select(["id"]).limit(K).to_arrow()["id"].to_pylist()

    def delete(self, ids: Rows) -> None:
        self.table.delete(f"id IN ({', '.join(map(str, ids))})")

    def close(self) -> None:
        pass


class Milvus:
    def __init__(self, path: Path, _: str):
        from pymilvus import MilvusClient

        logging.disable(logging.WARNING)
        self.client = MilvusClient(str(path / "gallery.db"))
        if self.client.has_collection("gallery"):
            self.client.load_collection("gallery")

    def build(self, ids: Rows, unit: Rows) -> None:
        from pymilvus import DataType

        schema = self.client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=SIZE)
        index = self.client.prepare_index_params()
        form = {"M": 16, "efConstruction": 100}
        index.add_index("vector", index_type="HNSW", metric_type="IP", params=form)
        self.client.create_collection("gallery", schema=schema, index_params=index)
        for rows in batches(len(ids)):
            both = zip(ids[rows].tolist(), unit[rows], strict=True)
            self.client.insert("gallery", [{"id": id_, "vector": vector} for id_, vector in both])
        self.client.flush("gallery")
        self.client.load_collection("gallery")
        self.search(unit[0])

    def search(self, probe: Rows) -> list[int]:
        effort = {"params": {"ef": 100}}
        found = self.client.search(
            "gallery", [probe], limit=K, search_params=effort, output_fields=["id"]
        )
        return [hit["id"] for hit in found[0]]

    def delete(self, ids: Rows) -> None:
        self.client.delete("gallery", ids=ids.tolist())

    def close(self) -> None:
        self.client.close()


class QdrantLocal:
    def __init__(self, path: Path, _: str):
        from qdrant_client import QdrantClient

        self.client = QdrantClient(path=str(path))

    def build(self, ids: Rows, unit: Rows) -> None:
        from qdrant_client import models

        self.client.create_collection(
            "gallery", models.VectorParams(size=SIZE, distance=models.Distance.DOT)
        )
        for rows in batches(len(ids)):
            points = models.Batch(ids=ids[rows].tolist(), vectors=unit[rows].tolist())
            self.client.upsert("gallery", points)

    def search(self, probe: Rows) -> list[int]:
        found = self.client.query_points("gallery", query=probe.tolist(), limit=K)
        return [point.id for point in found.points]

    def delete(self, ids: Rows) -> None:
        self.client.delete("gallery", ids.tolist())

    def close(self) -> None:
        self.client.close()


class QdrantEdge:
    def __init__(self, path: Path, _: str):
        import qdrant_edge as edge

        self.edge = edge
        if any(path.iterdir()):
            self.shard = edge.EdgeShard.load(str(path))
        else:
            params = edge.EdgeVectorParams(size=SIZE, distance=edge.Distance.Dot)
            self.shard = edge.EdgeShard.create(str(path), edge.EdgeConfig(vectors=params))

    def build(self, ids: Rows, unit: Rows) -> None:
        for rows in batches(len(ids)):
            both = zip(ids[rows].tolist(), unit[rows].tolist(), strict=True)
            points = [self.edge.Point(id_, vector) for id_, vector in both]
            self.shard.update(self.edge.UpdateOperation.upsert_points(points))
        self.shard.optimize()

    def search(self, probe: Rows) -> list[int]:
        query = self.edge.Query.Nearest(probe.tolist())
        found = self.shard.query(self.edge.QueryRequest(query=query, limit=K))
        return [point.id for point in found]

    def delete(self, ids: Rows) -> None:
        self.shard.update(self.edge.UpdateOperation.delete_points(ids.tolist()))

    def close(self) -> None:
        self.shard.close()


class PgVector:
    def __init__(self, _: Path, url: str):
        if not url:
            raise ImportError("--postgres is not given")
        import psycopg
        from pgvector.psycopg import register_vector

        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(self.connection)
        self.connection.execute("SET hnsw.ef_search = 100")

    def build(self, ids: Rows, unit: Rows) -> None:
        run = self.connection.execute
        run("DROP TABLE IF EXISTS gallery")
        run(f"CREATE TABLE gallery (id bigint PRIMARY KEY, vector vector({SIZE}))")
        copy = "COPY gallery (id, vector) FROM STDIN WITH (FORMAT BINARY)"
        with self.connection.cursor().copy(copy) as rows:
            rows.set_types(["int8", "vector"])
            for id_, vector in zip(ids.tolist(), unit, strict=True):
                rows.write_row((id_, vector))
        run("SET maintenance_work_mem = '2GB'")
        run("CREATE INDEX ON gallery USING hnsw (vector vector_ip_ops)")

    def search(self, probe: Rows) -> list[int]:
        found = self.connection.execute(
            f"SELECT id FROM gallery ORDER BY vector <#> %s LIMIT {K}", (probe,)
        )
        return [id_ for (id_,) in found]

    def delete(self, ids: Rows) -> None:
        self.connection.execute("DELETE FROM gallery WHERE id = ANY(%s)", (ids.tolist(),))

    def close(self) -> None:
        self.connection.close()


KINDS = dict(zip(NAMES, (LanceDB, Milvus, QdrantLocal, QdrantEdge, PgVector), strict=True))


def largest_memory() -> float:
    """Largest memory of this process and its children so far, in MB. Linux only."""
    children = Path("/proc/self/task").glob("*/children")
    ids = [os.getpid(), *(child for file in children for child in file.read_text().split())]
    total = 0
    for process in ids:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            total += int(line.split()[1]) if line.startswith("VmHWM") else 0
    return total / 1024


def measure(name: str, n: int, postgres: str) -> str:
    from search import draw

    gallery, probes = draw(n, np.random.default_rng(0))
    unit, probes = (rows / np.linalg.norm(rows, axis=1)[:, None] for rows in (gallery, probes))
    probes, ids = probes[:PROBES], np.arange(n)
    nearest = np.argsort(-(probes @ unit.T), axis=1)[:, :K]
    before, folder = largest_memory(), Path(tempfile.mkdtemp())
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        start = time.perf_counter()
        database: Any = KINDS[name](folder, postgres)
        database.build(ids, unit)
        built = time.perf_counter() - start
        database.close()
        start = time.perf_counter()
        database = KINDS[name](folder, postgres)
        database.search(probes[0])
        opened = time.perf_counter() - start
        times, found = [], []
        for probe in probes:
            start = time.perf_counter()
            found.append(database.search(probe))
            times.append(time.perf_counter() - start)
        both = list(zip(found, nearest.tolist(), strict=True))
        first = np.mean([a[:1] == b[:1] for a, b in both])
        ten = np.mean([len({*a} & {*b}) / K for a, b in both])
        gone = np.unique(nearest[:, 0])
        start = time.perf_counter()
        database.delete(gone)
        deleted = time.perf_counter() - start
        left = sum(bool({*database.search(probe)} & {*gone.tolist()}) for probe in probes)
        memory = largest_memory() - before
        disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20
        database.close()
    gone_for_good = f"{1000 * deleted:.0f} ms" if not left else f"{left} found again"
    memories = "- | - " if name == "pgvector" else f"{memory:,.0f} MB | {disk:,.0f} MB"
    return (
        f"{built:.1f} s | {opened:.2f} s | {1000 * np.median(times):.1f} ms | {first:.2f} | "
        f"{ten:.3f} | {gone_for_good} | {memories}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--names", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--postgres", default="", help="connection string of a PostgreSQL")
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(measure(options.names[0], options.sizes[0], options.postgres))
        return
    print(
        "| gallery | database | built in | opened in | one probe | recall at 1 | recall at 10 "
        "| delete 100 | memory | disk |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for n in options.sizes:
        for name in options.names:
            command = [sys.executable, __file__, "--one", "--sizes", str(n), "--names", name]
            command += ["--postgres", options.postgres]
            try:
                done = subprocess.run(
                    command, timeout=options.seconds, capture_output=True, text=True
                )
                said = (done.stdout or done.stderr).strip().splitlines() or ["killed"]
                result = said[-1]
            except subprocess.TimeoutExpired:
                result = f"not finished in {options.seconds:.0f} s"
            print(f"| {n:,} | {name} | {result} |", flush=True)


if __name__ == "__main__":
    main()
