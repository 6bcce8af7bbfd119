"""Tests of figures with intervals, against scikit-learn, SciPy and brute force."""

import itertools
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from labelled_scores import few_values, labelled
from scipy import interpolate, optimize, special, stats
from sklearn import metrics

from siamese_verify import evaluate_folds, evaluate_scores
from siamese_verify.evaluation.calibration import calibrate
from siamese_verify.evaluation.clusters import Clusters
from siamese_verify.evaluation.dependence import Kind, joint_excess
from siamese_verify.evaluation.rates import Rate
from siamese_verify.evaluation.intervals import (
    Estimate,
    student_quantile,
    wilson,
    wilson_of_dependent,
)
from siamese_verify.evaluation.report import EvaluationWarning
from siamese_verify.evaluation.roc import roc_curve
from siamese_verify.evaluation.thresholds import best_threshold, choose_threshold

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
    # On the logit, by the delta method (Qin, Hotilovac 2008).
    shift = stats.norm.ppf([0.025, 0.975]) * expected**0.5 / (auc * (1 - auc))
    assert [auc.low, auc.high] == pytest.approx(special.expit(special.logit(auc) + shift))


some_pairs = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.floats(-1, 1), st.floats(-1, 1)), min_size=1
)


@given(some_pairs)
def test_products_are_of_all_pairs_that_share_identities(pairs):
    identities = np.array([pair[:2] for pair in pairs])
    x, y = (np.array([pair[i] for pair in pairs]) for i in (2, 3))
    clusters = Clusters(len(pairs), identities)
    both = list(itertools.product(pairs, pairs))
    sharing = sum(one[2] * other[3] for one, other in both if {*one[:2]} & {*other[:2]})
    same = sum(one[2] * other[3] for one, other in both if {*one[:2]} == {*other[:2]})
    assert clusters.sum_sharing(x, y) == pytest.approx(sharing, abs=1e-9)
    assert clusters.sum_same(x, y) == pytest.approx(same, abs=1e-9)
    unknown = Clusters(len(pairs), None)
    assert unknown.sum_sharing(x, y) == unknown.sum_same(x, y) == pytest.approx(x @ y)


def all_pairs(n, times):
    """Each two of `n` identities, several times."""
    return np.repeat(np.stack(np.triu_indices(n, 1), 1), times, 0)


def kind_of(scores, identities):
    return Kind(Clusters(len(scores), identities), scores, np.full(len(scores), True))


def test_the_variance_of_a_mean_is_unbiased_whatever_pairs_share():
    rng = np.random.default_rng(0)
    identities, n = all_pairs(8, 3), 8
    of_two = np.arange(len(identities)) // 3
    means, variances = [], []
    for _ in range(4000):
        identity, pair = rng.normal(size=n), rng.normal(size=len(identities) // 3)
        values = identity[identities].sum(1) + pair[of_two] + rng.normal(size=len(identities))
        kind = kind_of(values, identities)
        means.append(values.mean())
        # Without the floor of pairs of the same two, it would be exact on average.
        variances.append(kind.variance(kind.influence(values)))
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.08)


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("correlation", [0.05, 0.5, 0.95])
def test_two_normal_scores_are_above_a_threshold_at_once_as_often_as_scipy_says(rate, correlation):
    normal = stats.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]])
    threshold = stats.norm.ppf(rate)
    expected = normal.cdf([threshold, threshold]) - rate**2
    assert joint_excess(correlation, rate) == pytest.approx(expected, rel=1e-3, abs=1e-7)


@given(st.integers(1, 10_000))
def test_the_quantile_of_student_is_that_of_scipy(degrees):
    assert student_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=6e-4)


def test_an_interval_of_dependent_cases_is_wilsons_where_their_number_is_fixed():
    one, other = wilson_of_dependent(0.2, lambda rate: 50.0, 1.9599639845400543), wilson(0.2, 50)
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


@pytest.mark.parametrize("times", [1, 10, 100])
def test_independent_are_at_most_the_distinct_pairs_of_identities_where_errors_are_few(times):
    identities = all_pairs(10, times)  # 45 distinct pairs
    scores = np.random.default_rng(0).normal(size=len(identities))
    none = Rate(kind_of(scores, identities), np.full(len(scores), False)).estimate
    assert none == none.low == 0
    # The rule of three: 3 / 45, and more for so few identities.
    assert 0.06 < none.high < 0.16
    assert none.conservative
    one = Rate(kind_of(scores, identities), np.arange(len(scores)) < times).estimate
    assert one == pytest.approx(1 / 45)
    assert one.low < 0.005
    assert one.high > 0.1


def test_of_genuine_pairs_the_identities_count():
    identities = np.repeat(np.arange(10), 50)[:, None].repeat(2, 1)
    scores = np.random.default_rng(0).normal(size=500)
    frr = Rate(kind_of(scores, identities), np.full(500, False)).estimate
    expected = wilson(0, 10, stats.t.ppf(0.975, 9))
    assert frr.high == pytest.approx(expected.high, rel=1e-3)


def test_a_perfect_auc_is_known_no_better_than_the_identities_allow():
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


