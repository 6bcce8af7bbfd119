"""Checks of the parts of a pair list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.data.samples import Pair, Sample
from siamese_verify.messages import shown


def checked_pair(pair: object) -> Pair:
    """Return a pair of two samples and a label, and raise an error for anything else."""
    if not isinstance(pair, Pair):
        raise TypeError(f"`pairs` must hold only `Pair`s. Received: {shown(repr(pair))}")
    if not isinstance(pair.left, Sample) or not isinstance(pair.right, Sample):
        raise TypeError(
            "A `Pair` must hold two `Sample`s, which tell the identity of each image, such as "
            "Pair(Sample('1.jpg', 'Ada'), Sample('2.jpg', 'Ada'), 1). If you know only paths and "
            "labels, use `PairList.from_table({'left': [...], 'right': [...], 'label': [...]})`. "
            f"Received: {shown(repr(pair))}"
        )
    if pair.label not in (0, 1):
        raise ValueError(f"A label must be 1 (same) or 0 (different). Received: {shown(pair)}")
    return pair


def checked_folds(folds: Iterable[int]) -> npt.NDArray[np.int32]:
    """Return folds as an array, if they are whole numbers from 0."""
    if not isinstance(folds, np.ndarray) or not np.issubdtype(folds.dtype, np.integer):
        folds = np.array([whole_number("folds", fold, 0) for fold in folds], np.int64)
    if len(folds) and folds.min() < 0:
        whole_number("folds", int(folds.min()), 0)
    return folds.astype(np.int32)


def check_columns(indices: npt.NDArray[Any], labels: npt.NDArray[Any], n_samples: int) -> None:
    """Raise a `ValueError` unless the columns describe pairs of `n_samples` samples."""
    if not np.isin(labels, (0, 1)).all():
        wrong = labels[~np.isin(labels, (0, 1))].reshape(-1)[0]
        raise ValueError(
            f"`labels` must be 1 (same) or 0 (different). Received: {shown(repr(wrong))}"
        )
    is_empty = not indices.size
    if indices.shape != (*labels.shape, 2) and not (is_empty and labels.shape == (0,)):
        raise ValueError(
            "`indices` must have the shape (n, 2) and `labels` the shape (n,). "
            f"Received: shapes {indices.shape} and {labels.shape}"
        )
    if is_empty:
        return
    if not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"`indices` must be whole numbers. Received: dtype {indices.dtype}")
    if indices.min() < 0 or indices.max() >= n_samples:
        raise ValueError(
            f"`indices` must be from 0 to {n_samples - 1:,}, since there are {n_samples:,} "
            f"samples. Received: from {indices.min()} to {indices.max()}"
        )
