"""Which part of a divided list each pair belongs to: by pair, or with no identity in two parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import finite_number, whole_number
from siamese_verify.data.identity_graph import IdentityGraph, count_labels
from siamese_verify.data.pair_sequence import PairSequence
from siamese_verify.data.samples import PairListWarning
from siamese_verify.messages import shown
from siamese_verify.user_warnings import warn_user

Parts = npt.NDArray[np.int32]
"""Part of each pair, counted from 0. It is -1 where the two identities are in two parts."""
Places = npt.NDArray[np.int64]
"""Places in the list of the pairs of one part, ascending."""
Counts = npt.NDArray[Any]
"""Numbers of different and of same pairs."""

_ROUNDING = 1e-9
"""Sums of fractions such as 0.7 + 0.15 + 0.15 may exceed 1 by less."""


def split(
    pairs: PairSequence, fraction: float, by: str, rng: np.random.Generator
) -> tuple[Places, Places]:
    """Split off a part of the pairs (see `PairList.split`).

    Returns:
        The places of the rest and of the part.
    """
    if not 0 < finite_number("fraction", fraction) < 1:
        raise ValueError(
            f"`fraction` must be between 0 and 1. Received: fraction={shown(fraction)}"
        )
    if by not in ("pair", "identity"):
        raise ValueError(f"`by` must be 'pair' or 'identity'. Received: by={shown(repr(by))}")
    divide = _divide_by_pair if by == "pair" else _divide_by_identity
    parts = divide(pairs, fraction, rng)
    rest, part = np.flatnonzero(parts == 0), np.flatnonzero(parts == 1)
    if not len(rest) or not len(part):
        raise ValueError(
            f"This split leaves one side empty: {len(rest)} and {len(part)} pairs. Use another "
            "fraction, or a list of more pairs or of identities that fewer pairs connect. "
            f"Received: fraction={fraction}, by={by!r}, {pairs!r}"
        )
    _warn_of_lost(pairs, parts, 2)
    return rest, part


def into_folds(
    pairs: PairSequence, n_folds: int, rng: np.random.Generator
) -> tuple[Places, npt.NDArray[np.int32]]:
    """Divide the pairs into folds (see `PairList.in_folds`).

    Returns:
        The places of the pairs of one fold after another, and the fold of each.
    """
    n_folds = whole_number("n_folds", n_folds, 2)
    parts = _divide_into_folds(pairs, n_folds, rng)
    n_empty = n_folds - len(np.unique(parts[parts >= 0]))
    if n_empty:
        raise ValueError(
            f"{n_empty} of {n_folds} folds would be empty, since no identity may be in "
            "two folds. Use fewer folds, or draw pairs with `PairList.sample(n_folds=...)`. "
            f"Received: n_folds={n_folds}, {pairs!r}"
        )
    _warn_of_lost(pairs, parts, n_folds)
    places = np.argsort(parts, kind="stable")[np.count_nonzero(parts < 0) :]
    return places, parts[places]


def _divide_by_pair(pairs: PairSequence, fraction: float, rng: np.random.Generator) -> Parts:
    """Draw part 1 with `fraction` of the same and of the different pairs. The rest is part 0."""
    parts = np.zeros(len(pairs), np.int32)
    for label in (0, 1):
        places = rng.permutation(np.flatnonzero(pairs.labels == label))
        parts[places[: round(fraction * len(places))]] = 1
    return parts


def _divide_by_identity(pairs: PairSequence, fraction: float, rng: np.random.Generator) -> Parts:
    """Draw identities for part 1, whose pairs are about `fraction` of each label."""
    graph = IdentityGraph(pairs.identity_codes, pairs.labels, len(pairs.identities))
    chosen = _choose_identities(graph, fraction * count_labels(pairs.labels), rng)
    return graph.parts_of_pairs(chosen.astype(np.int32))


def _choose_identities(
    graph: IdentityGraph, target: Counts, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Choose identities that have about `target` different and same pairs with each other."""
    groups = graph.connected(rng)
    chosen = np.zeros(len(graph.shares), bool)
    most, held = np.ceil(target), np.zeros(2)
    for group, count in zip(groups, graph.shares_of(groups), strict=True):
        if (held + count <= most).all():
            chosen[group] = True
            held += count
    # Where whole groups do not reach the target, one group is divided by identity.
    for identity in chain.from_iterable(group[~chosen[group]].tolist() for group in groups):
        if held.sum() >= 0.95 * target.sum():
            break
        chosen[identity] = True
        gain = graph.count_within(identity, chosen)
        if gain.sum() <= 2 * (target - held).sum():
            held += gain
        else:  # Without this identity, the number is closer to the target.
            chosen[identity] = False
    return chosen


