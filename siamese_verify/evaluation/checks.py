"""Checks of scores and labels. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation.intervals import Bools
from siamese_verify.messages import shown


def check_labelled_scores(
    scores: npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[npt.NDArray[np.floating], Bools]:
    """Return finite scores in their own precision, and which pairs are genuine, each `(n,)`.

    Raises:
        ValueError: If lengths differ, a shape is not `(n,)` or `(n, 1)`, a score is not finite, or
            labels are not both 0 and 1.
    """
    score, label = check_scores(scores), as_vector("labels", labels)
    if len(score) != len(label):
        raise ValueError(
            f"Each score needs a label. Received: {len(score)} scores, {len(label)} labels"
        )
    if label.dtype.kind not in "biuf" or set(np.unique(label).tolist()) != {0, 1}:
        raise ValueError(
            "Labels must be 1 (genuine) and 0 (impostor), and both must occur. "
            f"Received: labels {shown(np.unique(label).tolist()[:10])}"
        )
    return score, label == 1


def check_scores(scores: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Return finite scores `(n,)` in their own precision, integers as float64.

    Raises:
        ValueError: If the shape is not `(n,)` or `(n, 1)`, or a score is not a finite number.
    """
    score = as_vector("scores", scores)
    if score.dtype.kind == "V":  # NumPy has no bfloat16 of its own. It fits into float32.
        score = score.astype(np.float32)
    if score.dtype.kind in "iu":
        score = score.astype(np.float64)
    if score.dtype.kind != "f":
        raise ValueError(
            "`scores` must be integers or floats. Convert text first: np.asarray(scores, float). "
            f"Received: scores of dtype={shown(score.dtype)}"
        )
    if not np.all(np.isfinite(score)):
        raise ValueError("Scores must be finite. Received: NaN or infinity among the scores")
    return score


def as_vector(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return values `(n,)` from `(n,)` or `(n, 1)`.

    Other shapes are ambiguous. Two columns, for example, may be the probabilities of two classes.

    Args:
        name: Name of the argument, for the error.
        values: The values.

    Raises:
        ValueError: If the shape is another, or the array is masked.
    """
    if np.ma.isMaskedArray(values):
        raise ValueError(
            f"`{name}` must be a plain array, because a masked value is unknown. "
            f"Leave masked values out: {name}.compressed(). Received: a masked array"
        )
    array = np.asarray(values)
    if array.ndim not in (1, 2) or array.shape[1:] not in ((), (1,)):
        raise ValueError(f"`{name}` must have shape (n,) or (n, 1). Received: shape {array.shape}")
    return array.ravel()
