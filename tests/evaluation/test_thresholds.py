"""Tests of thresholds, by brute force."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from labelled_scores import few_values, labelled

from siamese_verify.evaluation.thresholds import best_threshold, choose_threshold


def accuracy(scores, labels, threshold):
    return np.mean((np.asarray(scores) >= threshold) == (np.asarray(labels) == 1))


def best_accuracy(scores, labels):
    """Try every threshold that makes a difference."""
    return max(accuracy(scores, labels, t) for t in [*scores, np.inf])


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


def test_pairs_with_misleading_scores_are_all_accepted_or_all_rejected():
    scores, labels = [0.9, 0.8, 0.1], [0, 0, 1]
    assert best_threshold(scores, labels) > 0.9
    assert best_threshold(scores, [0, 1, 1]) <= 0.1


def test_on_few_pairs_the_threshold_of_equal_error_rates_varies_less():
    rng = np.random.default_rng(0)
    labels = np.arange(220) % 2
    drawn = rng.normal(size=(300, 220)) + 2 * labels
    spread = {
        policy: np.std([choose_threshold(scores, labels, policy) for scores in drawn])
        for policy in ("eer", "max_accuracy")
    }
    assert spread["eer"] < 0.6 * spread["max_accuracy"]


@given(labelled(few_values), st.randoms())
def test_the_order_of_pairs_does_not_matter(pairs, random):
    threshold = best_threshold(*zip(*pairs, strict=True))
    random.shuffle(pairs)
    assert best_threshold(*zip(*pairs, strict=True)) == threshold


@pytest.mark.parametrize("label_type", [bool, np.int32, float])
def test_scores_may_be_a_column_and_labels_of_any_type(label_type):
    scores = np.array([[0.9], [0.1]], np.float32)
    assert best_threshold(scores, np.array([1, 0]).astype(label_type)) == pytest.approx(0.5)


def rates(scores, labels, threshold):
    """Compute false accept and false reject rate."""
    accepted = np.asarray(scores) >= threshold
    same = np.asarray(labels) == 1
    return accepted[~same].mean(), (~accepted[same]).mean()


def all_rates(scores, labels):
    """Compute both rates at every threshold that makes a difference."""
    return [rates(scores, labels, t) for t in [*scores, np.inf]]


@given(labelled(few_values) | labelled(any_value), st.sampled_from([0.01, 0.3, 0.5, 0.9]))
def test_no_threshold_is_more_accurate_at_the_prior(pairs, prior):
    scores, labels = zip(*pairs, strict=True)

    def errors(far, frr):
        return prior * frr + (1 - prior) * far

    here = errors(*rates(scores, labels, choose_threshold(scores, labels, prior=prior)))
    assert here == pytest.approx(min(errors(*both) for both in all_rates(scores, labels)))


@given(labelled(few_values), st.integers(2, 9))
def test_the_share_of_genuine_pairs_does_not_matter(pairs, times):
    more = [pair for pair in pairs for _ in range(times if pair[1] else 1)]
    for policy in ("max_accuracy", "eer", "far=0.2", "frr=0.2", "cost=3:1"):
        chosen = [choose_threshold(*zip(*x, strict=True), policy) for x in (pairs, more)]
        assert chosen[0] == chosen[1]


@given(labelled(few_values) | labelled(any_value))
def test_no_threshold_has_error_rates_nearer_to_each_other(pairs):
    scores, labels = zip(*pairs, strict=True)
    far, frr = rates(scores, labels, choose_threshold(scores, labels, "eer"))
    assert abs(far - frr) == pytest.approx(min(abs(a - b) for a, b in all_rates(scores, labels)))


@given(labelled(few_values) | labelled(any_value), st.sampled_from([0.001, 0.25, 0.5, 0.9]))
def test_no_threshold_accepts_more_at_a_far(pairs, allowed):
    scores, labels = zip(*pairs, strict=True)
    far, frr = rates(scores, labels, choose_threshold(scores, labels, f"far={allowed}"))
    assert far <= allowed
    assert frr == min(b for a, b in all_rates(scores, labels) if a <= allowed)


def test_few_impostor_pairs_do_not_lower_the_threshold():
    # With many genuine pairs, accepting all has the highest accuracy. Nobody stated such a prior.
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(1, 1, 131), rng.normal(-1, 1, 13)])
    labels = np.repeat([1, 0], [131, 13])
    chosen = choose_threshold(scores, labels)
    assert chosen == pytest.approx(0, abs=0.5)
    assert best_threshold(scores, labels) < chosen - 0.3


@given(labelled(few_values) | labelled(any_value), st.sampled_from([0.001, 0.25, 0.5, 0.9]))
def test_no_threshold_rejects_more_at_an_frr(pairs, allowed):
    scores, labels = zip(*pairs, strict=True)
    far, frr = rates(scores, labels, choose_threshold(scores, labels, f"frr={allowed}"))
    assert frr <= allowed
    assert far == min(a for a, b in all_rates(scores, labels) if b <= allowed)


@given(
    labelled(few_values) | labelled(any_value),
    st.sampled_from([0.01, 0.5, 0.9]),
    st.sampled_from([("1", "1"), ("10", "1"), ("1", "2.5"), ("1e9", "1"), ("1", "1e9")]),
)
@example([(3.0, 0), (2.0, 1), (1.0, 1), (0.0, 0)], 0.5, ("1e15", "1"))
def test_no_threshold_costs_less(pairs, prior, costs):
    scores, labels = zip(*pairs, strict=True)
    accept, reject = map(Fraction, costs)

    def cost(threshold):
        far, frr = (
            Fraction(rate).limit_denominator(100) for rate in rates(scores, labels, threshold)
        )
        return Fraction(prior) * reject * frr + (1 - Fraction(prior)) * accept * far

    chosen = choose_threshold(scores, labels, f"cost={costs[0]}:{costs[1]}", prior)
    assert cost(chosen) == min(cost(threshold) for threshold in [*scores, np.inf])


@given(labelled(few_values), st.sampled_from([0.2, 0.5]))
def test_equal_costs_are_the_highest_accuracy(pairs, prior):
    scores, labels = zip(*pairs, strict=True)
    equal = choose_threshold(scores, labels, "cost=7:7", prior)
    assert equal == choose_threshold(scores, labels, "max_accuracy", prior)


def test_a_dear_false_accept_raises_the_threshold_and_a_dear_false_reject_lowers_it():
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], 500)
    scores = rng.normal(2.0 * labels)
    low, middle, high = (
        choose_threshold(scores, labels, f"cost={costs}") for costs in ("1:20", "1:1", "20:1")
    )
    assert low < middle - 0.5 < middle + 0.5 < high


@pytest.mark.parametrize(
    "policy",
    [
        "accuracy",
        "far",
        "far=",
        "far=0",
        "far=1",
        "far=x",
        "frr=0",
        "frr=1",
        "tar=.1",
        "cost=3",
        "cost=1:0",
        "cost=0:1",
        "cost=-1:-1",
        "cost=inf:1",
        "cost=1:nan",
        "cost=1:2:3",
    ],
)
def test_an_unknown_policy_raises(policy):
    with pytest.raises(ValueError, match=f"'cost=10:1'. Received: policy='{policy}'"):
        choose_threshold([0.1, 0.2], [0, 1], policy)


@pytest.mark.parametrize("policy", [None, 0.01, b"eer"])
def test_a_policy_is_a_text(policy):
    with pytest.raises(ValueError, match="`policy` must be"):
        choose_threshold([0.1, 0.2], [0, 1], policy)


@pytest.mark.parametrize("prior", [0, 1, -1, np.nan, "0.5", True])
def test_a_prior_is_a_number_between_0_and_1(prior):
    with pytest.raises(ValueError, match="`prior` must be"):
        choose_threshold([0.1, 0.2], [0, 1], prior=prior)


@pytest.mark.parametrize("prior", [0, 1, -0.1, np.nan])
def test_a_prior_out_of_range_raises(prior):
    with pytest.raises(ValueError, match=f"Received: prior={prior}"):
        choose_threshold([0.1, 0.2], [0, 1], prior=prior)
