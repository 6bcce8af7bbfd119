"""Mixing of images that come file by file, within bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from siamese_verify.data.batching import Indices, Labels
from siamese_verify.data.preprocessing import Pixels
from siamese_verify.data.shuffling import drawn_rows

Units = tuple[Pixels, Labels]
"""Images `(n, k, height, width, channels)` and labels `(n, k)`, of which each k stay together."""


class ShuffleBuffer:
    """Buffer of images, of fixed size, that mixes the images of several files.

    Args:
        size: Largest number of entries.
        shape: Shape of an entry: k images.
    """

    def __init__(self, size: int, shape: tuple[int, ...]):
        self._pixels = np.empty((size, *shape), np.uint8)
        self._labels = np.empty((size, shape[0]), np.int32)

    def batches(
        self, blocks: Iterator[Units], size: int, kept: int, rng: np.random.Generator | None
    ) -> Iterator[Units]:
        """Yield batches, and keep at least `kept` entries to mix with, until the entries end."""
        free = np.arange(len(self._pixels))
        held = free[:0]
        for pixels, labels in blocks:
            slots, free = np.split(free, [len(pixels)])
            self._pixels[slots], self._labels[slots] = pixels, labels
            held = np.concatenate([held, slots])
            if rng is not None:
                held = rng.permutation(held)
            # Whole batches only, since the rest of the epoch follows.
            ready, held = np.split(held, [max(0, len(held) - kept) // size * size])
            yield from self._gather(ready, size)
            free = np.concatenate([free, ready])
        yield from self._gather(held, size)

    def _gather(self, slots: Indices, size: int) -> Iterator[Units]:
        for start in range(0, len(slots), size):
            rows = slots[start : start + size]
            yield self._pixels[rows], self._labels[rows]


def chosen_rows(labels: Labels, per_identity: int | None, rng: np.random.Generator) -> Indices:
    """Choose the rows of a file's images: all, or some of each identity, `(n, k)`."""
    if per_identity is None:
        return np.arange(len(labels))[:, np.newaxis]
    starts = np.flatnonzero(np.diff(labels)) + 1
    each = np.split(np.arange(len(labels)), starts)
    return np.stack([drawn_rows(rows, per_identity, rng) for rows in each])
