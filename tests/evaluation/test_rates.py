"""Tests of rates among pairs that share identities."""

import numpy as np
import pytest
from labelled_scores import all_pairs, draw_normal
from scipy import stats

from siamese_verify import evaluate_scores
from siamese_verify.evaluation.clusters import Clusters
from siamese_verify.evaluation.dependence import Kind
from siamese_verify.evaluation.intervals import wilson
from siamese_verify.evaluation.rates import Rate


def all_of_one_kind(scores, identities):
    return Kind(Clusters(len(scores), identities), scores, np.full(len(scores), True))


def test_rates_of_independent_pairs_have_wilsons_interval():
    scores, labels = draw_normal(np.random.default_rng(0))
    report = evaluate_scores(scores, labels, 0.7)
    expected = stats.binomtest(round(300 * report.far), 300).proportion_ci(method="wilson")
    assert (report.far.low, report.far.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("times", [1, 10, 100])
def test_where_errors_are_few_each_pair_of_identities_is_one_case(times):
    identities = all_pairs(10, times)  # 45 distinct pairs
    scores = np.random.default_rng(0).normal(size=len(identities))
    none = Rate(all_of_one_kind(scores, identities), np.full(len(scores), False)).estimate
    assert none == none.low == 0
    # The rule of three: 3 / 45, and more for so few identities.
    assert 0.06 < none.high < 0.16
    assert none.conservative
    one = Rate(all_of_one_kind(scores, identities), np.arange(len(scores)) < times).estimate
    assert one == pytest.approx(1 / 45)
    assert one.low < 0.005
    assert one.high > 0.1


def test_genuine_pairs_without_an_error_count_as_many_cases_as_identities():
    identities = np.repeat(np.arange(10), 50)[:, None].repeat(2, 1)
    scores = np.random.default_rng(0).normal(size=500)
    frr = Rate(all_of_one_kind(scores, identities), np.full(500, False)).estimate
    expected = wilson(0, 10, stats.t.ppf(0.975, 9))
    assert frr.high == pytest.approx(expected.high, rel=1e-3)


def test_impostor_pairs_within_one_identity_are_forgeries_of_it():
    rng = np.random.default_rng(0)
    identities = np.repeat([[i, i] for i in range(40)], 20, 0)
    labels = np.tile([1, 0], 400)
    forger = np.repeat(rng.normal(size=40), 20)  # A good forger is good in all pairs.
    scores = np.where(labels, 3 + rng.normal(size=800), forger + 0.3 * rng.normal(size=800))
    report = evaluate_scores(scores, labels, 1.0, identities)
    naive = evaluate_scores(scores, labels, 1.0)
    assert report.far.high - report.far.low > 2 * (naive.far.high - naive.far.low)
    assert report.far.low < stats.norm.sf(1 / 1.09**0.5) < report.far.high
