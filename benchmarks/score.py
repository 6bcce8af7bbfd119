"""Measure seconds and memory for many pairs among few images.

    python benchmarks/score.py FOLDER --images 3000 --pairs 20000

FOLDER has a folder for each identity. An untrained network decides on random pairs of its images
with `Verifier.verify_many` and with `Verifier.score`. For comparison, every image of every pair is
read and embedded, one after the other, with `--slow N` for the first N pairs.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

import siamese_verify as sv
from siamese_verify.data.reading import read_image
from siamese_verify.evaluation.calibration import calibrate


def peak() -> float:
    """Read the highest memory of this process in MB, and begin again."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    """Print a table of seconds and memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--pairs", type=int, default=20000)
    parser.add_argument("--slow", type=int, default=0)
    settings = parser.parse_args()
    paths = sorted(settings.folder.glob("*/*.jpg"))[: settings.images]
    indices = np.random.default_rng(0).integers(len(paths), size=(settings.pairs, 2))
    size = sv.Preprocessing((105, 105))
    tower = sv.ConvTower([sv.ConvBlock(16, 3), sv.ConvBlock(32, 3)], (105, 105, 1), 64)
    verifier = sv.Verifier(sv.SiameseModel(tower, sv.CosineHead()), size)
    labels = np.repeat([1, 0], 200)
    verifier.calibration = calibrate(np.random.default_rng(0).normal(labels), labels)
    pairs = [(paths[left], paths[right]) for left, right in indices.tolist()]
    samples = [
        sv.Sample(str(path.relative_to(settings.folder)), path.parent.name) for path in paths
    ]
    pair_list = sv.PairList.from_columns(samples, indices, np.arange(len(indices)) % 2)

    def slow() -> None:
        chosen = pairs[: settings.slow]
        verifier.model.embed(np.array([read_image(x, size) for both in chosen for x in both]))

    print("| | pairs | seconds | peak MB above the start |\n|---|---|---|---|")
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "`verify_many`": (len(pairs), lambda: verifier.verify_many(pairs)),
        "`score`": (
            len(pairs),
            lambda: verifier.score(pair_list, settings.folder, verbose=False),
        ),
    }
    if settings.slow:
        ways["each image of each pair"] = settings.slow, slow
    verifier.verify_many(pairs[:64])
    for name, (n, work) in ways.items():
        peak()
        before, start = peak(), time.perf_counter()
        with warnings.catch_warnings(action="ignore"):  # The network is untrained.
            work()
        seconds = time.perf_counter() - start
        print(f"| {name} | {n:,} | {seconds:.1f} | {peak() - before:.0f} |", flush=True)


if __name__ == "__main__":
    main()
