"""Tests of calibrated thresholds and of probabilities, against SciPy and scikit-learn."""

import dataclasses
import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from labelled_scores import few_values, labelled
from scipy import optimize, special, stats
from sklearn import linear_model, metrics

from siamese_verify.evaluation.calibration import Calibration, CalibrationWarning, calibrate
from siamese_verify.evaluation.intervals import Estimate
from siamese_verify.evaluation.report import evaluate_scores
from siamese_verify.evaluation.thresholds import choose_threshold


def draw(n_same=200, n_different=200, distance=2.0):
    rng = np.random.default_rng(0)
    scores = np.append(rng.normal(distance, 1, n_same), rng.normal(0, 1, n_different))
    return scores, np.repeat([1, 0], [n_same, n_different])


def test_the_evidence_is_measured_at_the_threshold_of_the_policy():
    scores, labels = draw()
    identities = np.random.default_rng(1).integers(20, size=(400, 2))
    calibration = calibrate(scores, labels, "far=0.1", 0.3, identities)
    assert (calibration.policy, calibration.prior) == ("far=0.1", 0.3)
    assert calibration.threshold == choose_threshold(scores, labels, "far=0.1")
    report = evaluate_scores(scores, labels, calibration.threshold, identities)
    for name in ("far", "frr"):
        one, other = getattr(calibration, name), getattr(report, name)
        assert (one, one.low, one.high) == (other, other.low, other.high)
    assert (calibration.n_same, calibration.n_different) == (200, 200)


@pytest.mark.parametrize(("n_same", "prior"), [(200, 0.5), (300, 0.5), (200, 0.1)])
def test_probabilities_follow_the_most_likely_line(n_same, prior):
    scores, labels = draw(n_same)
    calibration = calibrate(scores, labels, prior=prior)
    share = np.where(labels == 1, 1 / n_same, 1 / 200)
    target = np.where(labels == 1, (n_same + 1) / (n_same + 2), 1 / 202)

    def loss(line):
        x = line[0] * scores + line[1]
        return np.sum(
            share * -(target * special.log_expit(x) + (1 - target) * special.log_expit(-x))
        )

    slope, intercept = optimize.minimize(loss, [0, 0], tol=1e-12).x
    expected = [slope, intercept + special.logit(prior)]
    assert [calibration.slope, calibration.intercept] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("prior", [1e-9, 1e-4, 0.2, 0.999])
def test_probabilities_of_normal_scores_follow_bayes_rule(prior: float):
    calibration = calibrate(*draw(50_000, 50_000), prior=prior)
    for score in (-1.0, 1.0, 3.0):
        same, different = stats.norm.pdf(score - 2), stats.norm.pdf(score)
        expected = prior * same / (prior * same + (1 - prior) * different)
        assert calibration.probability(score) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("threshold", "slope", "intercept", "prior")
          for value in (np.nan, np.inf, None, "0.5", True, 10**400)),
        *((name, value) for name in ("n_same", "n_different") for value in (0, -1, 1.5, None)),
        *((name, value) for name in ("far", "frr")
          for value in (0.1, None, Estimate(-1, -2, -3), Estimate(0.1, 0.2, 0.3),
                        Estimate(np.nan, 0, 1), Estimate(0.5, 0, 2))),
        ("prior", 0), ("prior", 7), ("on_logit", 1),
        *(("policy", value) for value in (None, "", "mine", "far=2", "far=0.1\n", "x" * 10**6)),
    ],
)  # fmt: skip
def test_every_setting_is_checked(name: str, value: object) -> None:
    calibration = calibrate(np.arange(400.0), np.arange(400) // 200)
    with pytest.raises(ValueError, match=rf"`{name}` must be .*Received: "):
        dataclasses.replace(calibration, **{name: value})


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf, None, "0.5"])
def test_a_score_that_is_not_a_finite_number_has_no_probability(score: object) -> None:
    calibration = calibrate(np.arange(400.0), np.arange(400) // 200)
    with pytest.raises(ValueError, match="`score` must be a finite number"):
        calibration.probability(score)


def test_numbers_of_numpy_become_numbers_of_python() -> None:
    calibration = calibrate(np.arange(400.0), np.arange(400) // 200, prior=np.float32(0.25))
    again = dataclasses.replace(calibration, threshold=np.float32(0.5), n_same=np.int64(3))
    assert json.loads(json.dumps(again.to_dict()))["threshold"] == 0.5
    assert type(again.prior) is type(again.threshold) is float


def test_a_score_that_is_a_probability_stays_what_it_is():
    rng = np.random.default_rng(0)
    scores = special.expit(rng.normal(0, 2, 40_000))
    labels = (rng.random(len(scores)) < scores).astype(
        int
    )  # A share of 0.3 of the pairs that score 0.3 is genuine.
    calibration = calibrate(scores, labels, prior=labels.mean())
    assert calibration.on_logit
    for score in (0.01, 0.1, 0.3, 0.7, 0.99):
        assert calibration.probability(score) == pytest.approx(score, abs=0.01)
    assert 0 <= calibration.probability(0) < 1e-4
    assert 1 - 1e-4 < calibration.probability(1) <= 1


def test_probabilities_on_the_logit_equal_scikit_learns():
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], 2000)
    scores = special.expit(3 * rng.normal(labels - 0.3))  # far too sure
    calibration = calibrate(scores, labels)
    peer = linear_model.LogisticRegression(C=1e6, tol=1e-8).fit(
        special.logit(scores)[:, None], labels
    )
    expected = peer.predict_proba(special.logit([[0.05], [0.5], [0.95]]))[:, 1]
    actual = [calibration.probability(score) for score in (0.05, 0.5, 0.95)]
    assert actual == pytest.approx(expected, abs=2e-3)
    before, after = (
        metrics.brier_score_loss(labels, p)
        for p in (scores, [calibration.probability(score) for score in scores.tolist()])
    )
    assert after < before


