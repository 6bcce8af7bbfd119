"""Tests of the comparison of two verifiers, against direct formulas, SciPy and simulation."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_scores import all_pairs
from scipy import stats

from siamese_verify import compare_evaluations, evaluate_scores

Z = stats.norm.ppf(0.975)
Normal = stats.norm


def draw_two(rng, n=200, distances=(1.5, 1.2), decimals=None):
    """Draw labels, and correlated scores of two verifiers."""
    labels = np.repeat([1, 0], [n, n + 50])
    shared = rng.normal(size=len(labels))
    scores = [
        distance * labels + 0.8 * shared + 0.6 * rng.normal(size=len(labels))
        for distance in distances
    ]
    return labels, *(scores if decimals is None else np.round(scores, decimals))


def compare(labels, a, b, thresholds=(0.75, 0.6), identities=None):
    return compare_evaluations(
        *(
            evaluate_scores(scores, labels, threshold, identities)
            for scores, threshold in zip((a, b), thresholds, strict=True)
        )
    )


def delong(labels, a, b):
    """Compute AUC difference and its variance by the direct formula of DeLong et al. 1988."""
    above = np.array(
        [np.sign(scores[labels == 1][:, None] - scores[labels == 0]) / 2 + 0.5 for scores in (a, b)]
    )
    difference = above.mean(axis=(1, 2)) @ [1, -1]
    variance = 0.0
    for axis in (2, 1):
        covariance = np.cov(above.mean(axis=axis))
        variance += np.array([1, -1]) @ covariance @ [1, -1] / above.shape[3 - axis]
    return difference, variance


@pytest.mark.parametrize("decimals", [None, 0])  # Rounded to whole numbers, most scores are tied.
def test_the_auc_difference_is_delongs(decimals):
    labels, a, b = draw_two(np.random.default_rng(0), decimals=decimals)
    comparison = compare(labels, a, b)
    difference, variance = delong(labels, a, b)
    ends = difference - Z * variance**0.5, difference + Z * variance**0.5
    actual = comparison.auc_difference
    assert actual == pytest.approx(difference)
    assert actual == pytest.approx(comparison.auc_a - comparison.auc_b)
    assert (actual.low, actual.high) == pytest.approx(ends)
    assert comparison.auc_p_value == pytest.approx(2 * Normal.sf(difference / variance**0.5))


def test_the_p_value_of_accuracy_is_mcnemars_of_scipy():
    rng = np.random.default_rng(0)
    for n in (5, 40, 1000):
        labels, a, b = draw_two(rng, n, (1.5, 1.3))
        comparison = compare(labels, a, b)
        right_a, right_b = (a >= 0.75) == labels, (b >= 0.6) == labels
        counts = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
        assert (comparison.n_only_a, comparison.n_only_b) == counts
        expected = stats.binomtest(counts[0], sum(counts)).pvalue
        assert comparison.accuracy_p_value == pytest.approx(expected)
        assert comparison.accuracy_difference == pytest.approx(right_a.mean() - right_b.mean())


def test_the_interval_of_the_accuracy_difference_is_bonetts_and_prices():
    labels, a, b = draw_two(np.random.default_rng(1))
    comparison = compare(labels, a, b)
    one, other = (
        (count + 1) / (len(labels) + 2) for count in (comparison.n_only_a, comparison.n_only_b)
    )
    half = Z * ((one + other - (one - other) ** 2) / (len(labels) + 2)) ** 0.5
    actual = comparison.accuracy_difference
    assert (actual.low, actual.high) == pytest.approx((one - other - half, one - other + half))


@pytest.mark.parametrize("with_identities", [False, True])
def test_equal_verifiers_differ_by_0_with_a_p_value_of_1(with_identities):
    labels, a, _ = draw_two(np.random.default_rng(0))
    identities = np.random.default_rng(1).integers(40, size=(len(labels), 2))
    comparison = compare(labels, a, a, (0.7, 0.7), identities if with_identities else None)
    assert (comparison.auc_difference, comparison.accuracy_difference) == (0, 0)
    assert (comparison.auc_p_value, comparison.accuracy_p_value) == (1, 1)
    assert (comparison.n_only_a, comparison.n_only_b) == (0, 0)
    for difference in (comparison.auc_difference, comparison.accuracy_difference):
        assert -0.15 < difference.low < 0 < difference.high < 0.15


def test_two_perfect_verifiers_may_differ_on_other_pairs():
    labels = np.repeat([1, 0], 60)
    rng = np.random.default_rng(0)
    a, b = (labels + rng.random(120) / 2 for _ in range(2))
    comparison = compare(labels, a, b, (0.75, 0.75))
    assert comparison.auc_difference.conservative
    # The rule of three: of 60 pairs of either kind, none is placed differently.
    assert comparison.auc_difference.high == pytest.approx(3.84 / 60, rel=0.07)
    assert comparison.auc_p_value == 1


integers = st.lists(
    st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.sampled_from([0, 1])),
    min_size=2,
    max_size=12,
).filter(lambda pairs: len({label for *_, label in pairs}) == 2)


@settings(max_examples=40, deadline=None)
@given(integers, st.data())
def test_any_comparison_is_antisymmetric_in_range_and_independent_of_the_order(pairs, data):
    a, b, labels = (np.array(values, float) for values in zip(*pairs, strict=True))
    name = st.integers(0, 3)
    identities = np.array([(data.draw(name), data.draw(name)) for _ in pairs])
    order = np.array(data.draw(st.permutations(range(len(pairs)))))
    for who in (None, identities):
        one = compare(labels, a, b, (0.5, 0.5), who)
        swapped = compare(labels, b, a, (0.5, 0.5), who)
        again = compare(
            labels[order], a[order], b[order], (0.5, 0.5), None if who is None else who[order]
        )
        assert dataclasses.asdict(again) == dataclasses.asdict(one)
        for name_ in ("auc", "accuracy"):
            difference = getattr(one, f"{name_}_difference")
            other = getattr(swapped, f"{name_}_difference")
            assert -1 <= difference.low <= difference <= difference.high <= 1
            assert [-other.high, -other, -other.low] == pytest.approx(
                [difference.low, difference, difference.high]
            )
            p_value = getattr(one, f"{name_}_p_value")
            assert 0 <= p_value <= 1
            assert p_value == pytest.approx(getattr(swapped, f"{name_}_p_value"))


def test_pairs_that_repeat_tell_no_more_than_once():
    labels, a, b = draw_two(np.random.default_rng(0), 100)
    once = compare(labels, a, b)
    identities = np.arange(len(labels))[:, None].repeat(2, 1)
    ten = [np.repeat(x, 10, 0) for x in (labels, a, b)]
    repeated = compare(*ten, identities=np.repeat(identities, 10, 0))
    naive = compare(*ten)
    for name in ("auc", "accuracy"):
        widths = [
            (x := getattr(comparison, f"{name}_difference")).high - x.low
            for comparison in (once, repeated, naive)
        ]
        assert widths[1] == pytest.approx(widths[0], rel=0.05)
        assert widths[2] < 0.4 * widths[1]
        p_values = [getattr(x, f"{name}_p_value") for x in (once, repeated, naive)]
        assert p_values[1] == pytest.approx(p_values[0], rel=0.25)
        assert p_values[2] < 0.1 * p_values[1]


def draw_by_identity(rng, n, distances):
    """Draw scores of two verifiers, with effects of each identity and of each two identities."""
    everyone = np.arange(n)
    identities = np.concatenate(
        [np.repeat(np.stack([everyone, everyone], 1), 8, 0), all_pairs(n, 4)]
    )
    labels = np.repeat([1, 0], [8 * n, len(identities) - 8 * n])
    left, right = identities.T
    code = np.unique(left * n + right, return_inverse=True)[1]

    def part():
        identity, two = rng.normal(size=n), rng.normal(size=code.max() + 1)
        effect = (identity[left] + identity[right]) / np.where(left == right, 2, 2**0.5)
        return 0.1**0.5 * effect + 0.6**0.5 * two[code] + 0.3**0.5 * rng.normal(size=len(labels))

    shared = part()
    scores = [distance * labels + 0.6**0.5 * shared + 0.4**0.5 * part() for distance in distances]
    return labels, *scores, identities


@pytest.mark.parametrize("distances", [(2.0, 2.0), (2.0, 1.6)])
@pytest.mark.parametrize("n", [10, pytest.param(25, marks=pytest.mark.slow)])
def test_intervals_hold_the_true_difference_where_pairs_share_identities(n, distances):
    rng, draws = np.random.default_rng(7), 150
    thresholds = [distance / 2 for distance in distances]
    true = {
        "auc": -np.diff(Normal.cdf(np.divide(distances, 2**0.5)))[0],
        "accuracy": -np.diff(Normal.cdf(thresholds))[0],
    }
    held, naive = dict.fromkeys(true, 0), dict.fromkeys(true, 0)
    rejected = 0
    for _ in range(draws):
        labels, a, b, identities = draw_by_identity(rng, n, distances)
        for who, found in ((identities, held), (None, naive)):
            comparison = compare(labels, a, b, thresholds, who)
            for name, value in true.items():
                difference = getattr(comparison, f"{name}_difference")
                found[name] += difference.low <= value <= difference.high
                if who is not None and distances == (2.0, 2.0):
                    rejected += getattr(comparison, f"{name}_p_value") < 0.05
    assert min(held.values()) > 0.93 * draws
    assert max(naive.values()) <= 0.9 * draws  # without the identities
    assert rejected <= 0.05 * 2 * draws


def test_a_true_difference_is_found():
    labels, a, b = draw_two(np.random.default_rng(0), 1000)
    comparison = compare(labels, a, b)
    assert comparison.auc_difference.low > 0
    assert comparison.accuracy_difference.low > 0
    assert max(comparison.auc_p_value, comparison.accuracy_p_value) < 0.001


def test_a_comparison_prints_as_a_table():
    labels, a, b = draw_two(np.random.default_rng(0), 1000)
    comparison = compare(labels, a, b)
    head, auc, accuracy, counts = str(comparison).splitlines()
    assert head.split() == ["A", "B", "A", "-", "B", "p", "value"]
    assert auc.split("  ")[0] == "AUC"
    assert str(comparison.auc_difference) in auc
    assert auc.endswith("< 0.0001")
    assert str(comparison.accuracy_b) in accuracy
    assert counts.split()[-2:] == [f"{comparison.n_only_a}", f"{comparison.n_only_b}"]
    few = np.arange(2050)[:, None] % [5, 7]
    assert str(compare(labels, a, b, identities=few)).splitlines()[-1].startswith("* conservative")


LABELS, SCORES = [1, 0, 1, 0], [0.9, 0.1, 0.8, 0.3]
TWO = [[0, 0], [0, 1], [1, 1], [1, 2]]


@pytest.mark.parametrize(
    ("labels", "who_a", "who_b", "match"),
    [
        ([0, 1, 0, 1], None, None, "labels differ.*a with 2 genuine and 2 impostor"),
        ([1, 0, 1, 1], None, None, "labels differ.*b with 3 genuine and 1 impostor"),
        (LABELS, TWO, None, "identities differ.*a with identities, b with none"),
        (LABELS, TWO, [[0, 0], [1, 2], [1, 1], [0, 1]], "identities differ"),
    ],
)
def test_evaluations_of_other_pairs_raise(labels, who_a, who_b, match):
    a = evaluate_scores(SCORES, LABELS, 0.5, who_a)
    b = evaluate_scores(SCORES, labels, 0.5, who_b)
    with pytest.raises(ValueError, match=match):
        compare_evaluations(a, b)


def test_parts_of_two_evaluations_are_compared_by_their_names():
    a, b = (evaluate_scores(scores, LABELS * 2, 0.5, TWO * 2) for scores in (SCORES * 2, [0.5] * 8))
    chosen = np.arange(8) < 4
    fresh = evaluate_scores([0.5] * 4, LABELS, 0.5, np.array(["x", "y", "z"])[TWO])
    one = compare_evaluations(a.among(chosen), b.among(chosen))
    assert one == compare_evaluations(a.among(chosen), fresh)
