"""Images that are nearly the same under two identities, and images that look mislabelled."""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.data.preprocessing import Pixels
from siamese_verify.scoring import (
    Floats,
    compares_directions,
    score_blocks,
    score_matrix,
    unit_rows,
)

Integers = npt.NDArray[np.int64]

_SIDE = 16
"""Height and width of a thumbnail. Resizing and encoding again hardly change it."""
_LEAST_LIKE = 0.985
"""No two of 2 million pairs of different drawn faces are as much alike, see docs/shell.md."""
_BLOCK = 2_048
"""Number of images that are compared with as many others at once: 16 MiB a matrix."""
_ROWS = 512
"""Number of images of an identity that are compared with all its images at once."""
_MOST = 10_000


class Duplicates(NamedTuple):
    """Pairs of images that are nearly the same, the most alike first."""

    pairs: Integers
    """Rows of both images, `(n, 2)`, the lower one first."""
    scores: Floats
    """Likeness of each pair, from 0.985 to 1 `(n,)`."""


class Mislabelled(NamedTuple):
    """Images that look like another identity than their own, the clearest first."""

    rows: Integers
    """Rows of the images `(n,)`."""
    labels: Integers
    """Label of the identity that each image looks like `(n,)`."""
    scores: Floats
    """Score of each image against the mean of that identity's embeddings `(n,)`."""
    own_scores: Floats
    """Median score of each image against the others of its own identity `(n,)`."""


def thumbnails(pixels: Pixels) -> Floats:
    """Reduce images to vectors whose product is a correlation, for `near_duplicates`.

    Args:
        pixels: Images as `read_image` returns them, uint8 `(n, height, width, channels)`.

    Returns:
        float32 array `(n, size)`, with at most 256 numbers for an image. Their mean is 0 and their
        length 1, or 0 for an image of one grey.

    Examples:
        >>> image = np.arange(32 * 32, dtype=np.uint8).reshape(1, 32, 32, 1)
        >>> vectors = thumbnails(np.concatenate([image, image // 2 + 60]))
        >>> round(float(vectors[0] @ vectors[1]), 2)
        1.0
    """
    grey = pixels.mean(axis=-1, dtype=np.float32)
    for axis in (1, 2):
        size = grey.shape[axis]
        edges = np.linspace(0, size, min(size, _SIDE) + 1).astype(int)
        sums = np.add.reduceat(grey, edges[:-1], axis=axis)
        grey = sums / np.expand_dims(np.diff(edges), 2 - axis).astype(np.float32)
    vectors = grey.reshape(len(grey), -1)
    return unit_rows(vectors - vectors.mean(axis=1, keepdims=True))


def near_duplicates(
    thumbs: Floats,
    embeddings: Floats,
    labels: npt.ArrayLike,
    parts: npt.ArrayLike | None = None,
) -> Duplicates:
    """Find images that are nearly the same but of two identities, or in two parts of the data.

    The likeness of two images is the correlation of their thumbnails. If the cosine of their
    embeddings is higher, it is the mean of both, so that slight crops are found too. Time grows
    with the square of the number of images, and memory does not.

    Args:
        thumbs: Result of `thumbnails`, `(n, size)`.
        embeddings: Embeddings of the images `(n, dims)`.
        labels: Label of each image's identity `(n,)`, whole numbers.
        parts: Number of the part, such as a fold, that each image is in `(n,)`. By default all are
            in one part.

    Returns:
        The `Duplicates`, at most 10,000.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> images = rng.integers(256, size=(4, 16, 16, 1)).astype(np.uint8)
        >>> images[3] = images[0]
        >>> vectors = rng.normal(size=(4, 8)).astype(np.float32)
        >>> near_duplicates(thumbnails(images), vectors, labels=[0, 0, 1, 1]).pairs.tolist()
        [[0, 3]]
    """
    labels = np.asarray(labels)
    parts = np.zeros(len(labels), int) if parts is None else np.asarray(parts)
    vectors = unit_rows(np.asarray(embeddings, np.float32))
    pairs, scores = np.empty((0, 2), np.int64), np.empty(0, np.float32)
    for top in range(0, len(labels), _BLOCK):
        for start in range(top, len(labels), _BLOCK):
            one, other = slice(top, top + _BLOCK), slice(start, start + _BLOCK)
            likeness = thumbs[one] @ thumbs[other].T
            likeness += np.maximum(vectors[one] @ vectors[other].T - likeness, 0) / 2
            rows, columns = np.nonzero(likeness >= _LEAST_LIKE)
            left, right = rows + top, columns + start
            apart = (labels[left] != labels[right]) | (parts[left] != parts[right])
            kept = apart & (left < right)
            pairs = np.concatenate([pairs, np.stack([left, right], 1)[kept]])
            scores = np.concatenate([scores, likeness[rows, columns][kept]])
            if len(scores) > _MOST:
                pairs, scores = _first(pairs, scores)
    return Duplicates(*_first(pairs, scores))


