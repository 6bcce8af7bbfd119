"""Scores from embeddings: for a list of pairs, and for all probes against a gallery.

An image passes the tower once. Each further comparison costs only the head.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.backends import without_gradients
from siamese_verify.batch_sizes import compiles_each_size, padded
from siamese_verify.layers.heads.cosine import CosineHead, SigmoidCosineHead

Floats = npt.NDArray[np.float32]

# Size of a block of embeddings: it should stay in the processor's cache.
_BLOCK_BYTES = 2**24


def score_pairs(head: keras.layers.Layer, embeddings: Floats, pairs: npt.ArrayLike) -> Floats:
    """Score a list of pairs.

    Args:
        head: Head, as for `SiameseModel`.
        embeddings: float32 array `(n, size)`, such as `SiameseModel.embed` returns.
        pairs: Integer array `(p, 2)` with the rows of the left and the right embedding of each
            pair.

    Returns:
        float32 array `(p,)`. A higher score is more alike.

    Raises:
        ValueError: If `pairs` has another shape or type.
        IndexError: If a row is out of range.

    Examples:
        >>> embeddings = np.array([[1, 0], [2, 0], [0, 1]], np.float32)
        >>> score_pairs(CosineHead(), embeddings, [[0, 1], [0, 2]]).tolist()
        [1.0, 0.0]
    """
    indices = checked_pairs(pairs)
    scores = np.empty(len(indices), np.float32)
    step = max(1, _BLOCK_BYTES // (8 * embeddings.shape[1]))
    for start in range(0, len(indices), step):
        left, right = indices[start : start + step].T
        scores[start : start + step] = _apply(head, embeddings[left], embeddings[right], step)
    return scores


def checked_pairs(pairs: npt.ArrayLike) -> npt.NDArray[np.integer[Any]]:
    """Check that pairs are an integer array `(p, 2)`, and return it.

    Raises:
        ValueError: If they have another shape or type.
    """
    indices = np.asarray(pairs)
    if indices.ndim != 2 or indices.shape[1] != 2 or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(
            "`pairs` must be an integer array of shape (p, 2). "
            f"Received: {indices.dtype} array of shape {indices.shape}"
        )
    return indices


def score_blocks(
    head: keras.layers.Layer, probes: Floats, gallery: Floats
) -> Iterator[tuple[slice, slice, Floats]]:
    """Score each probe against a whole gallery, block by block.

    Memory grows with the number of probes and with the size of the gallery, not with their product.

    Args:
        head: Head, as for `SiameseModel`. With a `CosineHead`, a block is one matrix product.
        probes: float32 array `(m, size)`.
        gallery: float32 array `(n, size)`.

    Yields:
        Slice of the probes, slice of the gallery, and the float32 scores of the two. The yielded
        array is reused. Copy it to keep it.

    Examples:
        >>> probes, gallery = np.eye(2, 3, dtype=np.float32), np.eye(3, dtype=np.float32)
        >>> best = np.full(len(probes), -np.inf)
        >>> for rows, columns, scores in score_blocks(CosineHead(), probes, gallery):
        ...     best[rows] = np.maximum(best[rows], scores.max(axis=1))
        >>> best.tolist()
        [1.0, 1.0]
    """
    yield from GalleryScorer(head, gallery).blocks(probes)


def score_matrix(head: keras.layers.Layer, probes: Floats, gallery: Floats) -> Floats:
    """Score each probe against a whole gallery, as one matrix.

    Args:
        head: Head, as for `SiameseModel`.
        probes: float32 array `(m, size)`.
        gallery: float32 array `(n, size)`.

    Returns:
        float32 array `(m, n)`. A higher score is more alike.

    Examples:
        >>> embeddings = np.array([[1, 0], [2, 0], [0, 1]], np.float32)
        >>> score_matrix(CosineHead(), embeddings[:1], embeddings).tolist()
        [[1.0, 1.0, 0.0]]
    """
    return GalleryScorer(head, gallery).matrix(probes)


class GalleryScorer:
    """Gallery that is prepared once, to score any number of probes.

    Args:
        head: Head, as for `SiameseModel`. With a `CosineHead`, a block is one matrix product.
        gallery: float32 array `(n, size)`.
    """

    def __init__(self, head: keras.layers.Layer, gallery: Floats):
        self._head = head
        self._is_cosine = type(head) is CosineHead  # A subclass may score in another way.
        self._gallery = self._prepared(gallery)
        self._zero_columns = self._zeros(gallery)

    def extended(self, more: Floats) -> GalleryScorer:
        """Make a scorer of a larger gallery, which still shares memory with this one.

        Extend only the newest of such scorers: they all write behind the gallery of the last.
        """
        larger = copy.copy(self)
        prepared = self._prepared(more)  # It is not copied once more if it is all.
        larger._gallery = appended(self._gallery, prepared) if len(self._gallery) else prepared
        larger._zero_columns = appended(self._zero_columns, self._zeros(more))
        return larger

    def selected(self, rows: npt.NDArray[np.int64]) -> GalleryScorer:
        """Make a scorer of some rows of the gallery."""
        smaller = copy.copy(self)
        smaller._gallery, smaller._zero_columns = self._gallery[rows], self._zero_columns[rows]
        return smaller

    def blocks(self, probes: Floats) -> Iterator[tuple[slice, slice, Floats]]:
        """Score probes block by block (see `score_blocks`)."""
        height, width = self._block_size()
        buffer = np.empty(height * width, np.float32)
        zero_rows, probes = self._zeros(probes), self._prepared(probes)
        for rows, columns in _tiles(len(probes), len(self._gallery), height, width):
            shape = rows.stop - rows.start, columns.stop - columns.start
            scores = buffer[: shape[0] * shape[1]].reshape(shape)
            self._score(probes[rows], self._gallery[columns], scores)
            scores[np.ix_(zero_rows[rows], self._zero_columns[columns])] = 1
            yield rows, columns, scores

    def matrix(self, probes: Floats) -> Floats:
        """Score probes as one matrix (see `score_matrix`)."""
        matrix = np.empty((len(probes), len(self._gallery)), np.float32)
        zero_rows, probes = self._zeros(probes), self._prepared(probes)
        for rows, columns in _tiles(*matrix.shape, *self._block_size()):
            self._score(probes[rows], self._gallery[columns], matrix[rows, columns])
        matrix[np.ix_(zero_rows, self._zero_columns)] = 1
        return matrix

    def _prepared(self, embeddings: Floats) -> Floats:
        return unit_rows(embeddings) if self._is_cosine else embeddings.copy()

    def _zeros(self, embeddings: Floats) -> npt.NDArray[np.bool_]:
        """Find embeddings of zeros, which `CosineHead` scores 1, and a matrix product 0."""
        if not self._is_cosine:
            return np.zeros(len(embeddings), bool)
        return np.asarray(~embeddings.any(axis=1))

    def _block_size(self) -> tuple[int, int]:
        size = self._gallery.shape[1]
        if self._is_cosine:
            # A high block makes the product faster. A low block is still in the cache when its
            # scores are clipped.
            height = min(max(2 * size, 256), 2048)
            return height, _BLOCK_BYTES // 4 // height
        side = max(1, int((_BLOCK_BYTES / 4 / size) ** 0.5))
        return side, side

    def _score(self, probes: Floats, gallery: Floats, out: Floats) -> None:
        if self._is_cosine:
            np.matmul(probes, gallery.T, out=out)
            np.clip(out, -1, 1, out=out)
        else:
            side, _ = self._block_size()
            out[:] = _apply(self._head, probes[:, None], gallery[None], side)


def _tiles(m: int, n: int, height: int, width: int) -> Iterator[tuple[slice, slice]]:
    for top, left in itertools.product(range(0, m, height), range(0, n, max(1, width))):
        yield slice(top, min(top + height, m)), slice(left, min(left + width, n))


def _apply(head: keras.layers.Layer, left: Floats, right: Floats, most: int) -> Floats:
    """Score embeddings `(..., size)`, of which no axis before the last is longer than `most`."""
    shape = np.broadcast_shapes(left.shape, right.shape)[:-1]
    if compiles_each_size():
        left, right = (padded(x, most, axes=x.ndim - 1) for x in (left, right))
    with without_gradients():
        scores: Any = keras.ops.convert_to_numpy(head((left, right)))
    return np.asarray(scores[(*map(slice, shape), 0)], np.float32)


def appended(array: npt.NDArray[Any], more: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Append rows, mostly in place: a full array is copied to one that is half as large again.

    Args:
        array: Array that owns its memory, or that this function has returned.
        more: Rows, which are copied.

    Returns:
        Array of all rows. Append to the newest result only.
    """
    n, total = len(array), len(array) + len(more)
    if not n:
        return more.copy()
    room = array if array.base is None else array.base
    if len(room) < total:
        room = np.empty((max(total, n + n // 2), *array.shape[1:]), array.dtype)
        room[:n] = array
    room[n:total] = more
    return room[:total]


def compares_directions(head: keras.layers.Layer) -> bool:
    """Tell whether a head passes over the lengths of embeddings, so that a mean should too."""
    return isinstance(head, (CosineHead, SigmoidCosineHead))


def unit_rows(x: Floats) -> Floats:
    """Scale each row to length 1, except rows of zeros."""
    length = np.sqrt(np.einsum("ij,ij->i", x, x))
    inverse: Floats = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
    return x * inverse[:, None]
