"""Error rates at every threshold. NumPy only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation.intervals import Bools, Floats


class RocCurve(NamedTuple):
    """Error rates by threshold, each float64 `(k,)`, from accepting nothing to accepting all."""

    far: Floats
    """Share of the different pairs that are accepted."""
    tar: Floats
    """Share of the same pairs that are accepted."""
    thresholds: Floats
    """Pairs that score as much or more are accepted; the first is infinite."""

    @property
    def frr(self) -> Floats:
        """Share of the same pairs that are rejected; over `far`, the points of a DET curve."""
        return 1 - self.tar

    @property
    def auc(self) -> float:
        """The area under the curve: how often a same pair scores above a different one.

        Pairs of equal score count half.
        """
        return float(np.sum(np.diff(self.far) * (self.tar[1:] + self.tar[:-1]) / 2))


def roc_curve(scores: npt.ArrayLike, labels: npt.ArrayLike) -> RocCurve:
    """False and true accept rates at every threshold that makes a difference.

    Args:
        scores: Scores `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = same, 0 = different; both must occur.

    Returns:
        A point for each distinct score, after the one that accepts nothing.

    Raises:
        ValueError: If lengths differ, a score is not finite, or labels are not both 0 and 1.

    Examples:
        >>> curve = roc_curve([0.9, 0.7, 0.3, 0.1], [1, 0, 1, 0])
        >>> curve.tar.tolist(), curve.auc
        ([0.0, 0.5, 0.5, 1.0, 1.0], 0.75)

    Reference:
        Fawcett, "An introduction to ROC analysis", 2006, sections 5 and 7.
    """
    values, same, different = counts_by_score(*checked(scores, labels))

    def accepted(counts: Floats) -> Floats:
        return np.concatenate([[0.0], np.cumsum(counts[::-1]) / counts.sum()])

    thresholds = np.concatenate([[np.inf], values[::-1].astype(np.float64)])
    return RocCurve(accepted(different), accepted(same), thresholds)


def counts_by_score(
    scores: npt.NDArray[np.floating], is_same: Bools
) -> tuple[npt.NDArray[np.floating], Floats, Floats]:
    """The distinct scores, ascending, and how many same and different pairs have each."""
    values, inverse = np.unique(scores, return_inverse=True)

    def count(which: Bools) -> Floats:
        return np.bincount(inverse[which], minlength=len(values)).astype(np.float64)

    return values, count(is_same), count(~is_same)


def checked(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[npt.NDArray[np.floating], Bools]:
    """Finite scores in their own precision, and which pairs are same; each `(n,)`.

    Raises:
        ValueError: If lengths differ, shapes are not `(n,)` or `(n, 1)`, a score is not finite or
            not a number, or labels are not both 0 and 1.
    """
    score, label = checked_scores(scores), column("labels", labels)
    if len(score) != len(label):
        raise ValueError(
            f"Each score needs a label. Received: {len(score)} scores, {len(label)} labels"
        )
    if label.dtype.kind not in "biuf" or set(np.unique(label).tolist()) != {0, 1}:
        raise ValueError(
            "Labels must be 1 (same) and 0 (different), and both must occur. "
            f"Received: labels {np.unique(label).tolist()[:10]}"
        )
    return score, label == 1


def checked_scores(scores: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Finite scores `(n,)` in their own precision; integers as float64.

    Raises:
        ValueError: If the shape is not `(n,)` or `(n, 1)`, or a score is not finite or no number.
    """
    score = column("scores", scores)
    if score.dtype.kind == "V":  # bfloat16, which is none of NumPy's own, fits into float32.
        score = score.astype(np.float32)
    if score.dtype.kind in "iu":
        score = score.astype(np.float64)
    if score.dtype.kind != "f":
        raise ValueError(
            f"Scores must be numbers, integers or floats. Received: an array of {score.dtype}"
        )
    if not np.all(np.isfinite(score)):
        raise ValueError("Scores must be finite. Received: NaN or infinity among them")
    return score


def column(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Values `(n,)` from `(n,)` or `(n, 1)`: any other shape may mean something else."""
    if np.ma.isMaskedArray(values):
        raise ValueError(
            f"`{name}` must be a plain array, since a masked one tells of no value what it is. "
            f"Received: a masked array. Leave out what is masked: {name}.compressed()"
        )
    array = np.asarray(values)
    if array.ndim not in (1, 2) or array.shape[1:] not in ((), (1,)):
        raise ValueError(
            f"`{name}` must have the shape (n,) or (n, 1). Received: shape {array.shape}"
        )
    return array.ravel()
