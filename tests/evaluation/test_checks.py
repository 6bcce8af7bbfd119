"""Tests that every function of scores and labels checks them alike."""

import numpy as np
import pytest

from siamese_verify import choose_threshold, evaluate_folds, evaluate_scores
from siamese_verify.evaluation.calibration import calibrate
from siamese_verify.evaluation.roc import roc_curve
from siamese_verify.evaluation.thresholds import best_threshold

GOOD = np.array([0.1, 0.9, 0.2, 0.8]), np.array([0, 1, 0, 1])
FUNCTIONS = {
    "evaluate_scores": lambda x, y: evaluate_scores(x, y).to_dict(),
    "evaluate_folds": lambda x, y: evaluate_folds(x, y, [0, 0, 1, 1]).mean,
    "choose_threshold": lambda x, y: choose_threshold(x, y),
    "best_threshold": lambda x, y: best_threshold(x, y),
    "roc_curve": lambda x, y: roc_curve(x, y).auc,
    "calibrate": lambda x, y: calibrate(x, y).to_dict(),
}
BAD_KINDS = {
    "two columns": (np.stack([1 - GOOD[0], GOOD[0]], 1), GOOD[1]),
    "one-hot labels": (GOOD[0], np.eye(2)[GOOD[1]]),
    "a row": (GOOD[0][None], GOOD[1]),
    "three dimensions": (GOOD[0][:, None, None], GOOD[1]),
    "a number": (0.5, 1),
    "masked scores": (np.ma.masked_array(GOOD[0], [0, 0, 0, 1]), GOOD[1]),
    "masked labels": (GOOD[0], np.ma.masked_array(GOOD[1], [0, 0, 0, 1])),
    "strings": (GOOD[0].astype(str), GOOD[1]),
    "strings as labels": (GOOD[0], GOOD[1].astype(str)),
    "objects": (GOOD[0].astype(object), GOOD[1]),
    "complex": (GOOD[0] + 1j, GOOD[1]),
    "decisions": (GOOD[0] > 0.5, GOOD[1]),
    "dates": (GOOD[1].astype("datetime64[s]"), GOOD[1]),
}


@pytest.mark.filterwarnings("ignore::siamese_verify.evaluation.calibration.CalibrationWarning")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_scores_are_a_vector_or_a_column_of_numbers(function):
    scores, labels = GOOD
    call = FUNCTIONS[function]
    expected = call(scores, labels)
    assert call(scores[:, None], labels) == expected
    assert call(scores, labels[:, None]) == expected
    assert call(scores.tolist(), labels.astype(bool).tolist()) == expected
    whole = (scores * 10).astype(int)
    assert call(whole, labels) == call(whole.astype(float), labels)
    for kind, (bad_scores, bad_labels) in BAD_KINDS.items():
        with pytest.raises(ValueError, match="Received"):
            pytest.fail(f"{kind}: {call(bad_scores, bad_labels)}")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("scores", "labels", "match"),
    [
        ([0.1, 0.2, 0.3], [0, 1], "3 scores, 2 labels"),
        ([0.1, np.nan], [0, 1], "finite"),
        ([0.1, -np.inf], [0, 1], "finite"),
        ([0.1, 0.2], [1, 1], r"both must occur.*labels \[1\]"),
        ([0.1, 0.2], [0, 0], r"both must occur.*labels \[0\]"),
        ([0.1, 0.2, 0.3], [0, 1, 2], r"labels \[0, 1, 2\]"),
        ([0.1, 0.2], [-1, 1], r"labels \[-1, 1\]"),
        ([], [], r"labels \[\]"),
    ],
)
def test_an_error_names_the_received_scores_or_labels(function, scores, labels, match):
    with pytest.raises(ValueError, match=match):
        FUNCTIONS[function](scores, labels)
