"""`IdentityGraph`: which identities pairs connect."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.data.linking import lowest_linked

Integers = npt.NDArray[Any]


class IdentityGraph:
    """Identities, and the pairs that connect them, in time linear in their numbers.

    Args:
        codes: Numbers `(n, 2)` of the two identities of each pair.
        labels: Label `(n,)` of each pair.
        n_identities: Number of identities.

    Attributes:
        shares: Numbers `(n_identities, 2)` of different and of same pairs. A pair of two
            identities counts half for each, so that shares sum to the number of pairs.
    """

    def __init__(self, codes: Integers, labels: Integers, n_identities: int):
        self._codes, self._labels, self._n = codes, labels, n_identities
        self.shares = np.empty((n_identities, 2))
        for label in (0, 1):
            ends = codes[labels == label]
            self.shares[:, label] = np.bincount(ends.reshape(-1), minlength=n_identities) / 2
        # Each end of a pair is listed under its identity, in the order of the pairs.
        order = np.argsort(codes.reshape(-1), kind="stable")
        within = (codes[:, 0] == codes[:, 1])[order // 2]
        order = order[~within | (order % 2 == 0)]
        self._others = codes.reshape(-1)[order ^ 1]
        self._labels_of_others = labels[order // 2]
        self._starts = np.searchsorted(codes.reshape(-1)[order], np.arange(n_identities + 1))

    def connected(self, rng: np.random.Generator) -> list[Integers]:
        """List groups of identities that no pair connects with another group, neighbours first.

        Groups, and the identity that each starts with, are in random order.
        """
        shuffled = rng.permutation(self._n)
        group_of = lowest_linked(self._codes, self._n)
        _, firsts = np.unique(group_of[shuffled], return_index=True)
        # All groups are searched at once, breadth first: one round for each distance.
        reached = shuffled[np.sort(firsts)]
        rank = np.empty(self._n, np.int64)
        rank[group_of[reached]] = np.arange(len(reached))
        rounds = [reached]
        seen = np.zeros(self._n, bool)
        while len(reached):
            seen[reached] = True
            near = self._neighbours(reached)
            reached = _first_of_each(near[~seen[near]], self._n)
            rounds.append(reached)
        order = np.concatenate(rounds)
        order = order[np.argsort(rank[group_of[order]], kind="stable")]
        ends = np.flatnonzero(np.diff(rank[group_of[order]])) + 1
        return np.split(order, ends) if len(order) else []

    def shares_of(self, groups: list[Integers]) -> Integers:
        """Return the sum of the shares of each group's identities."""
        if not groups:
            return np.zeros((0, 2))
        sizes = np.array([len(group) for group in groups])
        return np.add.reduceat(self.shares[np.concatenate(groups)], np.cumsum(sizes) - sizes)

    def count_within(self, identity: int, chosen: npt.NDArray[np.bool_]) -> Integers:
        """Count the different and the same pairs of an identity with chosen ones."""
        of_one = slice(self._starts[identity], self._starts[identity + 1])
        return count_labels(self._labels_of_others[of_one][chosen[self._others[of_one]]])

    def parts_of_pairs(self, part_of: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return the part of each pair, or -1 where its identities are in two parts."""
        left, right = part_of[self._codes].T
        return np.where(left == right, left, -1)

    def _neighbours(self, identities: Integers) -> Integers:
        """Return the neighbours of one identity after another, in the order of their pairs."""
        starts = self._starts[identities]
        counts = self._starts[identities + 1] - starts
        before = np.cumsum(counts) - counts
        return self._others[np.arange(counts.sum()) + np.repeat(starts - before, counts)]


def count_labels(labels: Integers) -> Integers:
    """Count the different and the same pairs."""
    return np.bincount(labels, minlength=2)


def _first_of_each(values: Integers, n: int) -> Integers:
    """Return the distinct values below `n`, in the order of their first occurrence."""
    first = np.empty(n, np.int64)
    first[values[::-1]] = np.arange(len(values))[::-1]
    return values[first[values] == np.arange(len(values))]