def test_impostor_pairs_within_one_identity_are_forgeries_of_it():
    rng = np.random.default_rng(0)
    identities = np.repeat([[i, i] for i in range(40)], 20, 0)
    labels = np.tile([1, 0], 400)
    forger = np.repeat(rng.normal(size=40), 20)  # who is good at it is so in all
    scores = np.where(labels, 3 + rng.normal(size=800), forger + 0.3 * rng.normal(size=800))
    report = evaluate_scores(scores, labels, 1.0, identities)
    naive = evaluate_scores(scores, labels, 1.0)
    assert report.far.high - report.far.low > 2 * (naive.far.high - naive.far.low)
    assert report.far.low < stats.norm.sf(1 / 1.09**0.5) < report.far.high


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


def draw_of_identities(rng, count=100, n=500, spread=0.5):
    """Scores that depend on who is in a pair: some identities are more alike to all than others."""
    identity = rng.normal(0, spread / 2**0.5, count)
    a, b = rng.integers(count, size=(2, n))
    c = (b + rng.integers(1, count, n)) % count
    same = 1.5 + 2 * identity[a] + rng.normal(0, (1 - 2 * spread**2) ** 0.5, n)
    different = identity[b] + identity[c] + rng.normal(0, (1 - spread**2) ** 0.5, n)
    identities = np.concatenate([np.stack([a, a], 1), np.stack([b, c], 1)])
    return np.append(same, different), np.repeat([1, 0], n), identities


@pytest.mark.parametrize("by_identity", [False, True])
def test_intervals_hold_the_truth_in_95_of_100_draws(by_identity):
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
        scores, labels, *identities = draw_of_identities(rng) if by_identity else draw(rng)
        report = evaluate_scores(scores, labels, threshold, *identities)
        for name, value in truth.items():
            figure = report.tar(0.1) if name == "tar" else getattr(report, name)
            held[name] += figure.low <= value <= figure.high
    assert {name: n / draws for name, n in held.items() if not 0.93 <= n / draws <= 0.98} == {}


def test_a_far_that_few_pairs_cannot_answer_is_said_so_with_how_many_it_takes():
    scores, labels = draw(np.random.default_rng(0), 500, 500)
    report = evaluate_scores(scores, labels)
    with pytest.warns(
        EvaluationWarning, match="needs 3,838 impostor pairs or more. There are 500"
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


GOOD = np.array([0.1, 0.9, 0.2, 0.8]), np.array([0, 1, 0, 1])
OF_SCORES = {
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
@pytest.mark.parametrize("function", OF_SCORES)
def test_scores_are_a_column_or_a_vector_of_numbers_and_nothing_else(function):
    scores, labels = GOOD
    call = OF_SCORES[function]
    expected = call(scores, labels)
    assert call(scores[:, None], labels) == expected
    assert call(scores, labels[:, None]) == expected
    assert call(scores.tolist(), labels.astype(bool).tolist()) == expected
    whole = (scores * 10).astype(int)
    assert call(whole, labels) == call(whole.astype(float), labels)
    for kind, (bad_scores, bad_labels) in BAD_KINDS.items():
        with pytest.raises(ValueError, match="Received"):
            pytest.fail(f"{kind}: {call(bad_scores, bad_labels)}")


@pytest.mark.parametrize("precision", [np.float16, np.float32, np.float64])
def test_a_report_holds_the_scores_in_their_own_precision_and_what_is_same(precision):
    report = evaluate_scores(np.array([[0.5], [0.25], [-1]], precision), [1, 0, 1], 0.3)
    assert report.scores.tolist() == [0.5, 0.25, -1.0]
    assert report.scores.dtype == precision
    assert report.is_same.tolist() == [True, False, True]
    assert report.is_same.dtype == bool


@pytest.mark.parametrize("by_identity", [False, True])
def test_figures_among_some_pairs_are_those_of_these_pairs_alone(by_identity):
    rng = np.random.default_rng(0)
    scores, labels, *identities = draw_of_identities(rng) if by_identity else draw(rng)
    chosen = rng.random(len(scores)) < 0.3
    report = evaluate_scores(scores, labels, 0.7, *identities)
    part = report.among(chosen)
    alone = evaluate_scores(scores[chosen], labels[chosen], 0.7, *(x[chosen] for x in identities))
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
    assert table[0] == "pairs             500 genuine, 500 impostor"
    assert table[1] == "threshold         0.7500"
    assert table[-2].startswith("TAR at FAR 0.01   0.")
    # Five impostors are accepted at this rate: fewer than 30.
    assert table[-2].endswith("*")
    assert table[-1].startswith("* conservative: ")
    assert not table[-3].endswith("*")
    assert table[2] == "accuracy          0.7890 [0.7627, 0.8131]"
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
    [([0, 0, 0, 0], "4 values for 4 scores, 1 distinct"), ([0, 1], "2 values for 4 scores")],
)
def test_folds_that_are_none_are_refused(folds, match):
    with pytest.raises(ValueError, match=match):
        evaluate_folds([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], folds)
