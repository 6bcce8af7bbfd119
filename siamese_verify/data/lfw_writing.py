"""Text of pair files in LFW's format."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from siamese_verify.data.lfw import UNSAFE_NAME, lfw_number
from siamese_verify.data.samples import Pair
from siamese_verify.messages import shown
from siamese_verify.names import normalized

# A name that is not UTF-8 on disk has surrogates, which no UTF-8 file can hold.
_UNFIT_FOR_A_LINE = re.compile(r"[\t\r\n\ud800-\udfff]|^[ \ufeff]| $")


def format_pairs(pairs: Sequence[Pair], folds: npt.NDArray[np.int32] | None) -> str:
    """Format pairs as the text of a pair file (see `PairList.to_lfw`)."""
    if not pairs:
        raise ValueError("A pair file must hold at least one pair. Received: an empty list")
    images = {sample for pair in pairs for sample in pair[:2]}
    if len({normalized(sample.path) for sample in images}) < len(images):
        raise ValueError(
            "A pair file cannot tell images apart whose names differ in their form of Unicode "
            "only. Rename the images or their folders."
        )
    lines = [*_count_line([pair.label for pair in pairs], folds), *map(_format_pair, pairs)]
    return "".join(f"{line}\n" for line in lines)


def _format_pair(pair: Pair) -> str:
    for sample in (pair.left, pair.right):
        name = sample.identity
        if _UNFIT_FOR_A_LINE.search(name) or UNSAFE_NAME.fullmatch(name):
            raise ValueError(
                "A name in a pair file must not be a path, hold a tab or a line end, or start "
                "or end with a space. Its characters must be Unicode. "
                f"Received: identity={shown(repr(name))}"
            )
    left, right = pair.left, pair.right
    if pair.label == 0:
        return f"{left.identity}\t{lfw_number(left)}\t{right.identity}\t{lfw_number(right)}"
    if left.identity != right.identity:
        raise ValueError(f"A same pair in a pair file must have one name. Received: {shown(pair)}")
    return f"{left.identity}\t{lfw_number(left)}\t{lfw_number(right)}"


def _count_line(labels: list[int], folds: npt.NDArray[np.int32] | None) -> list[str]:
    """Format the first line, if LFW's counts can express the list."""
    if folds is None:
        return [str(sum(labels))] if 2 * sum(labels) == len(labels) else []
    n_folds = int(folds.max()) + 1
    n_same, per_fold = sum(labels) // n_folds, np.bincount(folds, weights=labels)
    if not np.array_equal(folds, np.repeat(np.arange(n_folds), 2 * n_same)) or np.any(
        per_fold != n_same
    ):
        raise ValueError(
            "A View 2 file must hold one fold after another, all with one number of same and of "
            "different pairs. Use `PairList.sample(n_folds=...)`, or leave out pairs. "
            f"Received: folds of {shown(np.bincount(folds).tolist())} pairs, of which "
            f"{shown(per_fold.astype(int).tolist())} are same"
        )
    return [f"{n_folds}\t{n_same}"]
