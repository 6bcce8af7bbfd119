"""Accuracy over folds, as LFW's View 2 defines it. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from siamese_verify.evaluation.checks import as_vector, check_labelled_scores
from siamese_verify.evaluation.intervals import Floats
from siamese_verify.evaluation.thresholds import best_threshold


class FoldAccuracy(NamedTuple):
    """Accuracy over folds, each at the threshold of the others. Prints as on LFW's page."""

    mean: float
    """Mean accuracy over the folds."""
    standard_error: float
    """Standard error of the mean: the folds' standard deviation over the root of their number."""
    accuracies: Floats
    """Accuracy of each fold."""
    thresholds: Floats
    """Threshold of each fold, chosen on the other folds."""

    @override
    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.standard_error:.4f}"


def evaluate_folds(
    scores: npt.ArrayLike, labels: npt.ArrayLike, folds: npt.ArrayLike | Sequence[int]
) -> FoldAccuracy:
    """Measure the accuracy of each fold, at the best threshold for the other folds.

    Args:
        scores: Scores `(n,)`, higher is more alike, from models that have not seen these pairs.
        labels: Labels `(n,)`: 1 = genuine, 0 = impostor.
        folds: Fold of each pair `(n,)`, such as `PairList.folds`.

    Returns:
        Mean accuracy and its standard error, and accuracy and threshold of each fold.

    Raises:
        ValueError: If lengths differ, a score is not finite, folds are fewer than two, or without
            a fold not both genuine and impostor pairs are left.

    Examples:
        >>> print(evaluate_folds([0.9, 0.1, 0.8, 0.3, 0.4, 0.6], [1, 0] * 3, [0, 0, 1, 1, 2, 2]))
        0.6667 ± 0.3333

    References:
        Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", 2007 (View 2).
    """
    score, is_genuine = check_labelled_scores(scores, labels)
    fold = as_vector("folds", folds)
    numbers = np.unique(fold)
    if len(fold) != len(score) or len(numbers) < 2:
        raise ValueError(
            "`folds` must hold the fold of each score, and two folds or more. "
            f"Received: {len(fold)} values for {len(score)} scores, {len(numbers)} distinct"
        )
    outs = [fold == number for number in numbers.tolist()]
    thresholds = np.array([best_threshold(score[~out], is_genuine[~out]) for out in outs])
    accuracies = np.array(
        [
            np.mean((score[out] >= threshold) == is_genuine[out])
            for out, threshold in zip(outs, thresholds, strict=True)
        ]
    )
    error = float(accuracies.std(ddof=1) / len(outs) ** 0.5)
    return FoldAccuracy(float(accuracies.mean()), error, accuracies, thresholds)
