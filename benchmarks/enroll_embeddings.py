"""Measure the enrolment of many embeddings from files, and print a table.

    python benchmarks/enroll_embeddings.py --sizes 100_000 1_000_000      # about 10 minutes

Random embeddings of 128 values are written as `Verifier.write_embeddings` writes them, four images
of each identity, with paths of 40 characters. A process of its own enrolls them and identifies 10
probes. Its memory is the most that it allocates beyond an empty gallery. The system can free
pages of mapped files, so these do not count.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import siamese_verify as sv
from siamese_verify.verification.embedding_files import (
    IMAGES_PER_SHARD,
    Embedded,
    Shard,
    write_shard,
)
from siamese_verify.verification.embedding_shards import EmbeddingShards

SIZE, PER_IDENTITY, PROBES = 128, 4, 10
INDEXES = "exact", "faiss", "faiss on disk"


def make_verifier() -> sv.Verifier:
    import keras

    keras.utils.set_random_seed(0)
    tower = sv.ConvTower([sv.ConvBlock(4, 3, 4)], (16, 16, 1), embedding_size=SIZE)
    return sv.Verifier(sv.SiameseModel(tower, sv.CosineHead()), sv.Preprocessing((16, 16)))


def write(folder: Path, n: int) -> None:
    """Write random embeddings, the digests of random images, and an index."""
    own, shards = make_verifier().gallery, []
    rng = np.random.default_rng(0)
    for number, start in enumerate(range(0, n, IMAGES_PER_SHARD)):
        rows = range(start, min(start + IMAGES_PER_SHARD, n))
        images = dataclasses.replace(
            own,
            names=tuple([f"identity {row // PER_IDENTITY:09d}" for row in rows]),
            images=tuple(
                [f"images/{row // 1000:06d}/{row:09d}.jpg".ljust(40, "_") for row in rows]
            ),
            embeddings=rng.normal(size=(len(rows), SIZE)).astype(np.float32),
            image_digests=rng.integers(256, size=(len(rows), 2, 16), dtype=np.uint8),
        )
        shards.append(Shard(number, "random", len(rows), ()))
        write_shard(folder, shards[-1], Embedded(images, [""] * len(rows)))
    EmbeddingShards(folder, own, tuple(shards)).write_index()


def allocated() -> int:
    """Return the bytes that this process has allocated and touched."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


@contextlib.contextmanager
def measured(peak: list[int]) -> Iterator[None]:
    """Note the largest number of allocated bytes in the block."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            peak[0] = max(peak[0], allocated())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def enroll(folder: Path, kind: str) -> None:
    """Enroll and search in this process, and print a row of the table."""
    from siamese_verify.verification.indexes.faiss import FaissIndex

    verifier = make_verifier()
    if kind != "exact":
        path = folder / "gallery.faiss" if kind == "faiss on disk" else None
        verifier.index_type = functools.partial(FaissIndex, path=path)
    probes = np.random.default_rng(1).normal(size=(PROBES, SIZE)).astype(np.float32)
    before, peak = allocated(), [0]
    with measured(peak):
        start = time.perf_counter()
        n = verifier.enroll_embeddings(folder)
        middle = time.perf_counter()
        enrolled = allocated()
        verifier._search(probes, 1, -1.0)
        end = time.perf_counter()
    print(
        f"| {n:,} | {kind} | {middle - start:.1f} s | {(enrolled - before) / n:,.0f} B | "
        f"{end - middle:.1f} s | {(peak[0] - before) / n:,.0f} B |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--indexes", nargs="+", choices=INDEXES, default=INDEXES)
    parser.add_argument("--in-process", nargs=2, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.in_process:
        enroll(Path(settings.in_process[0]), settings.in_process[1])
        return
    print("| images | index | enrolled in | gallery, an image | first search | peak, an image |")
    print("|---|---|---|---|---|---|", flush=True)
    for size in settings.sizes:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), size)
            for kind in settings.indexes:
                command = [sys.executable, __file__, "--in-process", folder, kind]
                subprocess.run(command, check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})


if __name__ == "__main__":
    main()
