"""Tests of figures with intervals, against scikit-learn, SciPy and brute force."""

import itertools
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from labelled_scores import few_values, labelled
from scipy import interpolate, optimize, stats
from sklearn import metrics

from siamese_verify import evaluate_folds, evaluate_scores
from siamese_verify.evaluation import EvaluationWarning
from siamese_verify.intervals import Estimate, variance, wilson
from siamese_verify.thresholds import best_threshold

FIGURES = ("accuracy", "far", "frr", "best_accuracy", "auc", "eer")
any_scores = labelled(few_values) | labelled(st.floats(-1e3, 1e3))


def crossing(scores, labels):
    """Where the ROC curve meets the line on which both error rates are equal."""
    far, tar, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
    # Straight up, a curve has no inverse: along its length it has.
    way = np.append(0, np.cumsum(np.diff(far) + np.diff(tar)))
    both = interpolate.interp1d(way, np.stack([far, 1 - tar]))
    end = optimize.brentq(lambda at: np.subtract(*both(at)), 0, way[-1], xtol=1e-14)
    return both(end).mean()


def draw(rng, n_same=300, n_different=300, distance=1.5):
    """Normally distributed scores, of which all figures are known."""
    scores = np.append(rng.normal(distance, 1, n_same), rng.normal(0, 1, n_different))
    return scores, np.repeat([1, 0], [n_same, n_different])


@given(any_scores, st.floats(-2, 2))
@example([(0.0, 1), (0.0, 0)], 0.0)
@example([(1.0, 1), (0.0, 0)], 0.5)
@example([(0.0, 1), (1.0, 0)], 0.5)
def test_figures_are_those_of_scikit_learn(pairs, threshold):
    scores, labels = map(np.array, zip(*pairs, strict=True))
    report = evaluate_scores(scores, labels, threshold)
    accepted = scores >= threshold
    (tn, fp), (fn, tp) = metrics.confusion_matrix(labels, accepted, labels=[0, 1])
    assert report.accuracy == pytest.approx(metrics.accuracy_score(labels, accepted))
    assert report.far == pytest.approx(fp / (fp + tn))
    assert report.frr == pytest.approx(fn / (fn + tp))
    assert report.auc == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert report.eer == pytest.approx(crossing(scores, labels), abs=1e-9)
    every = [np.mean((scores >= t) == (labels == 1)) for t in [*scores, np.inf]]
    assert report.best_accuracy == pytest.approx(max(every))
    assert np.mean((scores >= report.best_threshold) == (labels == 1)) == max(every)


@given(any_scores, st.sampled_from([0.01, 0.25, 1 / 3, 0.5, 1.0]))
def test_tar_is_the_highest_at_the_far(pairs, far):
    scores, labels = zip(*pairs, strict=True)
    rates = zip(*metrics.roc_curve(labels, scores, drop_intermediate=False)[:2], strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EvaluationWarning)
        assert evaluate_scores(scores, labels).tar(far) == pytest.approx(
            max(t for f, t in rates if f <= far)
        )


@given(any_scores, st.data())
def test_an_interval_holds_its_figure_and_stays_in_range(pairs, data):
    scores, labels = zip(*pairs, strict=True)
    name = st.integers(0, 3)
    people = [(a := data.draw(name), a if label else a + 1 + data.draw(name)) for label in labels]
    for who in (None, people):
        report = evaluate_scores(scores, labels, people=who)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EvaluationWarning)
            figures = [report.tar(0.1), *(getattr(report, figure) for figure in FIGURES)]
        for figure in figures:
            assert isinstance(figure, Estimate)
            assert 0 <= figure.low <= figure <= figure.high <= 1
            assert figure.low < figure.high
        best = report.best_threshold
        assert best.low <= best <= best.high
        assert str(report).count("[") == len(FIGURES) + 1


@given(st.integers(1, 2000), st.data())
def test_wilsons_interval_is_that_of_scipy(n, data):
    hits = data.draw(st.integers(0, n))
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    actual = wilson(hits / n, n)
    assert (actual.low, actual.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_rates_of_independent_pairs_have_wilsons_interval():
    scores, labels = draw(np.random.default_rng(0))
    report = evaluate_scores(scores, labels, 0.7)
    expected = stats.binomtest(round(300 * report.far), 300).proportion_ci(method="wilson")
    assert (report.far.low, report.far.high) == pytest.approx((expected.low, expected.high))


def test_the_interval_of_the_auc_is_delongs():
    scores, labels = draw(np.random.default_rng(0), 40, 60)
    same, different = scores[labels == 1], scores[labels == 0]
    above = (same[:, None] > different) + 0.5 * (same[:, None] == different)
    # DeLong et al. 1988, of the structural components.
    expected = above.mean(axis=1).var(ddof=1) / 40 + above.mean(axis=0).var(ddof=1) / 60
    auc = evaluate_scores(scores, labels).auc
    # Wilson's interval for a rate of this variance.
    again = wilson(auc, auc * (1 - auc) / expected)
    assert (auc.low, auc.high) == pytest.approx((again.low, again.high))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.floats(-1, 1)), min_size=1))
