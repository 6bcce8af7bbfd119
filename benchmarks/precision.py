"""Compare mixed precision with float32: decisions, scores, and time, on LFW's View 1.

    python benchmarks/precision.py --data lfw

A network is trained in float32 for some minutes, and its threshold is chosen on validation pairs.
The same weights then decide on the 1,000 test pairs under each policy, at the same threshold.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np
from timing import median_seconds

import siamese_verify as sv
from siamese_verify.evaluation.calibration import calibrate
from siamese_verify.testing.round_trip import with_dtype

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
UNITS = ("avx512_bf16", "amx_bf16", "avx512_fp16", "amx_fp16")
SIZE = (64, 64)
PAIRS = 32


def cpu() -> str:
    """Name the CPU and its units for half precision."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = dict(line.split("\t: ", 1) for line in lines if "\t: " in line)
    flags = fields.get("flags\t", fields.get("flags", "")).split()
    units = [flag for flag in UNITS if flag in flags] or ["none"]
    name = next((value for key, value in fields.items() if key.startswith("model name")), "unknown")
    return f"{name}; units for half precision: {', '.join(units)}"


def trained(data: Path, epochs: int) -> tuple[keras.Model, float]:
    """Train a tower to tell the identities in training, and choose a threshold for cosines."""
    pairs = data_set(data, "pairsDevTrain.txt")
    train, validation = pairs.split(0.15)
    keras.utils.set_random_seed(0)
    tower = sv.ConvTower.residual((*SIZE, 1), filters=(16, 32, 64))
    model = keras.Sequential([tower])
    model.compile(sv.FusedAdam(2e-3), sv.SupervisedContrastiveLoss())
    batches = train.image_batches(64, augment=True)
    model.fit(batches, epochs=epochs, shuffle=False, verbose=2)
    scores = sv.SiameseModel(tower, sv.CosineHead()).score(validation.images, validation.indices)
    return tower, calibrate(scores, validation.labels).threshold


def data_set(data: Path, name: str) -> sv.PairDataset:
    return sv.PairDataset.from_lfw(data / name, data / "lfw2", SIZE, verbose=False)


def speed(tower: keras.Model, images: np.ndarray) -> tuple[float, float]:
    """Measure the milliseconds of a training step, and the images embedded in a second."""
    model = sv.SiameseModel(tower, sv.SigmoidCosineHead())
    rate = len(images) / median_seconds(lambda: model.embed(images), 5)
    model.compile(sv.FusedAdam(), "binary_crossentropy")
    sides, labels = (images[::2], images[1::2]), np.arange(PAIRS) % 2
    return 1000 * median_seconds(lambda: model.train_on_batch(sides, labels), 5), rate


def main() -> None:
    """Print a table with a row for each policy."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with lfw2/ and pair lists")
    parser.add_argument("--epochs", type=int, default=30)
    settings = parser.parse_args()
    tower, threshold = trained(settings.data, settings.epochs)
    test = data_set(settings.data, "pairsDevTest.txt")
    print(f"{cpu()}; {keras.backend.backend()}\n")
    print("| policy | accuracy | decisions as in float32 | largest difference of a score", end="")
    print(" | step of 32 pairs, ms | images a second |\n|---|---|---|---|---|---|")
    expected = np.empty(0)
    for policy in POLICIES:
        twin = with_dtype(tower, policy)
        twin.set_weights(tower.get_weights())
        scores = sv.SiameseModel(twin, sv.CosineHead()).score(test.images, test.indices)
        expected = expected if len(expected) else scores
        decisions = scores >= threshold
        agree = np.mean(decisions == (expected >= threshold))
        difference = np.abs(scores - expected).max()
        step, rate = speed(twin, test.images[: 2 * PAIRS] / np.float32(255))
        figures = f"{np.mean(decisions == test.labels):.3f} | {agree:.1%} | {difference:.4f}"
        print(f"| {policy} | {figures} | {step:.0f} | {rate:.0f} |", flush=True)


if __name__ == "__main__":
    main()
