"""Tests of variances and intervals where pairs share identities, by simulation."""

import importlib.util
import warnings
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from labelled_scores import all_pairs
from scipy import stats

from siamese_verify import evaluate_scores
from siamese_verify.evaluation.clusters import Clusters
from siamese_verify.evaluation.dependence import Kind, joint_excess
from siamese_verify.evaluation.report import EvaluationWarning


def draw_impostors(rng, n, times, pair_share):
    """Draw impostor scores of all pairs of `n` identities, and far higher genuine scores."""
    a, b = np.triu_indices(n, 1)
    effect = np.repeat(rng.normal(size=len(a)), times)
    impostor = pair_share**0.5 * effect + (1 - pair_share) ** 0.5 * rng.normal(size=len(effect))
    who = np.repeat(np.arange(n), 10)
    scores = np.append(rng.normal(5, 1, len(who)), impostor)
    labels = np.repeat([1, 0], [len(who), len(impostor)])
    identities = np.concatenate([np.stack([who, who], 1), np.repeat(np.stack([a, b], 1), times, 0)])
    return scores, labels, identities


def test_the_variance_of_a_mean_is_unbiased_where_pairs_share_identities():
    rng = np.random.default_rng(0)
    identities, n = all_pairs(8, 3), 8
    everything = np.full(len(identities), True)
    codes = np.arange(len(identities)) // 3
    means, variances = [], []
    for _ in range(3000):
        identity, pair = rng.normal(size=n), rng.normal(size=len(identities) // 3)
        values = identity[identities].sum(1) + pair[codes] + rng.normal(size=len(identities))
        kind = Kind(Clusters(len(values), identities), values, everything)
        means.append(values.mean())
        # The larger of two estimates counts, so that the mean is slightly too high.
        variances.append(kind.variance(kind.influence(values)))
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.08)


def test_pairs_that_agree_only_without_a_common_identity_count_in_full():
    # Found by Hypothesis: disjoint pairs have equal scores, and sharing pairs opposite scores.
    scores, labels = [-4.0, 4.0, -4.0, 4.0, -4.0, -4.0], [0, 1, 1, 1, 1, 0]
    identities = [(3, 2), (1, 0), (1, 1), (3, 1), (0, 3), (2, 1)]
    assert evaluate_scores(scores, labels, 0.0, identities).frr == 0.5


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("correlation", [0.05, 0.5, 0.95])
def test_the_joint_excess_of_two_normal_scores_equals_scipys(rate, correlation):
    normal = stats.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]])
    threshold = stats.norm.ppf(rate)
    expected = normal.cdf([threshold, threshold]) - rate**2
    assert joint_excess(correlation, rate) == pytest.approx(expected, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize(("n", "times"), [(10, 100), (20, 25)])
@pytest.mark.parametrize("far", [0.1, 0.001])
def test_the_interval_of_far_holds_the_truth_where_pairs_of_identities_have_effects(n, times, far):
    rng = np.random.default_rng(0)
    threshold, held, naive = NormalDist().inv_cdf(1 - far), 0, 0
    for _ in range(120):
        scores, labels, identities = draw_impostors(rng, n, times, 0.9)
        for who in (identities, None):
            rate = evaluate_scores(scores, labels, threshold, who).far
            inside = rate.low <= far <= rate.high
            held, naive = (held + inside, naive) if who is not None else (held, naive + inside)
    assert held >= 0.93 * 120
    assert naive < 0.7 * 120  # without the identities


@pytest.fixture
def coverage():
    path = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
    spec = importlib.util.spec_from_file_location("coverage", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def held_in(coverage, n, effects, draws, seed):
    """Count how often each interval held the truth, and how often it was conservative."""
    rng, found = np.random.default_rng(seed), {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EvaluationWarning)
        for _ in range(draws):
            scores, labels, identities = coverage.draw(rng, n, effects)
            true = coverage.truth(float(labels.mean()))
            for name, (low, high, conservative) in coverage.intervals(
                scores, labels, identities
            ).items():
                found.setdefault(name, []).append((low <= true[name] <= high, conservative))
    return {name: np.mean(rows, axis=0).tolist() for name, rows in found.items()}


@pytest.mark.parametrize("effects", [(0.3, 0.0), (0.1, 0.8)])
def test_no_figure_of_few_identities_is_held_less_often_than_it_says(coverage, effects):
    found = held_in(coverage, 10, effects, 150, 0)
    assert len(found) == 14
    # Within three standard errors of 95% in 150 draws, and mostly above.
    assert min(held for held, _ in found.values()) > 0.9
    assert np.mean([held for held, _ in found.values()]) > 0.95
    assert min(conservative for _, conservative in found.values()) > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("effects", [(0.3, 0.0), (0.1, 0.8), (0.5, 0.2)])
@pytest.mark.parametrize("n", [20, 50])
def test_every_figure_is_held_in_93_to_98_of_100_draws_or_says_conservative(coverage, n, effects):
    draws = 300
    noise = 2.6 * (0.05 * 0.95 / draws) ** 0.5
    for name, (held, conservative) in held_in(coverage, n, effects, draws, 1).items():
        assert held > 0.95 - noise, name
        assert held <= 0.98 + noise / 2 or conservative > 0.5, name
