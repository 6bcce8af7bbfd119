"""Pairs of a table that repeat or contradict each other or themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.data.sample_list import Rows, SampleList
from siamese_verify.data.samples import PairListWarning
from siamese_verify.data.table_numbers import RowNumbers
from siamese_verify.data.table_text import is_text
from siamese_verify.messages import listed_in_lines, shown
from siamese_verify.user_warnings import warn_user

Numbers = npt.NDArray[Any]
_BLOCK = 2**20
_PROBLEMS = (
    "are one image",
    "are listed twice",
    "are listed as same and as different",
    "are listed as different, but same pairs link them",
)


def warn_of_questionable(
    source: str,
    lines: RowNumbers,
    samples: SampleList,
    rows: Rows,
    labels: npt.NDArray[np.int32],
    *,
    is_linked: bool,
) -> None:
    """Warn of pairs that are one image, or that other rows repeat or contradict.

    Args:
        source: The table.
        lines: Number of each row in the table.
        samples: The samples.
        rows: Numbers `(n, 2)` of the two samples of each pair.
        labels: Label of each pair.
        is_linked: Whether identities come from same pairs, which different pairs may contradict.
    """
    # Each problem is a row, the row that it repeats or itself, and what is wrong.
    (one_image,) = np.nonzero(rows[:, 0] == rows[:, 1])
    firsts, repeats = _repeated(rows, len(samples))
    problems = [
        _stacked(one_image, one_image, 0),
        _stacked(repeats, firsts, 1 + (labels[firsts] != labels[repeats])),
    ]
    if is_linked:
        codes = samples.identity_codes[rows]
        is_within = (codes[:, 0] == codes[:, 1]) & (rows[:, 0] != rows[:, 1])
        (linked,) = np.nonzero(is_within & (labels == 0))
        problems.append(_stacked(linked, linked, 3))
    found = np.concatenate(problems, axis=1)
    found = found[:, np.argsort(found[0], kind="stable")]

    def show(number: int) -> str:
        row, first, what = found[:, number].tolist()
        unit = "line" if is_text(source) else "row"
        where = f"{unit} {lines[row]}"
        if row != first:
            where = f"{unit}s {lines[first]} and {lines[row]}"
        left, right = (shown(samples.paths[end]) for end in rows[row].tolist())
        return f"{where}: {left} and {right} {_PROBLEMS[what]}"

    n = found.shape[1]
    if n:
        warn_user(
            f"{shown(source)} holds {n:,} questionable pairs, which distort training "
            f"and figures. Correct or remove them:{listed_in_lines(range(n), show)}",
            PairListWarning,
        )


def _stacked(*columns: Numbers | int) -> npt.NDArray[np.int32]:
    return np.stack(np.broadcast_arrays(*columns)).astype(np.int32)


def _repeated(rows: Rows, n_samples: int) -> tuple[Numbers, Numbers]:
    """Return, for each pair of the same images as an earlier one, the first such pair and it."""
    # One number stands for the two images of a pair, in either order.
    keys = np.minimum(rows[:, 0], rows[:, 1]).astype(np.int64)
    keys *= n_samples
    keys += np.maximum(rows[:, 0], rows[:, 1])
    order = np.argsort(keys)
    is_again = np.zeros(len(keys) + 1, bool)
    for start in range(0, len(keys), _BLOCK):  # All sorted keys at once would need more memory.
        in_order = keys[order[start : start + _BLOCK + 1]]
        np.equal(in_order[1:], in_order[:-1], out=is_again[start + 1 :][: len(in_order) - 1])
    is_shared = is_again[:-1] | is_again[1:]
    order, starts = order[is_shared], np.flatnonzero(~is_again[:-1][is_shared])
    if not len(order):
        return order, order
    lengths = np.diff(starts, append=len(order))
    firsts = np.repeat(np.minimum.reduceat(order, starts), lengths)
    is_later = order != firsts
    return firsts[is_later], order[is_later]
