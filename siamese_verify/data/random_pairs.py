"""Random pairs of images: none twice, spread evenly, in a time linear in images and pairs.

Images are numbered by identity: first all images of one identity, then all images of the next.
So drawing needs only `counts`, the number of images of each identity.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

_FEW = 2_000
"""Most pairs that are drawn one after another, as the lists of the published figures were."""
_DRAWS = 4
"""Draws for each wanted pair, before the pairs are spread over all pairs of identities instead."""


def draw_pairs(
    counts: Integers,
    n_same: int,
    n_different: int,
    rng: np.random.Generator,
    *,
    of_all_identities: bool = False,
) -> Integers:
    """Draw same and then different pairs, none twice.

    Args:
        counts: Number of images of each identity `(k,)`, at least 1.
        n_same: Number of same pairs, at most as many as are possible.
        n_different: Number of different pairs, at most as many as are possible.
        rng: Random numbers.
        of_all_identities: Whether no two identities are compared again before all others are.

    Returns:
        Numbers of the two images of each pair `(n_same + n_different, 2)`, the lower one first.

    Examples:
        >>> draw_pairs(np.array([2, 1]), 1, 2, np.random.default_rng(0)).tolist()
        [[0, 1], [0, 2], [1, 2]]
    """
    same = _draw_same(counts, n_same, rng)
    drawn = None
    if not of_all_identities and n_different <= _FEW and _DRAWS * n_different < count(counts)[1]:
        drawn = _draw_one_by_one(counts, n_different, rng)
    different = _draw_evenly(counts, n_different, rng) if drawn is None else drawn
    return np.concatenate([same, different])


def count(counts: Integers) -> tuple[int, int]:
    """Count the same and the different pairs that the images allow."""
    n = int(counts.sum())
    n_same = int(_two_of(counts).sum())
    return n_same, n * (n - 1) // 2 - n_same


def divide(counts: Integers, n_folds: int, seed: int) -> list[Integers]:
    """Divide the identities into folds at random. Returns the numbers of each fold, sorted."""
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    return [np.sort(part) for part in np.array_split(shuffled, n_folds)]


def images_of(counts: Integers, identities: Integers) -> Integers:
    """Return the numbers of all images of some identities, which are sorted."""
    is_chosen = np.zeros(len(counts), bool)
    is_chosen[identities] = True
    return np.flatnonzero(np.repeat(is_chosen, counts))


def _draw_same(counts: Integers, size: int, rng: np.random.Generator) -> Integers:
    capacities = _two_of(counts)
    identity, rank = _distinct(capacities, _even_shares(capacities, size, rng), rng)
    return np.stack(_unrank(rank), 1) + _starts(counts)[identity, None]


def _draw_one_by_one(counts: Integers, size: int, rng: np.random.Generator) -> Integers | None:
    """Draw two identities and an image of each, until `size` pairs differ or the draws run out."""
    starts = _starts(counts).tolist()
    drawn: dict[tuple[int, ...], None] = {}
    for _ in range(_DRAWS * size):
        two = sorted(rng.choice(len(counts), 2, replace=False).tolist())
        drawn[tuple(starts[i] + int(rng.integers(counts[i])) for i in two)] = None
        if len(drawn) == size:
            return np.array(list(drawn))
    return None


def _draw_evenly(counts: Integers, size: int, rng: np.random.Generator) -> Integers:
    """Draw pairs that are spread over all pairs of identities as evenly as the images allow."""
    n = len(counts) * (len(counts) - 1) // 2
    if size < n:
        _, which = _distinct(np.array([n]), np.array([size]), rng)
    else:
        which = np.arange(n)
    first, second = _unrank(which)
    capacities = counts[first] * counts[second]
    chosen, rank = _distinct(capacities, _even_shares(capacities, size, rng), rng)
    first, second = first[chosen], second[chosen]
    starts = _starts(counts)
    left, right = np.divmod(rank, counts[second])
    return np.stack([starts[first] + left, starts[second] + right], 1)


def _even_shares(capacities: Integers, total: int, rng: np.random.Generator) -> Integers:
    """Spread `total` as evenly as the capacities allow. The remainder is spread at random."""
    shares = np.minimum(capacities, _level(np.minimum(capacities, total), total))
    if remainder := total - int(shares.sum()):
        (is_open,) = np.nonzero(shares < capacities)
        shares[rng.choice(is_open, remainder, replace=False)] += 1
    return shares


def _level(capacities: Integers, total: int) -> int:
    """Compute the share up to which every capacity can be filled."""
    ordered = np.sort(capacities)
    below = _starts(ordered)
    n_others = np.arange(len(ordered), 0, -1)
    n_full = int(np.searchsorted(below + ordered * n_others, total, side="right"))
    if n_full == len(ordered):
        return total
    return int((total - below[n_full]) // n_others[n_full])


def _distinct(
    capacities: Integers, shares: Integers, rng: np.random.Generator
) -> tuple[Integers, Integers]:
    """Draw `shares[i]` of the ranks below `capacities[i]`, none twice, for each group i.

    Returns:
        Group and rank of each draw, sorted by group.
    """
    group = np.repeat(np.arange(len(shares)), shares)
    if len(group) <= _FEW:
        chosen = np.flatnonzero(shares)
        wanted = zip(capacities[chosen].tolist(), shares[chosen].tolist(), strict=True)
        drawn = [rng.choice(capacity, share, replace=False) for capacity, share in wanted]
        return group, np.concatenate([np.empty(0, np.int64), *drawn])
    # Where more than half are wanted, the others are drawn, and left out.
    is_most = shares > capacities // 2
    without_repeats = _reject(capacities, np.where(is_most, capacities - shares, shares), rng)
    starts, n_listed = _starts(capacities), np.where(is_most, capacities, 0)
    every = np.arange(n_listed.sum()) + np.repeat(starts - _starts(n_listed), n_listed)
    # Two sorted lists, of which the second holds each draw that is to be left out.
    ranks = np.setxor1d(without_repeats, every, assume_unique=True)
    return group, ranks - starts[group]


def _reject(capacities: Integers, shares: Integers, rng: np.random.Generator) -> Integers:
    """Draw ranks, and draw again in place of repeats. Numbers the ranks of all groups, sorted."""
    starts = _starts(capacities)
    drawn = np.empty(0, np.int64)
    missing = shares
    while missing.any():
        group = np.repeat(np.arange(len(missing)), missing)
        # `np.unique` of NumPy 2.3 and later is 50 times as slow.
        drawn = np.sort(np.concatenate([drawn, starts[group] + rng.integers(capacities[group])]))
        drawn = drawn[np.flatnonzero(np.diff(drawn, prepend=-1))]
        group = np.searchsorted(starts, drawn, side="right") - 1
        missing = shares - np.bincount(group, minlength=len(shares))
    return drawn


def _starts(counts: Integers) -> Integers:
    return np.cumsum(counts) - counts


def _two_of(counts: Integers) -> Integers:
    return counts * (counts - 1) // 2


def _unrank(ranks: Integers) -> tuple[Integers, Integers]:
    """Return the pairs `first < second` at ranks of (0, 1), (0, 2), (1, 2), (0, 3), ...

    Exact below 2**50, since a square root is rounded correctly.
    """
    second = ((1 + np.sqrt(1 + 8 * ranks)) / 2).astype(np.int64)
    return ranks - _two_of(second), second
