"""From scores and labels to a threshold and rates of error. NumPy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


def best_threshold(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The threshold of the highest accuracy: pairs that score as much or more count as same.

    It lies halfway between the neighbouring scores, and among equally good ones in the middle.
    Choose it on validation pairs, never on those that are then reported.

    Args:
        scores: Scores `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = same, 0 = different; both must occur.

    Returns:
        The threshold.

    Raises:
        ValueError: If lengths differ, a score is not finite, or labels are not both 0 and 1.

    Example:
        >>> best_threshold([0.9, 0.7, 0.3, 0.1], [1, 1, 0, 0])
        0.5
    """
    score, label = _checked(scores, labels)
    values, inverse = np.unique(score, return_inverse=True)
    same = np.bincount(inverse, weights=label == 1, minlength=len(values))
    different = np.bincount(inverse, weights=label == 0, minlength=len(values))
    # Correct at the threshold below values[i], for i = 0 ... n: all of which n accepts nothing.
    below = np.concatenate([[0.0], np.cumsum(different)])
    above = np.concatenate([np.cumsum(same[::-1])[::-1], [0.0]])
    (best,) = np.nonzero(below + above == np.max(below + above))
    chosen = int(best[len(best) // 2])
    lowest = np.minimum(values[:1] - 1, np.nextafter(values[:1], -np.inf))
    edges = np.concatenate([lowest, values, values[-1:] + 1])
    # Halved first, since a sum may overflow; rounded, the middle may be the lower score itself.
    middle = edges[chosen] / 2 + edges[chosen + 1] / 2
    return float(max(middle, np.nextafter(edges[chosen], np.inf)))


class RocCurve(NamedTuple):
    """Error rates by threshold, each float64 `(k,)`, from accepting nothing to accepting all."""

    far: npt.NDArray[np.float64]
    """Share of the different pairs that are accepted."""
    tar: npt.NDArray[np.float64]
    """Share of the same pairs that are accepted."""
    thresholds: npt.NDArray[np.float64]
    """Pairs that score as much or more are accepted; the first is infinite."""

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

    Example:
        >>> curve = roc_curve([0.9, 0.7, 0.3, 0.1], [1, 0, 1, 0])
        >>> curve.tar.tolist(), curve.auc
        ([0.0, 0.5, 0.5, 1.0, 1.0], 0.75)

    Reference:
        Fawcett, "An introduction to ROC analysis", 2006, sections 5 and 7.
    """
    score, label = _checked(scores, labels)
    values, inverse = np.unique(score, return_inverse=True)

    def rate(of: int) -> npt.NDArray[np.float64]:
        counts = np.bincount(inverse, weights=label == of, minlength=len(values))
        accepted = np.cumsum(counts[::-1])
        return np.concatenate([[0.0], accepted / accepted[-1]])

    thresholds = np.concatenate([[np.inf], values[::-1].astype(np.float64)])
    return RocCurve(rate(0), rate(1), thresholds)


def _checked(
    scores: npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.generic]]:
    score, label = np.asarray(scores).ravel(), np.asarray(labels).ravel()
    # The threshold is a value of the scores' own precision, in which it will be compared.
    score = score.astype(np.result_type(score, np.float16))
    if len(score) != len(label):
        raise ValueError(
            f"Each score needs a label. Received: {len(score)} scores, {len(label)} labels"
        )
    if not np.all(np.isfinite(score)):
        raise ValueError("Scores must be finite. Received: NaN or infinity among them")
    if set(np.unique(label).tolist()) != {0, 1}:
        raise ValueError(
            "Labels must be 1 (same) and 0 (different), and both must occur. "
            f"Received: labels {np.unique(label).tolist()[:10]}"
        )
    return score, label