def test_scores_beyond_0_and_1_have_a_line_over_the_score():
    assert not calibrate(*draw()).on_logit


def test_a_calibration_from_an_older_file_is_a_line_over_the_score():
    values = calibrate(*draw()).to_dict()
    del values["on_logit"]
    again = Calibration.from_dict(values)
    assert again.probability(1.0) == calibrate(*draw()).probability(1.0)


@pytest.mark.parametrize(
    ("scores", "match"),
    [
        (-draw()[0], "higher for genuine pairs: change the sign of distances"),
        (np.full(400, 0.3), "all 400 are 0.3. The network may have collapsed"),
        (
            np.random.default_rng(1).normal(size=400),
            "the model does not tell genuine from impostor pairs",
        ),
    ],
)
def test_scores_that_tell_nothing_are_warned_of(scores, match):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        calibrate(scores, draw()[1])
    assert match in str(caught[0].message)
    assert {(warning.category, warning.filename) for warning in caught} == {
        (CalibrationWarning, __file__)
    }


def test_a_threshold_that_decides_nothing_warns():
    scores = np.append(np.linspace(0, 1, 200), np.full(200, 1.0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        calibrate(scores, np.repeat([1, 0], 200), "far=0.1")
    assert "rejects all genuine pairs (FRR 1)" in str(caught[-1].message)


def test_good_scores_do_not_warn():
    with warnings.catch_warnings(action="error"):
        calibrate(*draw())


@pytest.mark.parametrize("n_impostor", [4, 5, 6, 7])
def test_equal_scores_have_one_probability_at_every_score(n_impostor):
    labels = np.append(np.zeros(n_impostor, int), 1)
    with warnings.catch_warnings(action="ignore"):
        calibration = calibrate(np.ones(n_impostor + 1), labels)
    # Their rounded mean may differ from the scores, which must not count as a spread.
    assert calibration.probability(0.0) == pytest.approx(calibration.probability(1.0), abs=1e-6)


@given(labelled(few_values))
def test_probabilities_of_any_pairs_rise_as_the_means_do(pairs):
    scores, labels = map(np.array, zip(*pairs, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        calibration = calibrate(scores, labels)
    low, high = (calibration.probability(s) for s in (-2.0, 2.0))
    assert 0 <= low <= 1
    assert 0 <= high <= 1
    means = scores[labels == 1].mean(), scores[labels == 0].mean()
    assert np.sign(np.round(high - low, 6)) == np.sign(np.round(means[0] - means[1], 6))


def test_a_calibration_survives_json():
    calibration = calibrate(*draw())
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    assert again == calibration
    assert (again.far.low, again.frr.high) == (calibration.far.low, calibration.frr.high)


@pytest.mark.parametrize(
    ("sizes", "policy", "match"),
    [
        ((131, 13), "max_accuracy", "needs 100 pairs of either kind.*131 genuine and 13 impostor"),
        (
            (400, 200),
            "max_accuracy",
            "Half of the validation pairs should be.*400 genuine and 200 impostor",
        ),
        (
            (200, 200),
            "far=0.01",
            "'far=0.01' needs 381 impostor pairs.*200 genuine and 200",
        ),
        ((200, 400), "frr=0.01", "'frr=0.01' needs 381 genuine pairs.*FRR may be higher in use"),
    ],
)
def test_pairs_that_make_a_threshold_uncertain_warn(sizes, policy, match):
    with pytest.warns(CalibrationWarning, match=match):
        calibrate(*draw(*sizes), policy)


@pytest.mark.parametrize("policy", ["eer", "far=0.1", "frr=0.1", "cost=10:1"])
def test_only_the_highest_accuracy_needs_half_genuine_and_half_impostor_pairs(policy):
    with warnings.catch_warnings(action="error"):
        calibrate(*draw(100, 1000), policy)


@pytest.mark.parametrize("prior", [0, 1, np.nan])
def test_a_prior_out_of_range_raises_for_any_policy(prior):
    with pytest.raises(ValueError, match=f"Received: prior={prior}"):
        calibrate(*draw(), "eer", prior)
