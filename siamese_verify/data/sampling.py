"""Same and different pairs drawn from a folder of identities: balanced, without repeats."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt

from siamese_verify.data.folders import Samples
from siamese_verify.data.samples import Sample

_DRAWS = 4  # for each pair, before all are listed instead


def sample_pairs(
    identities: Samples, size: int | None, rng: np.random.Generator
) -> tuple[list[tuple[Sample, Sample]], list[tuple[Sample, Sample]]]:
    """Draws `size / 2` same and `size / 2` different pairs; see `PairList.sample`."""
    counts = np.array([len(files) for files in identities.values()])
    n_same = int((counts * (counts - 1) // 2).sum())
    n_different = (int(counts.sum()) ** 2 - int((counts**2).sum())) // 2
    possible = 2 * min(n_same, n_different)
    if size is None:
        size = min(possible, 2 * int(counts.sum()))
    if size < 2 or size % 2 or size > possible:
        raise ValueError(
            f"`size` must be an even number from 2 to {possible:,}: these {len(identities):,} identities "
            f"give {n_same:,} same and {n_different:,} different pairs. Received: size={size}"
        )
    return _sample_same(identities, size // 2, rng), _sample_different(identities, size // 2, rng)


def _sample_same(
    identities: Samples, size: int, rng: np.random.Generator
) -> list[tuple[Sample, Sample]]:
    drawn = []
    for samples, share in zip(
        identities.values(),
        _even_shares([math.comb(len(f), 2) for f in identities.values()], size, rng),
        strict=True,
    ):
        for index in rng.choice(math.comb(len(samples), 2), share, replace=False).tolist():
            first, second = _unrank(index)
            drawn.append((samples[first], samples[second]))
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
    identities: Samples, size: int, rng: np.random.Generator
) -> list[tuple[Sample, Sample]]:
    names = list(identities)
    counts = np.array([len(files) for files in identities.values()])
    possible = (int(counts.sum()) ** 2 - int((counts**2).sum())) // 2
    if possible > 4 * size:
        drawn: dict[tuple[Sample, Sample], None] = {}
        for _ in range(_DRAWS * size):
            first, second = sorted(rng.choice(len(names), 2, replace=False).tolist())
            left, right = (
                identities[names[i]][int(rng.integers(counts[i]))] for i in (first, second)
            )
            drawn[left, right] = None
            if len(drawn) == size:
                return list(drawn)
    # Few are left out, or nearly all are of a few identities: drawing one by one hits the same pairs
    # again and again. Sorting by waiting times draws as that would (Efraimidis, Spirakis 2006).
    samples = [sample for samples in identities.values() for sample in samples]
    every = [
        pair for pair in itertools.combinations(samples, 2) if pair[0].identity != pair[1].identity
    ]
    n_ways = [
        len(identities[left.identity]) * len(identities[right.identity]) for left, right in every
    ]
    waiting = rng.exponential(size=len(every)) * n_ways
    return [every[i] for i in np.argsort(waiting)[:size].tolist()]
