"""Random pairs of identities' images: balanced and without repeats."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.data.samples import Pair, Sample, SamplesByIdentity

_DRAWS = 4
"""Draws for each wanted pair, before all possible pairs are listed instead."""
TwoSamples = tuple[Sample, Sample]


def draw_pairs(
    samples: SamplesByIdentity, size: int | None, rng: np.random.Generator
) -> list[Pair]:
    """Draw `size / 2` same and then `size / 2` different pairs (see `PairList.sample`)."""
    n_same, n_different = _count_possible(samples)
    possible = 2 * min(n_same, n_different)
    if not possible:
        raise ValueError(
            "Pairs need two identities or more, one of them with two images. Add images. Received: "
            f"{len(samples):,} identities with {sum(map(len, samples.values())):,} images"
        )
    if size is None:
        size = _default_size(samples)
    if size < 2 or size % 2 or size > possible:
        raise ValueError(
            f"`size` must be an even number from 2 to {possible:,}, since {len(samples):,} "
            f"identities have {n_same:,} same and {n_different:,} different pairs. "
            f"Received: size={size}"
        )
    same = _draw_same(samples, size // 2, rng)
    different = _draw_different(samples, size // 2, rng)
    return [Pair(*two, label) for label, drawn in ((1, same), (0, different)) for two in drawn]


def draw_folds(samples: SamplesByIdentity, size: int | None, n_folds: int, seed: int) -> list[Pair]:
    """Draw equally many pairs in each fold, one fold after another (see `PairList.sample`)."""
    n_folds = whole_number("n_folds", n_folds, 2)
    shuffled = np.random.default_rng(seed).permutation(list(samples))
    parts = [
        {identity: samples[identity] for identity in sorted(part.tolist())}
        for part in np.array_split(shuffled, n_folds)
    ]
    possible = n_folds * min(2 * min(_count_possible(part)) for part in parts)
    if size is None:
        size = n_folds * min(map(_default_size, parts))
    if size < 2 or size % (2 * n_folds) or size > possible:
        raise ValueError(
            f"With folds, `size` must be a multiple of {2 * n_folds} from {2 * n_folds} to "
            f"{possible:,}, since each of {n_folds} folds needs identities of its own. Use fewer "
            f"folds or more images. Received: size={size}, n_folds={n_folds}"
        )
    drawn = (draw_pairs(part, size // n_folds, np.random.default_rng(seed)) for part in parts)
    return list(itertools.chain.from_iterable(drawn))


def _count_possible(samples: SamplesByIdentity) -> tuple[int, int]:
    """Count the same and the different pairs that the images allow."""
    counts = [len(of_one) for of_one in samples.values()]
    n_same = sum(math.comb(count, 2) for count in counts)
    return n_same, math.comb(sum(counts), 2) - n_same


def _default_size(samples: SamplesByIdentity) -> int:
    n_images = sum(map(len, samples.values()))
    return 2 * min(*_count_possible(samples), n_images)


def _draw_same(samples: SamplesByIdentity, size: int, rng: np.random.Generator) -> list[TwoSamples]:
    capacities = [math.comb(len(of_one), 2) for of_one in samples.values()]
    shares = _even_shares(capacities, size, rng)
    drawn = []
    for of_one, capacity, share in zip(samples.values(), capacities, shares, strict=True):
        for index in rng.choice(capacity, share, replace=False).tolist():
            first, second = _unrank(index)
            drawn.append((of_one[first], of_one[second]))
    return drawn


def _even_shares(
    capacities: list[int], total: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Spread `total` as evenly as the capacities allow. The remainder is spread at random."""
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
    """Return the pair `first < second` at `index` of (0, 1), (0, 2), (1, 2), (0, 3), ..."""
    second = (1 + math.isqrt(1 + 8 * index)) // 2
    return index - math.comb(second, 2), second


def _draw_different(
    samples: SamplesByIdentity, size: int, rng: np.random.Generator
) -> list[TwoSamples]:
    # Where few of the possible pairs are left out, drawing one by one repeats pairs too often.
    if _count_possible(samples)[1] > 4 * size:
        drawn = _draw_one_by_one(samples, size, rng)
        if len(drawn) == size:
            return drawn
    return _draw_from_all(samples, size, rng)


def _draw_one_by_one(
    samples: SamplesByIdentity, size: int, rng: np.random.Generator
) -> list[TwoSamples]:
    """Draw two identities and an image of each, until `size` pairs differ or the draws run out."""
    by_number = list(samples.values())
    drawn: dict[TwoSamples, None] = {}
    for _ in range(_DRAWS * size):
        first, second = sorted(rng.choice(len(by_number), 2, replace=False).tolist())
        left, right = (by_number[i][int(rng.integers(len(by_number[i])))] for i in (first, second))
        drawn[left, right] = None
        if len(drawn) == size:
            break
    return list(drawn)


def _draw_from_all(
    samples: SamplesByIdentity, size: int, rng: np.random.Generator
) -> list[TwoSamples]:
    """Draw from a list of all different pairs, with the probabilities of drawing one by one.

    Sorting by exponential waiting times has this property.

    Reference:
        Efraimidis, Spirakis, "Weighted random sampling with a reservoir", 2006.
    """
    listed = itertools.chain.from_iterable(samples.values())
    every = itertools.combinations(listed, 2)
    pairs = [(left, right) for left, right in every if left.identity != right.identity]
    n_ways = [len(samples[left.identity]) * len(samples[right.identity]) for left, right in pairs]
    waiting = rng.exponential(size=len(pairs)) * n_ways
    return [pairs[i] for i in np.argsort(waiting)[:size].tolist()]
