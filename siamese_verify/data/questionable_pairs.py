"""Pairs of a table that repeat or contradict each other or themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.data.sample_list import Rows, SampleList
from siamese_verify.data.samples import PairListWarning
from siamese_verify.data.table_text import is_text
from siamese_verify.messages import listed_in_lines, shown
from siamese_verify.user_warnings import warn_user

Numbers = npt.NDArray[Any]


def warn_of_questionable(
    source: str,
    lines: Numbers,
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
    unit = "line" if is_text(source) else "row"
    found: list[tuple[int, str]] = []
    for row in np.flatnonzero(rows[:, 0] == rows[:, 1]).tolist():
        found.append((row, f"{unit} {lines[row]}: {_images(samples, rows[row])} are one image"))
    for first, row in _repeated(rows, labels, len(samples)):
        same = labels[first] == labels[row]
        what = "are listed twice" if same else "are listed as same and as different"
        where = f"{unit}s {lines[first]} and {lines[row]}"
        found.append((row, f"{where}: {_images(samples, rows[row])} {what}"))
    if is_linked:
        identities = samples.identity_codes[rows]
        linked = (identities[:, 0] == identities[:, 1]) & (labels == 0)
        for row in np.flatnonzero(linked & (rows[:, 0] != rows[:, 1])).tolist():
            what = "are listed as different, but same pairs link them"
            found.append((row, f"{unit} {lines[row]}: {_images(samples, rows[row])} {what}"))
    if found:
        problems = [text for _, text in sorted(found)]
        warn_user(
            f"{shown(source)} holds {len(problems):,} questionable pairs, which distort training "
            f"and figures. Correct or remove them:{listed_in_lines(problems, str)}",
            PairListWarning,
        )


def _repeated(rows: Rows, labels: npt.NDArray[np.int32], n_samples: int) -> list[tuple[int, int]]:
    """Return the places of pairs of the same two images as an earlier pair, after its place."""
    keys = rows.min(axis=1).astype(np.int64)
    keys *= n_samples
    keys += rows.max(axis=1)
    in_order = np.sort(keys)
    repeated = np.unique(in_order[1:][in_order[1:] == in_order[:-1]])
    if not len(repeated):
        return []
    places = np.flatnonzero(np.isin(keys, repeated))
    _, firsts, of_first = np.unique(keys[places], return_index=True, return_inverse=True)
    first_of = places[firsts][of_first.reshape(-1)]
    later = first_of != places
    return list(zip(first_of[later].tolist(), places[later].tolist(), strict=True))


def _images(samples: SampleList, ends: Rows) -> str:
    left, right = ends.tolist()
    return f"{shown(samples.paths[left])} and {shown(samples.paths[right])}"
