"""Tests of ROC curves."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from labelled_scores import few_values, labelled
from sklearn import metrics

from siamese_verify.evaluation.roc import placements, roc_curve


@given(labelled(few_values) | labelled(st.floats(-1e3, 1e3)))
def test_the_roc_curve_equals_scikit_learns(pairs):
    scores, labels = zip(*pairs, strict=True)
    curve = roc_curve(scores, labels)
    expected = metrics.roc_curve(labels, scores, drop_intermediate=False)
    for actual, values in zip(curve, expected, strict=True):
        np.testing.assert_allclose(actual, values)
    assert curve.auc == pytest.approx(metrics.roc_auc_score(labels, scores))


def test_scores_may_be_bfloat16():
    scores = tf.constant([0.9, 0.7, 0.3, 0.1], tf.bfloat16).numpy()
    curve = roc_curve(scores, [1, 0, 1, 0])
    assert curve.auc == 0.75
    assert curve.thresholds[1:].tolist() == scores.astype(np.float64).tolist()


@given(labelled(few_values))
def test_placements_are_shares_of_the_other_kind(pairs):
    scores, labels = map(np.array, zip(*pairs, strict=True))
    found = placements(scores, labels == 1)
    for placed, (score, label) in zip(found, pairs, strict=True):
        others = scores[labels != label]
        above = np.mean((score > others) + 0.5 * (score == others))
        assert placed == pytest.approx(above if label else 1 - above)


@given(labelled(few_values))
def test_the_det_curve_equals_scikit_learns(pairs):
    scores, labels = zip(*pairs, strict=True)
    curve = roc_curve(scores, labels)
    far, frr, _ = metrics.det_curve(labels, scores)
    ours = set(zip(curve.far.round(9), curve.frr.round(9), strict=True))
    assert set(zip(far.round(9), frr.round(9), strict=True)) <= ours