def test_the_variance_is_that_of_all_pairs_that_share_a_person(pairs):
    people = np.array([pair[:2] for pair in pairs])
    influence = np.array([pair[2] for pair in pairs])
    shared = sum(
        one[2] * other[2]
        for one, other in itertools.product(pairs, pairs)
        if {*one[:2]} & {*other[:2]}
    )
    independent = np.sum(influence**2)
    assert variance(influence, None) == pytest.approx(independent)
    assert variance(influence, people) == pytest.approx(max(independent, shared), abs=1e-9)


def draw_of_people(rng, count=100, n=500, spread=0.5):
    """Scores that depend on who is in a pair: some people are more alike to all than others."""
    person = rng.normal(0, spread / 2**0.5, count)
    a, b = rng.integers(count, size=(2, n))
    c = (b + rng.integers(1, count, n)) % count
    same = 1.5 + 2 * person[a] + rng.normal(0, (1 - 2 * spread**2) ** 0.5, n)
    different = person[b] + person[c] + rng.normal(0, (1 - spread**2) ** 0.5, n)
    people = np.concatenate([np.stack([a, a], 1), np.stack([b, c], 1)])
    return np.append(same, different), np.repeat([1, 0], n), people


@pytest.mark.parametrize("by_person", [False, True])
def test_intervals_hold_the_truth_in_95_of_100_draws(by_person):
    rng = np.random.default_rng(5)
    threshold, normal = 0.9, stats.norm.cdf
    truth = {
        "accuracy": (normal(1.5 - threshold) + normal(threshold)) / 2,
        "far": normal(-threshold),
        "frr": normal(threshold - 1.5),
        "auc": normal(1.5 / 2**0.5),
        "eer": normal(-0.75),
        "best_threshold": 0.75,
        "best_accuracy": normal(0.75),
        "tar": normal(1.5 - stats.norm.isf(0.1)),
    }
    draws = 2000
    held = dict.fromkeys(truth, 0)
    for _ in range(draws):
        scores, labels, *people = draw_of_people(rng) if by_person else draw(rng)
        report = evaluate_scores(scores, labels, threshold, *people)
        for name, value in truth.items():
            figure = report.tar(0.1) if name == "tar" else getattr(report, name)
            held[name] += figure.low <= value <= figure.high
    assert {name: n / draws for name, n in held.items() if not 0.93 <= n / draws <= 0.97} == {}


def test_a_far_that_few_pairs_cannot_answer_is_said_so_with_how_many_it_takes():
    scores, labels = draw(np.random.default_rng(0), 500, 500)
    report = evaluate_scores(scores, labels)
    with pytest.warns(
        EvaluationWarning, match="takes 3,838 different pairs or more; there are 500"
    ):
        tar = report.tar(0.001)
    assert tar.low == 0
    # The exact number: with so many, it is answered.
    scores, labels = draw(np.random.default_rng(0), 500, 3838)
    assert evaluate_scores(scores, labels).tar(0.001).low > 0


@pytest.mark.parametrize("far", [0, -0.1, 1.1, np.nan])
def test_a_far_out_of_range_is_refused(far):
    with pytest.raises(ValueError, match=f"Received: far={far}"):
        evaluate_scores([0.1, 0.2], [0, 1]).tar(far)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([0.1, 0.2, 0.3], [0, 1]), "3 scores, 2 labels"),
        (([0.1, np.nan], [0, 1]), "finite"),
        (([0.1, -np.inf], [0, 1]), "finite"),
        (([0.1, 0.2], [1, 1]), r"both must occur.*labels \[1\]"),
        (([0.1, 0.2, 0.3], [0, 1, 2]), r"labels \[0, 1, 2\]"),
        (([0.1, 0.2], [0, 1], np.nan), "threshold=nan"),
        (([0.1, 0.2], [0, 1], 0.1, ["Ada", "Bob"]), r"shape \(2,\) for 2 scores"),
    ],
)
def test_bad_input_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        evaluate_scores(*arguments)


