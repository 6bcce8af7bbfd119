"""Tests of AUC, equal error rate and true accept rates, against scikit-learn and DeLong."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_scores import any_scores, draw_normal
from scipy import interpolate, optimize, special, stats
from sklearn import metrics

from siamese_verify import evaluate_scores
from siamese_verify.evaluation.report import EvaluationWarning


def crossing(scores, labels):
    """Find where the ROC curve meets the line on which both error rates are equal."""
    far, tar, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
    # A vertical piece of the curve has no inverse over FAR. Along the curve's length it has.
    way = np.append(0, np.cumsum(np.diff(far) + np.diff(tar)))
    both = interpolate.interp1d(way, np.stack([far, 1 - tar]))
    end = optimize.brentq(lambda at: np.subtract(*both(at)), 0, way[-1], xtol=1e-14)
    return both(end).mean()


@given(any_scores)
def test_auc_and_equal_error_rate_equal_scikit_learns(pairs):
    scores, labels = map(np.array, zip(*pairs, strict=True))
    report = evaluate_scores(scores, labels, 0.0)
    assert report.auc == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert report.eer == pytest.approx(crossing(scores, labels), abs=1e-9)


@given(any_scores, st.sampled_from([0.01, 0.25, 1 / 3, 0.5, 1.0]))
def test_the_true_accept_rate_is_the_highest_at_the_far(pairs, far):
    scores, labels = zip(*pairs, strict=True)
    rates = zip(*metrics.roc_curve(labels, scores, drop_intermediate=False)[:2], strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EvaluationWarning)
        assert evaluate_scores(scores, labels, 0.0).tar(far) == pytest.approx(
            max(t for f, t in rates if f <= far)
        )


def test_the_interval_of_the_auc_is_delongs():
    scores, labels = draw_normal(np.random.default_rng(0), 40, 60)
    genuine, impostor = scores[labels == 1], scores[labels == 0]
    above = (genuine[:, None] > impostor) + 0.5 * (genuine[:, None] == impostor)
    # DeLong et al. 1988: the variance of the structural components.
    expected = above.mean(axis=1).var(ddof=1) / 40 + above.mean(axis=0).var(ddof=1) / 60
    auc = evaluate_scores(scores, labels).auc
    # On the logit, by the delta method (Qin, Hotilovac 2008).
    shift = stats.norm.ppf([0.025, 0.975]) * expected**0.5 / (auc * (1 - auc))
    assert [auc.low, auc.high] == pytest.approx(special.expit(special.logit(auc) + shift))


def test_a_far_for_which_impostor_pairs_are_too_few_warns_with_the_number_needed():
    scores, labels = draw_normal(np.random.default_rng(0), 500, 500)
    report = evaluate_scores(scores, labels)
    with pytest.warns(
        EvaluationWarning, match="needs 3,838 impostor pairs or more. There are 500"
    ) as caught:
        tar = report.tar(0.001)
    assert caught[0].filename == __file__
    assert tar.low == 0
    assert tar.conservative
    # 3,838 pairs are just enough.
    scores, labels = draw_normal(np.random.default_rng(0), 500, 3838)
    assert evaluate_scores(scores, labels).tar(0.001).low > 0


@pytest.mark.parametrize("far", [0, -0.1, 1.1, np.nan])
def test_a_far_out_of_range_raises(far):
    with pytest.raises(ValueError, match=f"Received: far={far}"):
        evaluate_scores([0.1, 0.2], [0, 1]).tar(far)
