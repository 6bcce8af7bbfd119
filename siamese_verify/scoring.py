"""Scores from embeddings: of listed pairs, and of all probes against a gallery.

A photograph passes the tower once; whatever it is compared with afterwards costs the head only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.layers.heads import CosineHead

Floats = npt.NDArray[np.float32]

# Bytes that the embeddings of a block of pairs take, side by side: they should stay in the cache.
_BLOCK_BYTES = 2**24
_COSINE_BLOCK = 1024


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
    cosine = isinstance(head, CosineHead)
    step = _COSINE_BLOCK if cosine else max(1, int((_BLOCK_BYTES / 4 / probes.shape[1]) ** 0.5))
    if cosine:
        probes, gallery = _unit_length(probes), _unit_length(gallery)
    for top in range(0, len(probes), step):
        rows = slice(top, min(top + step, len(probes)))
        for start in range(0, len(gallery), step):
            columns = slice(start, min(start + step, len(gallery)))
            if cosine:
                scores = probes[rows] @ gallery[columns].T
                np.clip(scores, -1, 1, out=scores)
            else:
                scores = _apply(head, probes[rows, None], gallery[None, columns])
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
    for rows, columns, scores in score_blocks(head, probes, gallery):
        matrix[rows, columns] = scores
    return matrix


def _apply(head: keras.layers.Layer, left: Floats, right: Floats) -> Floats:
    scores: Any = keras.ops.convert_to_numpy(head((left, right)))
    return np.asarray(scores[..., 0], np.float32)


def _unit_length(x: Floats) -> Floats:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    scaled: Floats = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    return scaled
