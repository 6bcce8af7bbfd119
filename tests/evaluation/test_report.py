"""Tests of figures with intervals, against scikit-learn, SciPy and brute force."""

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from labelled_scores import all_pairs, any_scores, draw_by_identity, draw_normal
from scipy import stats
from sklearn import metrics

from siamese_verify import evaluate_scores
from siamese_verify.evaluation.intervals import Estimate
from siamese_verify.evaluation.report import EvaluationWarning

FIGURES = ("accuracy", "far", "frr", "best_accuracy", "auc", "eer")


@settings(deadline=None)
@given(any_scores, st.floats(-2, 2))
@example([(0.0, 1), (0.0, 0)], 0.0)
@example([(1.0, 1), (0.0, 0)], 0.5)
@example([(0.0, 1), (1.0, 0)], 0.5)
def test_rates_and_accuracies_equal_scikit_learns(pairs, threshold):
    scores, labels = map(np.array, zip(*pairs, strict=True))
    report = evaluate_scores(scores, labels, threshold)
    accepted = scores >= threshold
    (tn, fp), (fn, tp) = metrics.confusion_matrix(labels, accepted, labels=[0, 1])
    assert report.accuracy == pytest.approx(metrics.accuracy_score(labels, accepted))
    assert report.far == pytest.approx(fp / (fp + tn))
    assert report.frr == pytest.approx(fn / (fn + tp))
    every = [np.mean((scores >= t) == (labels == 1)) for t in [*scores, np.inf]]
    assert report.best_accuracy == pytest.approx(max(every))
    assert np.mean((scores >= report.best_threshold) == (labels == 1)) == max(every)


@settings(deadline=None)
@given(any_scores, st.data())
def test_an_interval_holds_its_figure_and_stays_in_range(pairs, data):
    scores, labels = zip(*pairs, strict=True)
    name = st.integers(0, 3)
    identities = [
        (a := data.draw(name), a if label else a + 1 + data.draw(name)) for label in labels
    ]
    for who in (None, identities):
        report = evaluate_scores(scores, labels, identities=who)
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


def test_few_identities_leave_a_perfect_auc_a_wide_interval():
    identities = np.concatenate([np.repeat([[i, i] for i in range(12)], 40, 0), all_pairs(12, 30)])
    labels = np.repeat([1, 0], [480, len(identities) - 480])
    scores = labels + np.random.default_rng(0).random(len(labels)) / 2
    report = evaluate_scores(scores, labels, 0.75, identities)
    for figure in (report.auc, report.accuracy):
        assert figure == figure.high == 1
        assert figure.low < 0.95
        assert figure.conservative
    assert report.eer == report.eer.low == 0
    assert report.eer.high > 0.1


@settings(max_examples=50, deadline=None)
@given(any_scores, st.data())
def test_no_figure_depends_on_the_order_of_the_pairs(pairs, data):
    scores, labels = map(np.array, zip(*pairs, strict=True))
    name = st.integers(0, 3)
    identities = np.array([(data.draw(name), data.draw(name)) for _ in labels])
    order = np.array(data.draw(st.permutations(range(len(labels)))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EvaluationWarning)
        for who in (None, identities):
            report = evaluate_scores(scores, labels, None, who)
            again = evaluate_scores(
                scores[order], labels[order], None, None if who is None else who[order][:, ::-1]
            )
            assert report.to_dict() == again.to_dict()
            assert report.tar(0.1).to_list() == again.tar(0.1).to_list()


def test_a_report_is_neither_true_nor_false():
    report = evaluate_scores([0.1, 0.2], [0, 1])
    with pytest.raises(TypeError, match=r"report\.accuracy\.low"):
        bool(report)


@pytest.mark.parametrize("draws", [300, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("by_identity", [pytest.param(False, marks=pytest.mark.slow), True])
def test_95_of_100_intervals_hold_the_truth(by_identity, draws):
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
    held = dict.fromkeys(truth, 0)
    for _ in range(draws):
        scores, labels, *identities = draw_by_identity(rng) if by_identity else draw_normal(rng)
        report = evaluate_scores(scores, labels, threshold, *identities)
        for name, value in truth.items():
            figure = report.tar(0.1) if name == "tar" else getattr(report, name)
            held[name] += figure.low <= value <= figure.high
    noise = 2.6 * (0.05 * 0.95 / draws) ** 0.5  # at 99%
    low, high = min(0.93, 0.95 - noise), max(0.98, 0.97 + noise / 2)
    assert {name: n / draws for name, n in held.items() if not low <= n / draws <= high} == {}


def test_a_threshold_must_be_a_number():
    with pytest.raises(ValueError, match="threshold=nan"):
        evaluate_scores([0.1, 0.2], [0, 1], np.nan)


def test_identities_must_be_two_for_each_score():
    with pytest.raises(ValueError, match=r"shape \(2,\) for 2 scores"):
        evaluate_scores([0.1, 0.2], [0, 1], 0.1, ["Ada", "Bob"])


@pytest.mark.parametrize("precision", [np.float16, np.float32, np.float64])
def test_a_report_keeps_the_scores_in_their_own_precision(precision):
    report = evaluate_scores(np.array([[0.5], [0.25], [-1]], precision), [1, 0, 1], 0.3)
    assert report.scores.tolist() == [0.5, 0.25, -1.0]
    assert report.scores.dtype == precision
    assert report.is_same.tolist() == [True, False, True]
    assert report.is_same.dtype == bool


@pytest.mark.parametrize("by_identity", [False, True])
def test_figures_among_some_pairs_equal_an_evaluation_of_these_pairs_alone(by_identity):
    rng = np.random.default_rng(0)
    scores, labels, *identities = draw_by_identity(rng) if by_identity else draw_normal(rng)
    chosen = rng.random(len(scores)) < 0.3
    report = evaluate_scores(scores, labels, 0.7, *identities)
    part = report.among(chosen)
    alone = evaluate_scores(scores[chosen], labels[chosen], 0.7, *(x[chosen] for x in identities))
    assert part.to_dict() == alone.to_dict()
    assert str(part) == str(alone)
    assert report.among(np.full(len(scores), True)).to_dict() == report.to_dict()


def test_among_some_pairs_the_threshold_stays():
    scores, labels = draw_normal(np.random.default_rng(0))
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
def test_a_choice_without_both_kinds_of_pairs_raises(chosen, match):
    report = evaluate_scores([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], 0.2)
    with pytest.raises(ValueError, match=match):
        report.among(chosen)


def test_a_report_prints_as_a_table_and_says_if_it_chose_the_threshold():
    scores, labels = draw_normal(np.random.default_rng(0), 500, 500)
    table = str(evaluate_scores(scores, labels, 0.75)).splitlines()
    assert table[0] == "pairs             500 genuine, 500 impostor"
    assert table[1] == "threshold         0.7500"
    assert table[-2].startswith("TAR at FAR 0.01   0.")
    # Five impostors are accepted at this rate: fewer than 30.
    assert table[-2].endswith("*")
    assert table[-1].startswith("* conservative: ")
    assert not table[-3].endswith("*")
    assert table[2] == "accuracy          0.7890 [0.7627, 0.8131]"
    assert "chosen on these very pairs" in str(evaluate_scores(scores, labels))
