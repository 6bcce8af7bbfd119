"""Scores from embeddings: of listed pairs, and of all probes against a gallery.

A photograph passes the tower once; whatever it is compared with afterwards costs the head only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.layers.heads import CosineHead

Floats = npt.NDArray[np.float32]

# Bytes that the embeddings of a block of pairs take, side by side: they should stay in the cache.
_BLOCK_BYTES = 2**24


def score_pairs(head: keras.layers.Layer, embeddings: Floats, pairs: npt.ArrayLike) -> Floats:
    """The scores of listed pairs.

    Args:
        head: A head, as for `SiameseModel`.
        embeddings: float32 array `(n, size)`, such as `SiameseModel.embed` gives.
        pairs: Integer array `(p, 2)`: which of the embeddings are the left and right of each pair.

    Returns:
        float32 array `(p,)`; higher is more alike.

    Raises:
        ValueError: If `pairs` is not of this shape.
        IndexError: If it names an embedding that is not there.

    Example:
        >>> embeddings = np.array([[1, 0], [2, 0], [0, 1]], np.float32)
        >>> score_pairs(CosineHead(), embeddings, [[0, 1], [0, 2]]).tolist()
        [1.0, 0.0]
    """
    indices = np.asarray(pairs)
    if indices.ndim != 2 or indices.shape[1] != 2 or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(
            "`pairs` must be an integer array of shape (p, 2). "
            f"Received: {indices.dtype} array of shape {indices.shape}"
        )
    scores = np.empty(len(indices), np.float32)
    step = max(1, _BLOCK_BYTES // (8 * embeddings.shape[1]))
    for start in range(0, len(indices), step):
        left, right = indices[start : start + step].T
        scores[start : start + step] = _apply(head, embeddings[left], embeddings[right])
    return scores


def score_blocks(
    head: keras.layers.Layer, probes: Floats, gallery: Floats
) -> Iterator[tuple[slice, slice, Floats]]:
    """The scores of each probe against all of a gallery, block by block.

    Memory grows with the number of probes and of the gallery, not with their product.

    Args:
        head: A head, as for `SiameseModel`. With a `CosineHead`, a block is one matrix product.
        probes: float32 array `(m, size)`.
        gallery: float32 array `(n, size)`.

    Yields:
        Which probes, which of the gallery, and their scores, of the shape of the two. A block is
        of use only until the next is asked for.

    Example:
        >>> probes, gallery = np.eye(2, 3, dtype=np.float32), np.eye(3, dtype=np.float32)
        >>> best = np.full(len(probes), -np.inf)
        >>> for rows, columns, scores in score_blocks(CosineHead(), probes, gallery):
        ...     best[rows] = np.maximum(best[rows], scores.max(axis=1))
        >>> best.tolist()
        [1.0, 1.0]
    """
    height, width, score = _scorer(head, probes, gallery)
    buffer = np.empty(height * width, np.float32)
    for rows, columns in _tiles(len(probes), len(gallery), height, width):
        shape = rows.stop - rows.start, columns.stop - columns.start
        scores = buffer[: shape[0] * shape[1]].reshape(shape)
        score(rows, columns, scores)
        yield rows, columns, scores


def score_matrix(head: keras.layers.Layer, probes: Floats, gallery: Floats) -> Floats:
    """The scores of each probe against all of a gallery, as one float32 array `(m, n)`.

    Args:
        head: A head, as for `SiameseModel`.
        probes: float32 array `(m, size)`.
        gallery: float32 array `(n, size)`.

    Example:
        >>> embeddings = np.array([[1, 0], [2, 0], [0, 1]], np.float32)
        >>> score_matrix(CosineHead(), embeddings[:1], embeddings).tolist()
        [[1.0, 1.0, 0.0]]
    """
    matrix = np.empty((len(probes), len(gallery)), np.float32)
    height, width, score = _scorer(head, probes, gallery)
    for rows, columns in _tiles(*matrix.shape, height, width):
        score(rows, columns, matrix[rows, columns])
    return matrix


def _tiles(m: int, n: int, height: int, width: int) -> Iterator[tuple[slice, slice]]:
    for top, left in itertools.product(range(0, m, height), range(0, n, max(1, width))):
        yield slice(top, min(top + height, m)), slice(left, min(left + width, n))


def _scorer(
    head: keras.layers.Layer, probes: Floats, gallery: Floats
) -> tuple[int, int, Callable[[slice, slice, Floats], None]]:
    """Height and width of a block, and a function that writes the scores of one."""
    size = probes.shape[1]
    if isinstance(head, CosineHead):
        # A high block makes more of a product, a low one is still in the cache when clipped.
        height = min(max(2 * size, 256), 2048)
        return height, _BLOCK_BYTES // 4 // height, _cosines(probes, gallery)

    def score(rows: slice, columns: slice, out: Floats) -> None:
        out[:] = _apply(head, probes[rows, None], gallery[None, columns])

    side = max(1, int((_BLOCK_BYTES / 4 / size) ** 0.5))
    return side, side, score


def _cosines(probes: Floats, gallery: Floats) -> Callable[[slice, slice, Floats], None]:
    """A product of embeddings that have been brought to length 1."""
    probes, gallery = (x * _inverse_lengths(x)[:, None] for x in (probes, gallery))

    def score(rows: slice, columns: slice, out: Floats) -> None:
        np.matmul(probes[rows], gallery[columns].T, out=out)
        np.clip(out, -1, 1, out=out)

    return score


def _apply(head: keras.layers.Layer, left: Floats, right: Floats) -> Floats:
    scores: Any = keras.ops.convert_to_numpy(head((left, right)))
    return np.asarray(scores[..., 0], np.float32)


def _inverse_lengths(x: Floats) -> Floats:
    """Of each row; 0 of one of zeros."""
    length = np.sqrt(np.einsum("ij,ij->i", x, x))
    inverse: Floats = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
    return inverse
