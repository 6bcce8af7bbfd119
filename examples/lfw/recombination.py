"""New pairs of the training images, which show whether identities or only pairs were learnt."""

from __future__ import annotations

import numpy as np

import siamese_verify as sv


def recombine(pairs: sv.PairDataset, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pair the images of a list in new ways: all new genuine pairs, and as many impostor pairs.

    Returns:
        Indices into `pairs.images`, int64 `(n, 2)`, and labels `(n,)`. Both are empty if the list
        holds all genuine pairs of its images.
    """
    _, samples = pairs.distinct_images()
    identity = np.array([sample.identity for sample in samples])
    left, right = np.triu_indices(len(samples), 1)

    rows, places = np.unique(pairs.indices, return_inverse=True)
    listed = np.zeros((len(samples), len(samples)), bool)
    listed[tuple(places.reshape(-1, 2).T)] = True
    is_new = ~(listed | listed.T)[left, right]
    is_same = identity[left] == identity[right]

    rng = np.random.default_rng(seed)
    found = [np.flatnonzero(is_new & is_same), np.flatnonzero(is_new & ~is_same)]
    count = min(map(len, found))
    chosen = np.concatenate([rng.choice(new, count, replace=False) for new in found])
    return rows[np.stack([left, right], axis=1)[chosen]], np.repeat([1, 0], count)
