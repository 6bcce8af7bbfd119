"""Tests that 95% intervals hold the truth where pairs share identities, by simulation."""

import importlib.util
import warnings
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from siamese_verify import evaluate_scores
from siamese_verify.evaluation.report import EvaluationWarning


def pairs_of(rng, n, times, of_pair):
    """Impostor scores of all pairs of `n` identities, and genuine ones far above."""
    a, b = np.triu_indices(n, 1)
    effect = np.repeat(rng.normal(size=len(a)), times)
    impostor = of_pair**0.5 * effect + (1 - of_pair) ** 0.5 * rng.normal(size=len(effect))
    who = np.repeat(np.arange(n), 10)
    scores = np.append(rng.normal(5, 1, len(who)), impostor)
    labels = np.repeat([1, 0], [len(who), len(impostor)])
    identities = np.concatenate([np.stack([who, who], 1), np.repeat(np.stack([a, b], 1), times, 0)])
    return scores, labels, identities


@pytest.mark.parametrize(("n", "times"), [(10, 100), (20, 25)])
@pytest.mark.parametrize("far", [0.1, 0.001])
def test_the_interval_of_far_holds_the_truth_where_pairs_of_identities_differ(n, times, far):
    rng = np.random.default_rng(0)
    threshold, held, naive = NormalDist().inv_cdf(1 - far), 0, 0
    for _ in range(120):
        scores, labels, identities = pairs_of(rng, n, times, 0.9)
        for who in (identities, None):
            rate = evaluate_scores(scores, labels, threshold, who).far
            inside = rate.low <= far <= rate.high
            held, naive = (held + inside, naive) if who is not None else (held, naive + inside)
    assert held >= 0.93 * 120
    assert naive < 0.7 * 120  # what it would be without


@pytest.fixture
def coverage():
    path = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
    spec = importlib.util.spec_from_file_location("coverage", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def held_in(coverage, n, effects, draws, seed):
    """Of each figure how often it was held, and how often its interval said `conservative`."""
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
