"""Links that pairs make between images or identities, directly or through other pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.data.pair_sequence import PairSequence
from siamese_verify.messages import shown

Labels = npt.NDArray[np.int32]
Indices = npt.NDArray[Any]


def label_images(pairs: PairSequence, indices: Indices, n_images: int) -> Labels:
    """Label each image, such that images share a label if same pairs link them.

    Args:
        pairs: The pairs.
        indices: Numbers `(n, 2)` of the left and the right image of each pair.
        n_images: Number of images.

    Returns:
        int32 array `(n_images,)`.

    Raises:
        ValueError: If same pairs link the two images of a different pair.
    """
    label = lowest_linked(indices[pairs.labels == 1], n_images)
    linked = label[indices[:, 0]] == label[indices[:, 1]]
    contradicted = np.flatnonzero(linked & (pairs.labels == 0))
    if len(contradicted):
        left, right, _ = pairs[int(contradicted[0])]
        raise ValueError(
            "Same pairs link the two images of a different pair, so that no label is right. "
            "Correct the labels in the list of pairs. "
            f"Received: {len(contradicted):,} such pairs, the first of them "
            f"{shown(left.path)} and {shown(right.path)}"
        )
    return label


def lowest_linked(links: Indices, n: int) -> Labels:
    """Return, for each of n items, the lowest item that it is linked with, directly or not."""
    lowest = np.arange(n, dtype=np.int32)
    while True:
        left, right = lowest[links[:, 0]], lowest[links[:, 1]]
        links = np.column_stack((left, right))[left != right]
        if not len(links):
            return lowest
        np.minimum.at(lowest, np.maximum(*links.T), np.minimum(*links.T))
        # Each item follows its chain of lower items to the end, in steps that double.
        while not np.array_equal(further := lowest[lowest], lowest):
            lowest = further
