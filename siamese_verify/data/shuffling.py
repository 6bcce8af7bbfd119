"""Random orders of an epoch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def shuffled(n: int, buffer: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw an order of `n` items, through a buffer as `tf.data` does if it is shorter than `n`."""
    if buffer >= n:
        return rng.permutation(n)
    held = np.arange(buffer)
    order = np.empty(n, np.int64)
    slots = rng.integers(buffer, size=n - buffer)
    for i, slot in enumerate(slots.tolist()):
        order[i] = held[slot]
        held[slot] = buffer + i
    order[n - buffer :] = rng.permutation(held)
    return order


def drawn_rows(
    rows: npt.NDArray[np.int64], count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw images of an identity, each equally often or once more than another."""
    repeats = -(-count // len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(repeats)])[:count]