def _divide_into_folds(pairs: PairSequence, n_folds: int, rng: np.random.Generator) -> Parts:
    """Draw identities for each fold, such that folds hold about equally many pairs of each label.

    Identities that pairs connect stay together, unless their pairs are too many for one fold.
    """
    graph = IdentityGraph(pairs.identity_codes, pairs.labels, len(pairs.identities))
    size = len(pairs) / n_folds
    groups = graph.connected(rng)
    pieces = [piece for group in groups for piece in _cut(group, graph.shares[group], size)]
    counts = graph.shares_of(pieces)
    held = np.zeros((n_folds, 2))
    fold_of = np.zeros(len(graph.shares), np.int32)
    # The largest come first, so that small ones can fill the gaps.
    for number in np.argsort(-counts.sum(axis=1), kind="stable").tolist():
        fold = int(np.argmin(held @ counts[number]))
        held[fold] += counts[number]
        fold_of[pieces[number]] = fold
    return graph.parts_of_pairs(fold_of)


def _cut(group: Places, shares: Counts, size: float) -> Iterator[Places]:
    """Cut a group of more than `size` pairs into pieces of neighbours with about `size` pairs."""
    weights = shares.sum(axis=1)
    if weights.sum() <= np.ceil(size):
        yield group
        return
    piece_of = (np.cumsum(weights) - weights / 2) // size
    for number in np.unique(piece_of):
        yield group[piece_of == number]


def _warn_of_lost(pairs: PairSequence, parts: Parts, n_parts: int) -> None:
    lost = np.count_nonzero(parts < 0)
    if lost:
        counts = [count_labels(pairs.labels[parts == part]).tolist() for part in range(n_parts)]
        kept = ", ".join(f"{same} + {different}" for different, same in counts)
        warn_user(
            f"{lost:,} of {len(pairs):,} pairs are left out, because their two identities are in "
            f"different parts. The parts keep, as same + different pairs: {shown(kept)}. "
            "If these are too few, use pairs of more identities.",
            PairListWarning,
        )


def identities_in_parts(fractions: Sequence[float], n_identities: int) -> list[int]:
    """Return the number of identities in each part, within one of its share."""
    if not isinstance(fractions, Iterable):
        raise TypeError(
            "`fractions` must be one share for each part, such as (0.8, 0.2). "
            f"Received: fractions={shown(repr(fractions))}"
        )
    shares = [finite_number("fractions", share) for share in fractions]
    if not shares or min(shares) <= 0 or sum(shares) > 1 + _ROUNDING:
        raise ValueError(
            "`fractions` must be positive and sum to at most 1. "
            f"Received: fractions={shown(repr(fractions))}"
        )
    ends = np.round(np.cumsum(shares) * n_identities).astype(int)
    counts = np.diff(ends, prepend=0).tolist()
    if min(counts) < 2:
        raise ValueError(
            "Each part needs two identities or more, or there is nothing to tell apart. Use "
            f"larger fractions or fewer parts. Received: fractions={shown(repr(fractions))} of "
            f"{n_identities:,} identities, which are {counts}"
        )
    return counts