@pytest.mark.parametrize("precision", [np.float16, np.float32, np.float64])
def test_a_report_holds_the_scores_in_their_own_precision_and_what_is_same(precision):
    report = evaluate_scores(np.array([[0.5], [0.25], [-1]], precision), [1, 0, 1], 0.3)
    assert report.scores.tolist() == [0.5, 0.25, -1.0]
    assert report.scores.dtype == precision
    assert report.is_same.tolist() == [True, False, True]
    assert report.is_same.dtype == bool


@pytest.mark.parametrize("by_person", [False, True])
def test_figures_among_some_pairs_are_those_of_these_pairs_alone(by_person):
    rng = np.random.default_rng(0)
    scores, labels, *people = draw_of_people(rng) if by_person else draw(rng)
    chosen = rng.random(len(scores)) < 0.3
    report = evaluate_scores(scores, labels, 0.7, *people)
    part = report.among(chosen)
    alone = evaluate_scores(scores[chosen], labels[chosen], 0.7, *(x[chosen] for x in people))
    assert part.to_dict() == alone.to_dict()
    assert str(part) == str(alone)
    assert report.among(np.full(len(scores), True)).to_dict() == report.to_dict()


def test_figures_among_some_pairs_are_at_the_threshold_of_all():
    scores, labels = draw(np.random.default_rng(0))
    report = evaluate_scores(scores, labels)
    accepted = report.among(scores >= report.threshold)
    assert accepted.threshold == report.threshold
    assert (accepted.far, accepted.frr) == (1, 0)


@pytest.mark.parametrize(
    ("chosen", "match"),
    [
        ([True, False, True], r"bool for each of 4 pairs.*bool array of shape \(3,\)"),
        ([[True]] * 4, r"bool array of shape \(4, 1\)"),
        ([1, 0, 1, 0], r"int64 array of shape \(4,\)"),
        ([0, 1], r"int64 array of shape \(2,\)"),
        ([False, True, False, True], r"both must occur.*labels \[1\]"),
        ([False] * 4, r"both must occur.*labels \[\]"),
    ],
)
def test_pairs_that_cannot_be_told_apart_are_refused(chosen, match):
    report = evaluate_scores([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], 0.2)
    with pytest.raises(ValueError, match=match):
        report.among(chosen)


def test_a_report_prints_as_a_table_and_says_if_the_threshold_is_of_these_pairs():
    scores, labels = draw(np.random.default_rng(0), 500, 500)
    table = str(evaluate_scores(scores, labels, 0.75)).splitlines()
    assert table[0] == "pairs             500 same, 500 different"
    assert table[1] == "threshold         0.7500"
    assert table[-1].startswith("TAR at FAR 0.01   0.")
    assert table[2] == "accuracy          0.7890 [0.7626, 0.8132]"
    assert "chosen on these very pairs" in str(evaluate_scores(scores, labels))


def test_an_estimate_is_a_number():
    figure = wilson(0.9, 100)
    assert figure > 0.5
    assert f"{figure:.2f}" == "0.90"
    assert str(figure) == "0.9000 [0.8256, 0.9448]"
    again = pickle.loads(pickle.dumps(figure))
    assert (again, again.low, again.high) == (figure, figure.low, figure.high)


def test_folds_are_those_of_lfws_protocol():
    scores, labels = draw(np.random.default_rng(0))
    folds = np.random.default_rng(1).permutation(np.arange(600) % 10)
    result = evaluate_folds(scores, labels, folds)
    accuracies = []
    for fold in range(10):
        threshold = best_threshold(scores[folds != fold], labels[folds != fold])
        accuracies.append(np.mean((scores >= threshold)[folds == fold] == labels[folds == fold]))
    assert result.mean == pytest.approx(np.mean(accuracies))
    # LFW: the standard deviation of the ten over the root of ten.
    assert result.standard_error == pytest.approx(stats.sem(accuracies))
    assert result.accuracies.tolist() == accuracies
    assert str(result) == f"{result.mean:.4f} ± {result.standard_error:.4f}"


@pytest.mark.parametrize(
    ("folds", "match"),
    [([0, 0, 0, 0], "4 for 4 scores, 1 of them different"), ([0, 1], "2 for 4 scores")],
)
def test_folds_that_are_none_are_refused(folds, match):
    with pytest.raises(ValueError, match=match):
        evaluate_folds([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], folds)