def mislabelled_images(
    embeddings: Floats, labels: npt.ArrayLike, head: keras.layers.Layer, threshold: float
) -> Mislabelled:
    """Find images that a verifier accepts as another identity, and rejects as their own.

    An image is compared with the other images of its identity, by the median of its scores. It is
    also compared with the mean embedding of each other identity. It is named if it scores clearly
    higher there: by more than a typical genuine score exceeds the threshold. Identities with one
    image are left out. Time grows with the product of the numbers of images and of identities.
    Memory does not.

    Args:
        embeddings: Embeddings of the images `(n, size)`.
        labels: Label of each image's identity `(n,)`, whole numbers from 0.
        head: Head that scores embeddings.
        threshold: Score from which two images are accepted as the same.

    Returns:
        The `Mislabelled`.

    Examples:
        >>> embeddings = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], np.float32)
        >>> mislabelled_images(embeddings, [0, 0, 0, 1, 1], CosineHead(), 0.5).rows.tolist()
        [2]
    """
    embeddings, labels = np.asarray(embeddings, np.float32), np.asarray(labels)
    order = np.argsort(labels, kind="stable")
    names, starts = np.unique(labels[order], return_index=True)
    groups = np.split(order, starts[1:])
    own = np.full(len(labels), np.inf, np.float32)  # One image alone is not rejected.
    for rows in (group for group in groups if len(group) > 1):
        own[rows] = _typical_own_scores(head, embeddings[rows])
    comparable = unit_rows(embeddings) if compares_directions(head) else embeddings
    means = np.stack([comparable[group].mean(axis=0) for group in groups])
    best, like = np.full(len(labels), -np.inf, np.float32), np.zeros(len(labels), np.int64)
    for block, columns, scores in score_blocks(head, embeddings, means):
        scores[labels[block, None] == names[None, columns]] = -np.inf
        place = scores.argmax(axis=1)
        found = scores[np.arange(len(scores)), place]
        higher = found > best[block]
        like[block] = np.where(higher, names[columns][place], like[block])
        best[block] = np.maximum(found, best[block])
    alone = np.isinf(own)
    margin = 0.0 if alone.all() else max(float(np.median(own[~alone])) - threshold, 0.0)
    suspects = np.flatnonzero((own < threshold) & (best >= threshold) & (best - own > margin))
    suspects = suspects[np.argsort(own[suspects] - best[suspects], kind="stable")]
    return Mislabelled(suspects, like[suspects], best[suspects], own[suspects])


def _typical_own_scores(head: keras.layers.Layer, embeddings: Floats) -> Floats:
    """Score each image of an identity against the others, and return the median of its scores."""
    typical = np.empty(len(embeddings), np.float32)
    for start in range(0, len(embeddings), _ROWS):
        block = slice(start, start + _ROWS)
        scores = score_matrix(head, embeddings[block], embeddings)
        rows = np.arange(len(scores))
        scores[rows, rows + start] = np.nan  # An image says nothing about its own label.
        typical[block] = np.nanmedian(scores, axis=1)
    return typical


def _first(pairs: Integers, scores: Floats) -> tuple[Integers, Floats]:
    order = np.argsort(-scores, kind="stable")[:_MOST]
    return pairs[order], scores[order]
