"""Measure embedding as a job: in one process, and by one and two actors of Ray. Print a table.

    pip install "siamese-verify[scale]" pillow
    python benchmarks/embed.py      # about 2 minutes on two cores

A network of 2.1 million parameters embeds drawn faces of 80 x 80 pixels from JPEG files. The
seconds to the first shard hold the start of Ray and of its actors.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import siamese_verify as sv
from siamese_verify.drawn_faces.painting import draw_face

WAYS = {"one process": None, "Ray, 1 actor": 1, "Ray, 2 actors": 2}
SIDE, PER_SHARD = 80, 256


def draw(folder: Path, n: int) -> dict[str, list[str]]:
    """Write drawn faces as JPEG files, and list them as a table."""
    from PIL import Image

    table: dict[str, list[str]] = {"path": [], "identity": []}
    for i in range(n):
        path = folder / f"{i:06d}.jpg"
        Image.fromarray(draw_face(i // 4, i % 4 + 1, seed=0, size=SIDE)).save(path, quality=90)
        table["path"].append(str(path))
        table["identity"].append(f"{i // 4}")
    return table


def run(verifier: sv.Verifier, table: dict, workers: int | None) -> tuple[float, float, float]:
    """Run one job. Return seconds in all and to the first shard, and images a second after it."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.time()
        verifier.write_embeddings(
            table, folder, images_per_shard=PER_SHARD, workers=workers, verbose=False
        )
        job = time.time() - start
        ends = sorted(file.stat().st_mtime - start for file in Path(folder).glob("*.parquet"))
    return job, ends[0], (len(ends) - 1) * PER_SHARD / (ends[-1] - ends[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shards", type=int, default=16)
    n = parser.parse_args().shards * PER_SHARD
    warnings.simplefilter("ignore", DeprecationWarning)  # Ray's own.
    tower = sv.ConvTower.residual((SIDE, SIDE, 1))
    verifier = sv.Verifier(sv.SiameseModel(tower, sv.CosineHead()), sv.Preprocessing((SIDE, SIDE)))
    with tempfile.TemporaryDirectory() as folder:
        table = draw(Path(folder), n)
        # TensorFlow traces its graphs once.
        run(verifier, {name: column[: 2 * PER_SHARD] for name, column in table.items()}, None)
        print(f"{n:,} images, {tower.count_params():,} parameters")
        print("| | job | to the first shard | then, images a second |")
        print("|---|---|---|---|")
        for way, workers in WAYS.items():
            job, first, rate = run(verifier, table, workers)
            print(f"| {way} | {job:.1f} s | {first:.1f} s | {rate:.0f} |", flush=True)


if __name__ == "__main__":
    main()
