"""The pairs that are hardest for a model, found block by block. NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from siamese_verify.data.random_pairs import Integers
from siamese_verify.messages import shown

Floats = npt.NDArray[np.float32]

_BLOCK = 2_048
"""Number of images that are compared with as many others at once: 16 MiB of cosines."""


def check_embeddings(embeddings: npt.ArrayLike, n_samples: int) -> Floats:
    """Return the embeddings as float32 vectors, if there is one for each sample.

    Raises:
        ValueError: If the shape is another, or a vector is zero or not finite.
    """
    vectors = np.asarray(embeddings)
    if vectors.ndim != 2 or len(vectors) != n_samples or vectors.dtype.kind not in "fiu":
        raise ValueError(
            "`embeddings` must hold one vector of numbers for each sample, in the same order. "
            f"Received: an array of shape {vectors.shape} and dtype {shown(vectors.dtype)} for "
            f"{n_samples:,} samples"
        )
    return vectors


def find(
    embeddings: npt.NDArray[np.floating],
    rows: Integers,
    counts: Integers,
    n_same: int,
    n_different: int,
) -> Integers:
    """Find the least alike same pairs and the most alike different pairs, by cosine.

    Memory holds two blocks of embeddings, their cosines, and the pairs wanted. Pairs of equal
    cosine come in the order of their images.

    Args:
        embeddings: Vectors `(m, dims)`.
        rows: Row of each image in `embeddings`, with images sorted by identity `(m,)`.
        counts: Number of images of each identity.
        n_same: Number of same pairs, at most as many as there are.
        n_different: Number of different pairs, at most as many as there are.

    Returns:
        Numbers of the two images of each pair `(n_same + n_different, 2)`, the lower one first. The
        hardest of each kind come first.

    Raises:
        ValueError: If an embedding is zero or not finite.
    """
    identity = np.repeat(np.arange(len(counts)), counts)
    same, different = _Highest(n_same), _Highest(n_different)
    starts = range(0, len(rows), _BLOCK)
    for top in starts:
        one = slice(top, top + _BLOCK)
        left = _unit_vectors(embeddings, rows[one])
        for start in starts[top // _BLOCK :]:
            other = slice(start, start + _BLOCK)
            may_be_same = identity[one][-1] >= identity[start]
            if not may_be_same and not n_different:
                break
            cosines = left @ (left if start == top else _unit_vectors(embeddings, rows[other])).T
            if start == top:
                cosines[np.tri(len(cosines), dtype=bool)] = np.nan  # Each pair counts once.
            if not may_be_same:
                different.add(cosines, top, start)
                continue
            is_same = identity[one, None] == identity[other]
            same.add(np.where(is_same, -cosines, np.nan), top, start)
            different.add(np.where(is_same, np.nan, cosines), top, start)
    return np.concatenate([same.pairs(), different.pairs()])


def _unit_vectors(embeddings: npt.NDArray[np.floating], rows: Integers) -> Floats:
    # In float64, the length of a vector of large or small numbers is finite.
    vectors = embeddings[rows].astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        wrong = rows[np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))[0]]
        raise ValueError(
            "Each embedding must be finite and not zero, or it has no direction to compare. "
            f"Received: embeddings[{wrong}]={shown(embeddings[wrong])}"
        )
    unit: Floats = (vectors / lengths).astype(np.float32)
    return unit


class _Highest:
    """The pairs of highest values, from blocks of values."""

    def __init__(self, size: int):
        self._size = size
        self._values = np.empty(0, np.float32)
        self._pairs = np.empty((0, 2), np.int32)
        self._least = -np.inf
        """No value below is among the highest."""

    def add(self, values: Floats, top: int, start: int) -> None:
        """Add a block, whose first image pair is `(top, start)`. NaN is left out."""
        if not self._size:
            return
        rows, columns = np.nonzero(values >= self._least)
        pairs = np.stack([rows + top, columns + start], 1).astype(np.int32)
        self._values = np.concatenate([self._values, values[rows, columns]])
        self._pairs = np.concatenate([self._pairs, pairs])
        if len(self._values) > 2 * self._size + _BLOCK:
            self._keep(self._order()[: self._size])
            self._least = self._values[-1]

    def pairs(self) -> Integers:
        """Return the pairs `(size, 2)`, the highest first."""
        self._keep(self._order()[: self._size])
        return self._pairs.astype(np.int64)

    def _order(self) -> Integers:
        return np.lexsort([self._pairs[:, 1], self._pairs[:, 0], -self._values])

    def _keep(self, places: Integers) -> None:
        self._values, self._pairs = self._values[places], self._pairs[places]
