"""Which part of a divided list each pair belongs to: by pair, or with no identity in two parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.data.samples import Pair, PairListWarning
from siamese_verify.messages import shown
from siamese_verify.user_warnings import warn_user

Parts = npt.NDArray[np.int32]
"""Part of each pair, counted from 0. It is -1 where the two identities are in two parts."""
Counts = npt.NDArray[Any]
"""Numbers of different and of same pairs."""


def split(
    pairs: Sequence[Pair], fraction: float, by: str, rng: np.random.Generator
) -> list[list[Pair]]:
    """Split off a part of the pairs (see `PairList.split`).

    Returns:
        The rest and the part.
    """
    if not 0 < fraction < 1:
        raise ValueError(
            f"`fraction` must be between 0 and 1. Received: fraction={shown(fraction)}"
        )
    if by not in ("pair", "identity"):
        raise ValueError(f"`by` must be 'pair' or 'identity'. Received: by={shown(repr(by))}")
    divide = _divide_by_pair if by == "pair" else _divide_by_identity
    rest, part = _listed(pairs, divide(pairs, fraction, rng), 2)
    if not rest or not part:
        raise ValueError(
            f"This split leaves one side empty: {len(rest)} and {len(part)} pairs. Use another "
            "fraction, or a list of more pairs or of identities that fewer pairs connect. "
            f"Received: fraction={fraction}, by={by!r}, {pairs!r}"
        )
    _warn_of_lost(pairs, [rest, part])
    return [rest, part]


def into_folds(pairs: Sequence[Pair], n_folds: int, rng: np.random.Generator) -> list[list[Pair]]:
    """Divide the pairs into folds (see `PairList.in_folds`)."""
    n_folds = whole_number("n_folds", n_folds, 2)
    folds = _listed(pairs, _divide_into_folds(pairs, n_folds, rng), n_folds)
    if not all(folds):
        raise ValueError(
            f"{folds.count([])} of {n_folds} folds would be empty, since no identity may be in "
            "two folds. Use fewer folds, or draw pairs with `PairList.sample(n_folds=...)`. "
            f"Received: n_folds={n_folds}, {pairs!r}"
        )
    _warn_of_lost(pairs, folds)
    return folds


def _divide_by_pair(pairs: Sequence[Pair], fraction: float, rng: np.random.Generator) -> Parts:
    """Draw part 1 with `fraction` of the same and of the different pairs. The rest is part 0."""
    labels = np.array([pair.label for pair in pairs])
    parts = np.zeros(len(pairs), np.int32)
    for label in (0, 1):
        indices = rng.permutation(np.flatnonzero(labels == label))
        parts[indices[: round(fraction * len(indices))]] = 1
    return parts


def _divide_by_identity(pairs: Sequence[Pair], fraction: float, rng: np.random.Generator) -> Parts:
    """Draw identities for part 1, whose pairs are about `fraction` of each label."""
    pairs_of = _pairs_of_identities(pairs)
    chosen = _choose_identities(pairs_of, fraction * _count_labels(pairs), rng)
    return _parts_of_pairs(pairs, {identity: int(identity in chosen) for identity in pairs_of})


def _divide_into_folds(pairs: Sequence[Pair], n_folds: int, rng: np.random.Generator) -> Parts:
    """Draw identities for each fold, such that folds hold about equally many pairs of each label.

    Identities that pairs connect stay together, unless their pairs are too many for one fold.
    """
    pairs_of = _pairs_of_identities(pairs)
    # A pair of two identities counts half for each, so that shares sum to the number of pairs.
    shares = {
        identity: sum((_share(identity, pair) for pair in of), np.zeros(2))
        for identity, of in pairs_of.items()
    }
    pieces = [
        (piece, sum((shares[identity] for identity in piece), np.zeros(2)))
        for group in _connected_identities(pairs_of, rng)
        for piece in _cut(group, shares, len(pairs) / n_folds)
    ]
    held = np.zeros((n_folds, 2))
    fold_of: dict[str, int] = {}
    # The largest come first, so that small ones can fill the gaps.
    for piece, count in sorted(pieces, key=lambda piece: -piece[1].sum()):
        fold = int(np.argmin(held @ count))
        held[fold] += count
        fold_of.update(dict.fromkeys(piece, fold))
    return _parts_of_pairs(pairs, fold_of)


def _listed(pairs: Sequence[Pair], parts: Parts, n_parts: int) -> list[list[Pair]]:
    listed: list[list[Pair]] = [[] for _ in range(n_parts)]
    for pair, part in zip(pairs, parts.tolist(), strict=True):
        if part >= 0:
            listed[part].append(pair)
    return listed


def _warn_of_lost(pairs: Sequence[Pair], parts: list[list[Pair]]) -> None:
    lost = len(pairs) - sum(map(len, parts))
    if lost:
        same = [sum(pair.label for pair in part) for part in parts]
        kept = ", ".join(f"{s} + {len(part) - s}" for s, part in zip(same, parts, strict=True))
        warn_user(
            f"{lost:,} of {len(pairs):,} pairs are left out, because their two identities are in "
            f"different parts. The parts keep, as same + different pairs: {shown(kept)}. "
            "If these are too few, use pairs of more identities.",
            PairListWarning,
        )


def _pairs_of_identities(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    pairs_of: dict[str, list[Pair]] = {}
    for pair in pairs:
        for identity in {pair.left.identity, pair.right.identity}:
            pairs_of.setdefault(identity, []).append(pair)
    return pairs_of


def _parts_of_pairs(pairs: Iterable[Pair], part_of: Mapping[str, int]) -> Parts:
    parts = ((part_of[pair.left.identity], part_of[pair.right.identity]) for pair in pairs)
    return np.array([left if left == right else -1 for left, right in parts], np.int32)


def _choose_identities(
    pairs_of: Mapping[str, list[Pair]], target: Counts, rng: np.random.Generator
) -> set[str]:
    """Choose identities that have about `target` different and same pairs with each other."""
    groups = _connected_identities(pairs_of, rng)
    chosen: set[str] = set()
    held = np.zeros(2)
    for group in groups:
        count = _count_labels({pair for identity in group for pair in pairs_of[identity]})
        if np.all(held + count <= np.ceil(target)):
            chosen.update(group)
            held += count
    # Where whole groups do not reach the target, one group is divided by identity.
    for identity in (identity for group in groups for identity in group if identity not in chosen):
        if held.sum() >= 0.95 * target.sum():
            break
        chosen.add(identity)
        gain = _count_labels(
            pair
            for pair in pairs_of[identity]
            if {pair.left.identity, pair.right.identity} <= chosen
        )
        if gain.sum() <= 2 * (target - held).sum():
            held += gain
        else:  # Without this identity, the number is closer to the target.
            chosen.discard(identity)
    return chosen


def _count_labels(pairs: Iterable[Pair]) -> Counts:
    """Count the different and the same pairs."""
    return np.bincount([pair.label for pair in pairs], minlength=2)


def _share(identity: str, pair: Pair) -> Counts:
    is_alone = pair.left.identity == pair.right.identity == identity
    return np.eye(2)[pair.label] * (1.0 if is_alone else 0.5)


def _cut(group: list[str], shares: Mapping[str, Counts], size: float) -> list[list[str]]:
    """Cut a group of more than `size` pairs into pieces of neighbours with about `size` pairs."""
    weights = np.array([shares[identity].sum() for identity in group])
    if weights.sum() <= np.ceil(size):
        return [group]
    piece_of = (np.cumsum(weights) - weights / 2) // size
    return [
        [identity for identity, piece in zip(group, piece_of, strict=True) if piece == number]
        for number in np.unique(piece_of)
    ]


def _connected_identities(
    pairs_of: Mapping[str, list[Pair]], rng: np.random.Generator
) -> list[list[str]]:
    """List groups of identities that no pair connects with another group, neighbours first."""
    groups: list[list[str]] = []
    seen: set[str] = set()
    for start in rng.permutation(sorted(pairs_of)).tolist():
        group, queue = [], deque([start])
        while queue:
            identity = queue.popleft()
            if identity not in seen:
                seen.add(identity)
                group.append(identity)
                queue.extend(sample.identity for pair in pairs_of[identity] for sample in pair[:2])
        if group:
            groups.append(group)
    return groups
