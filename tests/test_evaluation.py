"""Tests of thresholds and ROC curves."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn import metrics

from siamese_verify.evaluation import best_threshold, roc_curve


def accuracy(scores, labels, threshold):
    return np.mean((np.asarray(scores) >= threshold) == (np.asarray(labels) == 1))


def best_accuracy(scores, labels):
    """Tries every threshold that makes a difference."""
    return max(accuracy(scores, labels, t) for t in [*scores, np.inf])


def labelled(scores):
    return st.lists(st.tuples(scores, st.sampled_from([0, 1])), min_size=2, max_size=12).filter(
        lambda pairs: len({label for _, label in pairs}) == 2
    )


few_values = st.integers(-2, 2).map(float)
any_value = st.floats(-1.7e308, 1.7e308)


@given(labelled(few_values) | labelled(any_value))
@example([(0.5, 1), (0.5, 0)])
@example([(0.3, 0), (0.1, 1)])
@example([(np.nextafter(0.1, 1), 1), (0.1, 0)])  # nothing lies between
@example([(5e-324, 1), (0.0, 0)])
@example([(1e20, 0), (1.0, 1)])  # 1e20 + 1 is 1e20
@example([(1.7e308, 1), (1.6e308, 0)])  # the sum is infinite
def test_no_threshold_is_more_accurate(pairs):
    scores, labels = zip(*pairs, strict=True)
    threshold = best_threshold(scores, labels)
    assert np.isfinite(threshold)
    assert accuracy(scores, labels, threshold) == best_accuracy(scores, labels)


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([0.9, 0.7, 0.3, 0.1], [1, 1, 0, 0], 0.5),
        ([0.1, 0.9], [0, 1], 0.5),
        ([-1.0, -3.0], [1, 0], -2.0),  # as EuclideanHead scores
        # Best between 1 and 2, 3 and 4, 5 and 6: the middle one counts.
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0, 1, 0, 1, 0, 1], 3.5),
    ],
)
def test_the_threshold_lies_halfway_between_the_neighbouring_scores(scores, labels, expected):
    assert best_threshold(scores, labels) == pytest.approx(expected)


def test_scores_that_mislead_are_all_accepted_or_all_rejected():
    scores, labels = [0.9, 0.8, 0.1], [0, 0, 1]
    assert best_threshold(scores, labels) > 0.9
    assert best_threshold(scores, [0, 1, 1]) <= 0.1


@given(labelled(few_values), st.randoms())
def test_the_order_of_pairs_does_not_matter(pairs, random):
    threshold = best_threshold(*zip(*pairs, strict=True))
    random.shuffle(pairs)
    assert best_threshold(*zip(*pairs, strict=True)) == threshold


@pytest.mark.parametrize("label_type", [bool, np.int32, float])
def test_scores_may_be_a_column_and_labels_of_any_type(label_type):
    scores = np.array([[0.9], [0.1]], np.float32)
    assert best_threshold(scores, np.array([1, 0]).astype(label_type)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("scores", "labels", "match"),
    [
        ([0.1, 0.2, 0.3], [0, 1], "3 scores, 2 labels"),
        ([0.1, np.nan], [0, 1], "finite"),
        ([0.1, np.inf], [0, 1], "finite"),
        ([0.1, 0.2], [1, 1], r"labels \[1\]"),
        ([0.1, 0.2], [0, 0], r"labels \[0\]"),
        ([0.1, 0.2, 0.3], [0, 1, 2], r"labels \[0, 1, 2\]"),
        ([0.1, 0.2], [-1, 1], r"labels \[-1, 1\]"),
        ([], [], r"labels \[\]"),
    ],
)
def test_what_gives_no_threshold_is_refused(scores, labels, match):
    with pytest.raises(ValueError, match=match):
        best_threshold(scores, labels)


@given(labelled(few_values) | labelled(st.floats(-1e3, 1e3)))
def test_the_roc_curve_is_that_of_scikit_learn(pairs):
    scores, labels = zip(*pairs, strict=True)
    curve = roc_curve(scores, labels)
    expected = metrics.roc_curve(labels, scores, drop_intermediate=False)
    for actual, values in zip(curve, expected, strict=True):
        np.testing.assert_allclose(actual, values)
    assert curve.auc == pytest.approx(metrics.roc_auc_score(labels, scores))


def test_a_roc_curve_needs_both_labels():
    with pytest.raises(ValueError, match="both must occur"):
        roc_curve([0.1, 0.2], [1, 1])
