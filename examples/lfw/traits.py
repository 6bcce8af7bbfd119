"""Traits of a pair of images: numbers about pose and light that do not show the images."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

import siamese_verify as sv
from siamese_verify.files import replacing

TRAITS = {
    "asymmetry": "asymmetry of the more asymmetric image",
    "asymmetry_difference": "difference in asymmetry",
    "brightness_difference": "difference in mean brightness",
    "contrast_difference": "difference in contrast",
}


def measure_traits(pairs: sv.PairDataset) -> dict[str, np.ndarray]:
    """Measure each of `TRAITS` for each pair, with pixels in [0, 1].

    Asymmetry is the mean absolute difference between an image and its mirror image. It is high for
    a face that looks to one side, or is lit from one side. Contrast is the standard deviation.
    """
    images = pairs.images.astype(np.float32).mean(axis=-1) / 255
    asymmetry = np.abs(images - images[:, :, ::-1]).mean(axis=(1, 2))
    left, right = pairs.indices.T

    def difference(values: np.ndarray) -> np.ndarray:
        return np.abs(values[left] - values[right])

    return {
        "asymmetry": np.maximum(asymmetry[left], asymmetry[right]),
        "asymmetry_difference": difference(asymmetry),
        "brightness_difference": difference(images.mean(axis=(1, 2))),
        "contrast_difference": difference(images.std(axis=(1, 2))),
    }


def groups(pairs: sv.PairDataset) -> dict[str, np.ndarray]:
    """Split pairs by each trait into the highest quarter and the rest, bool `(n,)`."""
    found = {}
    for name, values in measure_traits(pairs).items():
        high = values > np.quantile(values, 0.75)
        found[f"{TRAITS[name]}: highest quarter"] = high
        found[f"{TRAITS[name]}: the rest"] = ~high
    return found


def write_traits(data: Path, path: Path) -> None:
    """Write the traits of LFW's test pairs, a row for each pair."""
    test = sv.PairList.from_lfw(data / "pairsDevTest.txt")
    traits = measure_traits(sv.PairDataset(test, data / "lfw2", verbose=False))
    with replacing(path) as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["left", "right", *traits])
        for pair, *values in zip(test, *traits.values(), strict=True):
            writer.writerow(
                [pair.left.path, pair.right.path, *(f"{value:.5f}" for value in values)]
            )
