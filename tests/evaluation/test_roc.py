"""Tests of ROC curves."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from labelled_scores import few_values, labelled
from sklearn import metrics

from siamese_verify.evaluation.roc import roc_curve


@given(labelled(few_values) | labelled(st.floats(-1e3, 1e3)))
def test_the_roc_curve_is_that_of_scikit_learn(pairs):
    scores, labels = zip(*pairs, strict=True)
    curve = roc_curve(scores, labels)
    expected = metrics.roc_curve(labels, scores, drop_intermediate=False)
    for actual, values in zip(curve, expected, strict=True):
        np.testing.assert_allclose(actual, values)
    assert curve.auc == pytest.approx(metrics.roc_auc_score(labels, scores))


def test_scores_of_bfloat16_are_taken_as_they_are():
    scores = tf.constant([0.9, 0.7, 0.3, 0.1], tf.bfloat16).numpy()
    curve = roc_curve(scores, [1, 0, 1, 0])
    assert curve.auc == 0.75
    assert curve.thresholds[1:].tolist() == scores.astype(np.float64).tolist()


def test_a_roc_curve_needs_both_labels():
    with pytest.raises(ValueError, match="both must occur"):
        roc_curve([0.1, 0.2], [1, 1])


@given(labelled(few_values))
def test_the_det_curve_is_that_of_scikit_learn(pairs):
    scores, labels = zip(*pairs, strict=True)
    curve = roc_curve(scores, labels)
    far, frr, _ = metrics.det_curve(labels, scores)
    ours = set(zip(curve.far.round(9), curve.frr.round(9), strict=True))
    assert set(zip(far.round(9), frr.round(9), strict=True)) <= ours
