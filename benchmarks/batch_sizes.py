"""Measure what decisions on 1, 2, 3 ... pairs cost in one process, whose batches all differ.

    KERAS_BACKEND=jax python benchmarks/batch_sizes.py --head WeightedL1Head

JAX compiles a program for each size of a batch. The images are noise, and the network is untrained.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import siamese_verify as sv
from siamese_verify.evaluation.calibration import calibrate


def memory() -> float:
    """Read the present memory of this process in MB."""
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    """Print a table of seconds and memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=39, help="largest number of pairs")
    parser.add_argument("--head", default="CosineHead", help="class of the head")
    settings = parser.parse_args()
    images = np.random.default_rng(0).integers(0, 256, (2 * settings.pairs, 80, 80, 1), np.uint8)
    verifier = sv.Verifier(
        sv.ConvTower([sv.ConvBlock(16, 3), sv.ConvBlock(32, 3)], (80, 80, 1), 64),
        sv.Preprocessing((80, 80)),
        head=getattr(sv, settings.head)(),
    )
    labels = np.repeat([1, 0], 200)
    verifier.calibration = calibrate(np.random.default_rng(0).normal(labels), labels)
    verifier.verify(images[0], images[1])
    print(f"| {keras.backend.backend()} | seconds | of a core | MB more |\n|---|---|---|---|")
    for name in ("first time", "second time"):
        before, start, busy = memory(), time.perf_counter(), time.process_time()
        with warnings.catch_warnings(action="ignore"):  # The network is untrained.
            for n in range(1, settings.pairs + 1):
                verifier.verify_many(zip(images[:n], images[n : 2 * n], strict=True))
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        figures = f"{seconds:.1f} | {busy:.1f} | {memory() - before:.0f}"
        print(f"| 1 to {settings.pairs} pairs, {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
