"""Which pairs go to which side of a split: by pair, or such that nobody is on both sides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from siamese_verify.lfw_format import Pair

Sides = npt.NDArray[np.int32]  # of each pair: 0 = the rest, 1 = the part, -1 = neither


def sides_by_pair(pairs: Sequence[Pair], fraction: float, rng: np.random.Generator) -> Sides:
    """Draws `fraction` of the same and of the different pairs as the part."""
    labels = np.array([pair.label for pair in pairs])
    sides = np.zeros(len(pairs), np.int32)
    for label in (0, 1):
        indices = rng.permutation(np.flatnonzero(labels == label))
        sides[indices[: round(fraction * len(indices))]] = 1
    return sides


def sides_by_person(pairs: Sequence[Pair], fraction: float, rng: np.random.Generator) -> Sides:
    """Draws people for the part; a pair of one person from each side is on neither."""
    part = _choose_people(pairs, fraction, rng)
    n_in_part = [(p.left.person in part) + (p.right.person in part) for p in pairs]
    return np.array([0, -1, 1], np.int32)[n_in_part]


def _choose_people(pairs: Sequence[Pair], fraction: float, rng: np.random.Generator) -> set[str]:
    """People who, among themselves, make up about `fraction` of the same and different pairs."""
    pairs_of: dict[str, list[Pair]] = {}
    for pair in pairs:
        for person in {pair.left.person, pair.right.person}:
            pairs_of.setdefault(person, []).append(pair)
    target = fraction * _count_labels(pairs)
    groups = _connected_people(pairs_of, rng)
    part: set[str] = set()
    held = np.zeros(2)
    for group in groups:
        count = _count_labels({pair for person in group for pair in pairs_of[person]})
        if np.all(held + count <= np.ceil(target)):
            part.update(group)
            held += count
    # Where whole groups do not fill the part, one is cut, person by person.
    for person in (person for group in groups for person in group if person not in part):
        if held.sum() >= 0.95 * target.sum():
            break
        part.add(person)
        gain = _count_labels(
            pair for pair in pairs_of[person] if {pair.left.person, pair.right.person} <= part
        )
        if gain.sum() <= 2 * (target - held).sum():
            held += gain
        else:  # Without this person, the part is closer to the target.
            part.discard(person)
    return part


def _count_labels(pairs: Iterable[Pair]) -> npt.NDArray[np.int64]:
    """How many pairs are different and same."""
    return np.bincount([pair.label for pair in pairs], minlength=2)


def _connected_people(pairs_of: dict[str, list[Pair]], rng: np.random.Generator) -> list[list[str]]:
    """Groups of people whom no pair connects with another group; in each, neighbours first."""
    groups: list[list[str]] = []
    seen: set[str] = set()
    for start in rng.permutation(sorted(pairs_of)).tolist():
        group, queue = [], deque([start])
        while queue:
            person = queue.popleft()
            if person not in seen:
                seen.add(person)
                group.append(person)
                queue.extend(photo.person for pair in pairs_of[person] for photo in pair[:2])
        if group:
            groups.append(group)
    return groups
