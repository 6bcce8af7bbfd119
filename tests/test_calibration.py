"""Tests of thresholds with evidence, and of probabilities, against SciPy and scikit-learn."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from labelled_scores import few_values, labelled
from scipy import optimize, special, stats

from siamese_verify.calibration import Calibration, CalibrationWarning, calibrate
from siamese_verify.evaluation import evaluate_scores
from siamese_verify.thresholds import choose_threshold


def draw(n_same=200, n_different=200, distance=2.0):
    rng = np.random.default_rng(0)
    scores = np.append(rng.normal(distance, 1, n_same), rng.normal(0, 1, n_different))
    return scores, np.repeat([1, 0], [n_same, n_different])


def test_the_evidence_is_measured_at_the_threshold_of_the_policy():
    scores, labels = draw()
    people = np.random.default_rng(1).integers(20, size=(400, 2))
    calibration = calibrate(scores, labels, "far=0.1", 0.3, people)
    assert (calibration.policy, calibration.prior) == ("far=0.1", 0.3)
    assert calibration.threshold == choose_threshold(scores, labels, "far=0.1")
    report = evaluate_scores(scores, labels, calibration.threshold, people)
    for name in ("far", "frr"):
        one, other = getattr(calibration, name), getattr(report, name)
        assert (one, one.low, one.high) == (other, other.low, other.high)
    assert (calibration.n_same, calibration.n_different) == (200, 200)


@pytest.mark.parametrize(("n_same", "prior"), [(200, 0.5), (300, 0.5), (200, 0.1)])
def test_probabilities_are_those_of_the_most_likely_line(n_same, prior):
    scores, labels = draw(n_same)
    calibration = calibrate(scores, labels, prior=prior)
    share = np.where(labels == 1, prior / n_same, (1 - prior) / 200)
    target = np.where(labels == 1, (n_same + 1) / (n_same + 2), 1 / 202)

    def loss(line):
        x = line[0] * scores + line[1]
        return np.sum(
            share * -(target * special.log_expit(x) + (1 - target) * special.log_expit(-x))
        )

    expected = optimize.minimize(loss, [0, 0], tol=1e-12).x
    assert [calibration.slope, calibration.intercept] == pytest.approx(expected, abs=1e-3)


def test_probabilities_are_those_of_normally_distributed_scores():
    calibration = calibrate(*draw(50_000, 50_000), prior=0.2)
    for score in (-1.0, 1.0, 3.0):
        same, different = stats.norm.pdf(score - 2), stats.norm.pdf(score)
        expected = 0.2 * same / (0.2 * same + 0.8 * different)
        assert calibration.probability(score) == pytest.approx(expected, abs=0.02)


@given(labelled(few_values))
def test_any_pairs_give_probabilities_that_rise_where_scores_tell(pairs):
    scores, labels = map(np.array, zip(*pairs, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        calibration = calibrate(scores, labels)
    low, high = (calibration.probability(s) for s in (-2.0, 2.0))
    assert 0 <= low <= 1
    assert 0 <= high <= 1
    means = scores[labels == 1].mean(), scores[labels == 0].mean()
    assert np.sign(np.round(high - low, 6)) == np.sign(np.round(means[0] - means[1], 6))


def test_it_survives_json():
    calibration = calibrate(*draw())
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    assert again == calibration
    assert (again.far.low, again.frr.high) == (calibration.far.low, calibration.frr.high)


@pytest.mark.parametrize(
    ("sizes", "policy", "match"),
    [
        ((131, 13), "max_accuracy", "takes 100 pairs of either kind.*131 same and 13 different"),
        ((400, 200), "eer", "Half of the validation pairs should be.*400 same and 200 different"),
        ((200, 200), "far=0.01", "far=0.01 takes 381 different pairs.*200 same and 200 different"),
    ],
)
def test_pairs_that_make_a_threshold_uncertain_are_warned_of(sizes, policy, match):
    with pytest.warns(CalibrationWarning, match=match):
        calibrate(*draw(*sizes), policy)


@pytest.mark.parametrize("prior", [0, 1, np.nan])
def test_a_prior_out_of_range_is_refused_whatever_the_policy(prior):
    with pytest.raises(ValueError, match=f"Received: prior={prior}"):
        calibrate(*draw(), "eer", prior)
