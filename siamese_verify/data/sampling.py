"""Which and how many pairs are drawn from images: see `PairList.sample`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import finite_number, is_whole_number, whole_number
from siamese_verify.data.random_pairs import Integers, count, divide, draw_pairs, images_of
from siamese_verify.messages import shown
from siamese_verify.sample_size import lowest_rate, pairs_for_rate

MOST_PAIRS = 100_000_000
"""Most pairs of a kind that are made: 1.2 GB in columns, and up to 60 bytes a pair meanwhile."""
_MARGIN = 2
"""Impostor pairs for a FAR, for each that would do if pairs shared no identity."""


class Drawn(NamedTuple):
    """Columns of a pair list."""

    indices: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    folds: npt.NDArray[np.int32] | None = None


class Request(NamedTuple):
    """The numbers of pairs that a user asks for (see `PairList.sample`)."""

    size: int | None = None
    same: int | None = None
    different: int | None = None
    far: float | None = None


def draw(counts: Integers, request: Request, n_folds: int | None, seed: int) -> Drawn:
    """Draw pairs of images that are sorted by identity.

    Args:
        counts: Number of images of each identity.
        request: Numbers of pairs.
        n_folds: Number of folds, or None.
        seed: Seed of the draws.

    Returns:
        The same pairs, then the different pairs, of one fold after another.

    Raises:
        ValueError: If the images do not allow as many pairs.
    """
    seed = whole_number("seed", seed, 0)
    parts = [np.arange(len(counts))]
    if n_folds is not None:
        parts = divide(counts, whole_number("n_folds", n_folds, 2), seed)
    n_same, n_different = (
        n // len(parts) for n in _choose_counts(request, _Possible(counts, parts))
    )
    drawn = []
    for part in parts:
        rng, is_for_far = np.random.default_rng(seed), request.far is not None
        rows = draw_pairs(counts[part], n_same, n_different, rng, of_all_identities=is_for_far)
        drawn.append(images_of(counts, part).astype(np.int32)[rows])
    labels = np.tile(np.repeat(np.array([1, 0], np.int32), [n_same, n_different]), len(parts))
    folds = np.repeat(np.arange(len(parts), dtype=np.int32), n_same + n_different)
    return Drawn(np.concatenate(drawn), labels, None if n_folds is None else folds)


def choose_counts(counts: Integers, request: Request) -> tuple[int, int]:
    """Choose the numbers of same and of different pairs (see `PairList.sample`)."""
    return _choose_counts(request, _Possible(counts, [np.arange(len(counts))]))


def all_pairs(counts: Integers) -> Drawn:
    """List all pairs of images that are sorted by identity, in the order of their left images."""
    n = int(counts.sum())
    size = math.comb(n, 2)
    if not size:
        raise ValueError(f"Pairs need two images or more. Add images. Received: {n:,} images")
    if size > MOST_PAIRS:
        raise ValueError(
            f"{n:,} images have {size:,} pairs, and a list holds at most {MOST_PAIRS:,}. Use fewer "
            f"images, or draw pairs with `PairList.sample`. Received: {n:,} images"
        )
    indices = np.empty((size, 2), np.int32)
    end = 0
    for left in range(n - 1):
        start, end = end, end + n - 1 - left
        indices[start:end, 0] = left
        indices[start:end, 1] = np.arange(left + 1, n)
    identity = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return Drawn(indices, (identity[indices[:, 0]] == identity[indices[:, 1]]).astype(np.int32))


class _Possible:
    """Numbers of pairs that the images allow, equally many in each part of the identities."""

    def __init__(self, counts: Integers, parts: list[Integers]):
        self.n_parts = n = len(parts)
        in_part = [counts[part] for part in parts]
        self.same, self.different = (n * min(c) for c in zip(*map(count, in_part), strict=True))
        self.by_default = min(self.same, self.different, n * min(int(c.sum()) for c in in_part))
        self.of_identities = n * min(math.comb(len(part), 2) for part in parts)
        self.images = f"{len(counts):,} identities with {int(counts.sum()):,} images"

    def check(self, name: str, number: Any, most: int, least: int = 0, step: int = 1) -> int:
        """Return `number` if it lies in a range, and each fold can have as many."""
        step *= self.n_parts
        most = min(most, MOST_PAIRS - MOST_PAIRS % step)
        if is_whole_number(number, least) and int(number) <= most and not int(number) % step:
            return int(number)
        kind, folds = "a whole number" if step == 1 else "an even number", ""
        why = f"since {self.images} have {self.same:,} same and {self.different:,} different pairs"
        if self.n_parts > 1:
            kind, folds = f"a multiple of {step}", f", n_folds={self.n_parts}"
            why = f"since each of {self.n_parts} folds needs identities of its own. Use fewer folds"
        if most > MOST_PAIRS - step:
            why = "which is the most that is drawn"
        raise ValueError(
            f"`{name}` must be {kind} from {least} to {most:,}, {why}. "
            f"Received: {name}={shown(repr(number))}{folds}"
        )


def _choose_counts(request: Request, possible: _Possible) -> tuple[int, int]:
    """Choose the numbers of same and of different pairs, of all folds together."""
    size, same, different, far = request
    others = same, different, far
    if (size is not None and others != (None,) * 3) or None not in (different, far):
        raise ValueError(
            "`size` counts same and different pairs, half each, and `far` tells how many different "
            "pairs are drawn. Use `size` alone, or `same` with `different` or with `far`. "
            f"Received: {', '.join(f'{k}={shown(v)}' for k, v in request._asdict().items())}"
        )
    if far is not None:
        different = _count_for_far(far, possible)
    if same is None and different is None:
        return (_balanced(size, possible),) * 2
    if same is not None:
        same = possible.check("same", same, possible.same)
    if different is not None:
        different = possible.check("different", different, possible.different)
    # The other kind has as many pairs, or all that there are.
    same = min(different or 0, possible.same) if same is None else same
    different = min(same, possible.different) if different is None else different
    if not same and not different:
        raise ValueError(
            "A list needs a pair or more. Raise `same` or `different`, or add images. "
            f"Received: {possible.images}"
        )
    return same, different


def _balanced(size: int | None, possible: _Possible) -> int:
    """Return half of `size`, or as many pairs of each kind as there are by default."""
    most, n = min(possible.same, possible.different), possible.n_parts
    if not most and n > 1:
        raise ValueError(
            f"Each of {n} folds needs two identities or more of its own, one of them with two "
            f"images. Use fewer folds, or add images. Received: n_folds={n}, {possible.images}"
        )
    if not most:
        raise ValueError(
            "Pairs need two identities or more, one of them with two images. Add images, or draw "
            f"one kind of pairs with `same` or `different`. Received: {possible.images}"
        )
    size = 2 * possible.by_default if size is None else size
    return possible.check("size", size, 2 * most, 2 * n, 2) // 2


def _count_for_far(far: float, possible: _Possible) -> int:
    """Count impostor pairs such that `far` can be measured, also if they share identities."""
    if not 0 < finite_number("far", far) < 1:
        raise ValueError(f"`far` must be above 0 and below 1. Received: far={shown(repr(far))}")
    n = possible.n_parts
    needed = -(-_MARGIN * pairs_for_rate(far) // n) * n
    if needed > possible.of_identities:
        identities = n * ((3 + math.isqrt(8 * (needed // n) - 7)) // 2)
        lowest = lowest_rate(max(possible.of_identities // _MARGIN, 1))
        scale = 10 ** (1 - math.floor(math.log10(lowest)))
        raise ValueError(
            f"FAR {far:g} needs {needed:,} impostor pairs, each of two other identities, and so "
            f"{identities:,} identities. Only {possible.of_identities:,} such pairs are possible. "
            f"Add identities, or raise `far` to {math.ceil(lowest * scale) / scale:g}. "
            f"Received: far={far:g}, {possible.images}"
        )
    return needed
