"""Tests of the accuracy over folds."""

import numpy as np
import pytest
from labelled_scores import draw_normal
from scipy import stats

from siamese_verify import evaluate_folds
from siamese_verify.evaluation.thresholds import best_threshold


def test_each_fold_is_decided_at_the_threshold_of_the_others():
    scores, labels = draw_normal(np.random.default_rng(0))
    folds = np.random.default_rng(1).permutation(np.arange(600) % 10)
    result = evaluate_folds(scores, labels, folds)
    accuracies = []
    for fold in range(10):
        threshold = best_threshold(scores[folds != fold], labels[folds != fold])
        accuracies.append(np.mean((scores >= threshold)[folds == fold] == labels[folds == fold]))
    assert result.mean == pytest.approx(np.mean(accuracies))
    # LFW's page: the standard deviation of the ten over the root of ten.
    assert result.standard_error == pytest.approx(stats.sem(accuracies))
    assert result.accuracies.tolist() == accuracies
    assert str(result) == f"{result.mean:.4f} ± {result.standard_error:.4f}"


@pytest.mark.parametrize(
    ("folds", "match"),
    [
        ([0, 0, 0, 0], "4 values for 4 scores, 1 distinct"),
        ([0, 1], "2 values for 4 scores, 2 distinct"),
    ],
)
def test_too_few_folds_raise(folds, match):
    with pytest.raises(ValueError, match=match):
        evaluate_folds([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], folds)
