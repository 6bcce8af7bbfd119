"""Error rates at every threshold. NumPy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation.checks import check_labelled_scores
from siamese_verify.evaluation.intervals import Bools, Floats


class RocCurve(NamedTuple):
    """Error rates by threshold, each float64 `(k,)`, from accepting no pair to accepting all."""

    far: Floats
    """Share of the impostor pairs that are accepted."""
    tar: Floats
    """Share of the genuine pairs that are accepted."""
    thresholds: Floats
    """Scores from which pairs are accepted. The first is infinite."""

    @property
    def frr(self) -> Floats:
        """Share of the genuine pairs that are rejected. A DET curve draws it over `far`."""
        return 1 - self.tar

    @property
    def auc(self) -> float:
        """Area under the curve: probability that a genuine pair scores above an impostor pair.

        Pairs of equal score count half.
        """
        return float(np.sum(np.diff(self.far) * (self.tar[1:] + self.tar[:-1]) / 2))


def roc_curve(scores: npt.ArrayLike, labels: npt.ArrayLike) -> RocCurve:
    """Compute false and true accept rates at every threshold that makes a difference.

    Args:
        scores: Scores `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = genuine, 0 = impostor. Both must occur.

    Returns:
        A point for each distinct score, after a point that accepts no pair.

    Raises:
        ValueError: If lengths differ, a score is not finite, or labels are not both 0 and 1.

    Examples:
        >>> curve = roc_curve([0.9, 0.7, 0.3, 0.1], [1, 0, 1, 0])
        >>> curve.tar.tolist(), curve.auc
        ([0.0, 0.5, 0.5, 1.0, 1.0], 0.75)

    References:
        Fawcett, "An introduction to ROC analysis", 2006, sections 5 and 7.
    """
    values, genuine, impostor = count_by_score(*check_labelled_scores(scores, labels))

    def accepted(counts: Floats) -> Floats:
        return np.concatenate([[0.0], np.cumsum(counts[::-1]) / counts.sum()])

    thresholds = np.concatenate([[np.inf], values[::-1].astype(np.float64)])
    return RocCurve(accepted(impostor), accepted(genuine), thresholds)


def count_by_score(
    scores: npt.NDArray[np.floating], is_genuine: Bools
) -> tuple[npt.NDArray[np.floating], Floats, Floats]:
    """Return the distinct scores, ascending, and how many genuine and impostor pairs have each."""
    values, inverse = np.unique(scores, return_inverse=True)

    def count(which: Bools) -> Floats:
        return np.bincount(inverse[which], minlength=len(values)).astype(np.float64)

    return values, count(is_genuine), count(~is_genuine)


def placements(scores: npt.NDArray[np.floating], is_genuine: Bools) -> Floats:
    """Compute for each pair the share of the pairs of the other kind that it is placed right of.

    A genuine pair is right where it scores above an impostor pair. Equal scores count half. The
    mean over either kind is the AUC.

    Args:
        scores: Scores `(n,)`, finite.
        is_genuine: Which pairs are genuine, bool `(n,)`.

    References:
        DeLong, DeLong, Clarke-Pearson, 1988 ("structural components"); Sun, Xu, "Fast
        implementation of DeLong's algorithm", 2014 (by sorting, as here).
    """
    found = np.zeros(len(scores))
    for mine, others, sign in ((is_genuine, ~is_genuine, 1), (~is_genuine, is_genuine, -1)):
        own, there = sign * scores[mine], np.sort(sign * scores[others])
        below = np.searchsorted(there, own, "left") + np.searchsorted(there, own, "right")
        found[mine] = below / (2 * len(there))
    return found
