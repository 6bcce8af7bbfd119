"""Same and different pairs drawn from a folder of people: balanced, without repeats."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt

from siamese_verify.photographs import People

_Photo = tuple[str, str]  # person and file
_DRAWS = 4  # for each pair, before all are listed instead


def sample_pairs(
    people: People, size: int | None, rng: np.random.Generator
) -> tuple[list[tuple[_Photo, _Photo]], list[tuple[_Photo, _Photo]]]:
    """Draws `size / 2` same and `size / 2` different pairs; see `PairList.sample`."""
    counts = np.array([len(files) for files in people.values()])
    n_same = int((counts * (counts - 1) // 2).sum())
    n_different = (int(counts.sum()) ** 2 - int((counts**2).sum())) // 2
    possible = 2 * min(n_same, n_different)
    if size is None:
        size = min(possible, 2 * int(counts.sum()))
    if size < 2 or size % 2 or size > possible:
        raise ValueError(
            f"`size` must be an even number from 2 to {possible:,}: these {len(people):,} people "
            f"give {n_same:,} same and {n_different:,} different pairs. Received: size={size}"
        )
    return _sample_same(people, size // 2, rng), _sample_different(people, size // 2, rng)


def _sample_same(
    people: People, size: int, rng: np.random.Generator
) -> list[tuple[_Photo, _Photo]]:
    drawn = []
    for (person, files), share in zip(
        people.items(),
        _even_shares([math.comb(len(f), 2) for f in people.values()], size, rng),
        strict=True,
    ):
        for index in rng.choice(math.comb(len(files), 2), share, replace=False).tolist():
            first, second = _unrank(index)
            drawn.append(((person, files[first]), (person, files[second])))
    return drawn


def _even_shares(
    capacities: list[int], total: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Spreads `total` as evenly as the capacities allow; chance decides who gets one more."""
    capacity = np.array(capacities)
    shares = np.zeros_like(capacity)
    while total:
        (open_,) = np.nonzero(shares < capacity)
        if total < len(open_):
            shares[rng.choice(open_, total, replace=False)] += 1
            break
        level = min(total // len(open_), int((capacity - shares)[open_].min()))
        shares[open_] += level
        total -= level * len(open_)
    return shares


def _unrank(index: int) -> tuple[int, int]:
    """The pair `first < second` that stands at `index` in (0, 1), (0, 2), (1, 2), (0, 3), ..."""
    second = (1 + math.isqrt(1 + 8 * index)) // 2
    return index - math.comb(second, 2), second


def _sample_different(
    people: People, size: int, rng: np.random.Generator
) -> list[tuple[_Photo, _Photo]]:
    names = list(people)
    counts = np.array([len(files) for files in people.values()])
    possible = (int(counts.sum()) ** 2 - int((counts**2).sum())) // 2
    if possible > 4 * size:
        drawn: dict[tuple[_Photo, _Photo], None] = {}
        for _ in range(_DRAWS * size):
            first, second = sorted(rng.choice(len(names), 2, replace=False).tolist())
            left, right = (
                (names[i], people[names[i]][int(rng.integers(counts[i]))]) for i in (first, second)
            )
            drawn[left, right] = None
            if len(drawn) == size:
                return list(drawn)
    # Few are left out, or nearly all are of a few people: drawing one by one hits the same pairs
    # again and again. Sorting by waiting times draws as that would (Efraimidis, Spirakis 2006).
    photos = [(person, file) for person, files in people.items() for file in files]
    every = [pair for pair in itertools.combinations(photos, 2) if pair[0][0] != pair[1][0]]
    n_ways = [len(people[left[0]]) * len(people[right[0]]) for left, right in every]
    waiting = rng.exponential(size=len(every)) * n_ways
    return [every[i] for i in np.argsort(waiting)[:size].tolist()]
