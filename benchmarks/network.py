"""The task of all contenders: the network of Koch et al. (2015), initial weights, and data."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

# Filters and kernel size of the four blocks. Pooling follows all but the last block.
BLOCKS = ((64, 10), (128, 7), (128, 4), (256, 4))
EMBEDDING = 4096
L2 = 0.001
LEARNING_RATE = 1e-5
IMAGE = 105

Weights = dict[str, np.ndarray]


def draw_weights(seed: int = 0) -> Weights:
    """Draw Glorot-uniform kernels and zero biases in Keras's layouts, named `conv_1/kernel` ..."""
    rng = np.random.default_rng(seed)
    weights: Weights = {}

    def add(name: str, shape: tuple[int, ...]) -> None:
        area = int(np.prod(shape[:-2]))
        limit = np.sqrt(6 / (area * (shape[-2] + shape[-1])))
        weights[f"{name}/kernel"] = rng.uniform(-limit, limit, shape).astype(np.float32)
        weights[f"{name}/bias"] = np.zeros(shape[-1], np.float32)

    channels, size = 1, IMAGE
    for index, (filters, kernel) in enumerate(BLOCKS, start=1):
        add(f"conv_{index}", (kernel, kernel, channels, filters))
        channels, size = filters, size - kernel + 1
        size = size // 2 if index < len(BLOCKS) else size
    add("embedding", (size * size * channels, EMBEDDING))
    add("head", (EMBEDDING, 1))
    return weights


def step_operations(pairs: int) -> float:
    """Count the floating-point operations of a training step, twice the number of products.

    A gradient for weights costs as much as the forward pass, and so does a gradient for the input.
    The first layer needs no gradient for its input. Convolutions are direct.
    """
    total, channels, size = 0, 1, IMAGE
    for index, (filters, kernel) in enumerate(BLOCKS):
        size = size - kernel + 1
        total += (2 if index == 0 else 3) * size**2 * kernel**2 * channels * filters
        channels, size = filters, size // 2 if index < len(BLOCKS) - 1 else size
    total += 3 * size**2 * channels * EMBEDDING
    return 2.0 * total * 2 * pairs


class Pairs(NamedTuple):
    """Images as uint8 `(n, 105, 105, 1)`, pairs of indices and labels, and the images' files."""

    images: np.ndarray
    indices: np.ndarray
    labels: np.ndarray
    files: list[str]
    list_file: str
    images_root: str

    def arrays(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Select pairs evenly from the list, as float32 in [0, 1]."""
        chosen = np.linspace(0, len(self.labels) - 1, count).astype(int)
        left, right = (self.images[self.indices[chosen, side]] for side in (0, 1))
        return left / np.float32(255), right / np.float32(255), self.labels[chosen]

    def drawn(self, count: int) -> Pairs:
        """Draw pairs at random among the images."""
        rng = np.random.default_rng(0)
        return self._replace(indices=rng.integers(0, len(self.images), (count, 2)))


def load_pairs(folder: Path, name: str) -> Pairs:
    """Load the pairs that `run.py` wrote for all contenders."""
    with np.load(folder / f"{name}.npz") as arrays:
        return Pairs(
            **{name: arrays[name] for name in arrays.files[:3]},
            **{name: arrays[name].tolist() for name in arrays.files[3:]},
        )
