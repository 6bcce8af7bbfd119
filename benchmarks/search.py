"""Measure gallery search, exact and by FAISS in memory and on disk, and print a table.

    pip install -e ".[search]"
    python benchmarks/search.py      # about 10 minutes; 3 GB of memory

Embeddings have 128 dimensions, and are drawn around identities of ten images each. Two images of an
identity have a cosine of about 0.5. Recall is the share of the ten nearest neighbours that are
found. The table shows the time of one probe alone, and of each among a thousand that are searched
together.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from pathlib import Path

import numpy as np

import siamese_verify as sv
from siamese_verify.verification.indexes.exact import ExactIndex
from siamese_verify.verification.indexes.faiss import FaissIndex
from siamese_verify.verification.indexes.index import Index

SIZE, K, IMAGES, PROBES = 128, 10, 10, 1000


def draw(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a gallery, and probes of its identities."""
    identities = rng.normal(size=(n // IMAGES, SIZE)).astype(np.float32)

    def images(rows: np.ndarray) -> np.ndarray:
        return identities[rows] + rng.normal(size=(len(rows), SIZE)).astype(np.float32)

    gallery = images(np.repeat(np.arange(len(identities)), IMAGES))
    return gallery, images(rng.integers(len(identities), size=PROBES))


def milliseconds(index: Index, probes: np.ndarray) -> float:
    start = time.perf_counter()
    index.search(probes, K)
    return 1000 * (time.perf_counter() - start) / len(probes)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    file = Path(folder.name, "gallery.faiss")
    kinds = {
        "exact": ExactIndex,
        "FAISS": FaissIndex,
        "FAISS on disk": functools.partial(FaissIndex, path=file),
    }
    print("| gallery | index | built in | one probe | each of 1,000 | recall at 1 | recall at 10 |")
    print("|---|---|---|---|---|---|---|")
    for n in options.sizes:
        gallery, probes = draw(n, np.random.default_rng(0))
        nearest = None
        for name, index_type in kinds.items():
            file.unlink(missing_ok=True)
            start = time.perf_counter()
            index: Index = index_type(sv.CosineHead(), SIZE)
            index.add(np.arange(n), gallery)
            built = time.perf_counter() - start
            alone = np.median([milliseconds(index, probes[i : i + 1]) for i in range(20)])
            together = np.median([milliseconds(index, probes) for _ in range(3)])
            found = index.search(probes, K).ids
            nearest = found if nearest is None else nearest
            first = np.mean(nearest[:, 0] == found[:, 0])
            both = zip(nearest.tolist(), found.tolist(), strict=True)
            recall = np.mean([len({*a} & {*b}) / K for a, b in both])
            row = f"| {n:,} | {name} | {built:.1f} s | {alone:.1f} ms | {together:.2f} ms"
            print(f"{row} | {first:.3f} | {recall:.3f} |", flush=True)
    folder.cleanup()


if __name__ == "__main__":
    main()
