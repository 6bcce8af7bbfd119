"""Which pairs go to which side of a split: by pair, or such that nobody is on both sides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from siamese_verify.data.samples import Pair

Sides = npt.NDArray[np.int32]  # of each pair: 0 = the rest, 1 = the part, -1 = neither


def sides_by_pair(pairs: Sequence[Pair], fraction: float, rng: np.random.Generator) -> Sides:
    """Draws `fraction` of the same and of the different pairs as the part."""
    labels = np.array([pair.label for pair in pairs])
    sides = np.zeros(len(pairs), np.int32)
    for label in (0, 1):
        indices = rng.permutation(np.flatnonzero(labels == label))
        sides[indices[: round(fraction * len(indices))]] = 1
    return sides


def sides_by_identity(pairs: Sequence[Pair], fraction: float, rng: np.random.Generator) -> Sides:
    """Draws identities for the part; a pair of one identity from each side is on neither."""
    part = _choose_identities(pairs, fraction, rng)
    n_in_part = [(p.left.identity in part) + (p.right.identity in part) for p in pairs]
    return np.array([0, -1, 1], np.int32)[n_in_part]


def _choose_identities(
    pairs: Sequence[Pair], fraction: float, rng: np.random.Generator
) -> set[str]:
    """Identities who, among themselves, make up about `fraction` of the same and different pairs."""
    pairs_of: dict[str, list[Pair]] = {}
    for pair in pairs:
        for identity in {pair.left.identity, pair.right.identity}:
            pairs_of.setdefault(identity, []).append(pair)
    target = fraction * _count_labels(pairs)
    groups = _connected_identities(pairs_of, rng)
    part: set[str] = set()
    held = np.zeros(2)
    for group in groups:
        count = _count_labels({pair for identity in group for pair in pairs_of[identity]})
        if np.all(held + count <= np.ceil(target)):
            part.update(group)
            held += count
    # Where whole groups do not fill the part, one is cut, identity by identity.
    for identity in (identity for group in groups for identity in group if identity not in part):
        if held.sum() >= 0.95 * target.sum():
            break
        part.add(identity)
        gain = _count_labels(
            pair for pair in pairs_of[identity] if {pair.left.identity, pair.right.identity} <= part
        )
        if gain.sum() <= 2 * (target - held).sum():
            held += gain
        else:  # Without this identity, the part is closer to the target.
            part.discard(identity)
    return part


def _count_labels(pairs: Iterable[Pair]) -> npt.NDArray[np.int64]:
    """How many pairs are different and same."""
    return np.bincount([pair.label for pair in pairs], minlength=2)


def _connected_identities(
    pairs_of: dict[str, list[Pair]], rng: np.random.Generator
) -> list[list[str]]:
    """Groups of identities whom no pair connects with another group; in each, neighbours first."""
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
