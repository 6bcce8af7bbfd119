"""New pairs of the photographs of a list, which tell people learnt from pairs learnt by heart."""

from __future__ import annotations

import numpy as np

import siamese_verify as sv


def recombine(pairs: sv.PairDataset, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Same pairs of its photographs that are not in the list, and as many different pairs.

    Returns:
        Indices into `pairs.images`, int64 `(n, 2)`, and labels `(n,)`. As many as there are; none
        where each pair of photographs of one person is in the list.
    """
    names = np.array([[pair.left.person, pair.right.person] for pair in pairs.pairs])
    photos, first = np.unique(pairs.indices, return_index=True)
    person = names.ravel()[first]
    left, right = np.triu_indices(len(photos), 1)

    listed = np.zeros((len(photos), len(photos)), bool)
    listed[tuple(np.searchsorted(photos, pairs.indices).T)] = True
    is_new = ~(listed | listed.T)[left, right]
    is_same = person[left] == person[right]

    rng = np.random.default_rng(seed)
    found = [np.flatnonzero(is_new & is_same), np.flatnonzero(is_new & ~is_same)]
    count = min(map(len, found))
    chosen = np.concatenate([rng.choice(places, count, replace=False) for places in found])
    return photos[np.stack([left, right], axis=1)[chosen]], np.repeat([1, 0], count)
