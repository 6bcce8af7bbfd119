"""Images that are left out, since they are missing or cannot be read."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from siamese_verify.data.pairs import PairList
from siamese_verify.files import PathLike, replacing
from siamese_verify.messages import listed_in_lines, shown
from siamese_verify.user_warnings import warn_user

OnError: TypeAlias = Literal["raise", "skip"]
SKIPPED = "skipped.csv"
"""Name of the table of images that were left out, in a folder of shards."""
MISSING = "the file is missing"
_UNREADABLE = "cannot be read as an image"


class Skipped(NamedTuple):
    """An image that was left out, as a row of a table."""

    path: str
    """Path of the sample, as it was received."""
    reason: str
    """Reason, such as a missing file."""


def reason_of(error: Exception) -> str:
    """Say why an image cannot be used, without its path, which has a column of its own."""
    if isinstance(error, FileNotFoundError):
        return MISSING
    if isinstance(error, OSError):
        return error.strerror or shown(error)
    _, _, reason = str(error).partition(_UNREADABLE)
    return reason.lstrip(":. ") or str(error)


def check_on_error(on_error: object) -> None:
    """Raise a `ValueError` unless `on_error` is `"raise"` or `"skip"`."""
    if on_error not in ("raise", "skip"):
        raise ValueError(
            f"`on_error` must be 'raise' or 'skip'. Received: on_error={shown(repr(on_error))}"
        )


def warn_of_skipped(skipped: Sequence[Skipped], n_samples: int, consequence: str = "") -> None:
    """Warn of images that were left out."""
    if skipped:
        reasons = listed_in_lines(skipped, lambda one: f"{shown(one.path)}: {shown(one.reason)}")
        warn_user(
            f"{len(skipped):,} of {n_samples:,} images are left out, because they are missing or "
            f"cannot be read{consequence}. The attribute `skipped` lists them:{reasons}"
        )


def write_skipped(skipped: Sequence[Skipped], path: PathLike) -> None:
    """Write images that were left out as a CSV table with the columns path and reason."""
    with (
        replacing(path) as unfinished,
        # A path that is not text is written with escapes.
        unfinished.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        csv.writer(file).writerows([Skipped._fields, *skipped])


def without_skipped(
    pairs: PairList, is_good: npt.NDArray[np.bool_], skipped: Sequence[Skipped]
) -> PairList:
    """Leave out the pairs of images that were skipped, and warn of it.

    Args:
        pairs: The pairs.
        is_good: Whether each image of each pair can be used, `(n, 2)`.
        skipped: The images that were skipped.
    """
    kept = np.flatnonzero(is_good.all(axis=1))
    warn_of_skipped(
        skipped,
        len(pairs.samples),
        f", and with them {len(pairs) - len(kept):,} of {len(pairs):,} pairs",
    )
    if not len(kept):
        raise ValueError(
            "No pair is left without the images that are missing or cannot be read. "
            f"Received: {len(skipped):,} such images among {len(pairs.samples):,}"
        )
    shared, places = pairs.shared
    return PairList.from_columns(
        shared,
        places[kept],
        pairs.labels[kept],
        None if pairs.folds is None else pairs.folds[kept],
        None if pairs.groups is None else pairs.groups[kept],
    )
