"""Accuracy at a threshold, and the best threshold, with their intervals. NumPy only."""

from __future__ import annotations

import numpy as np

from siamese_verify.evaluation.intervals import Bools, Estimate, Z
from siamese_verify.evaluation.rates import JointRate, Rate
from siamese_verify.evaluation.scored_pairs import ScoredPairs
from siamese_verify.evaluation.thresholds import OperatingPoints, best_threshold


def estimate_accuracy(pairs: ScoredPairs, right: Bools) -> Estimate:
    """Estimate the share of pairs that are decided correctly.

    Args:
        pairs: The pairs.
        right: Which of the sorted pairs are decided correctly, bool `(n,)`.
    """
    joint, cases = _right_rates(pairs, right)
    return joint.estimate(float(right.mean()), lambda _: cases)


def estimate_best_threshold(pairs: ScoredPairs) -> Estimate:
    """Estimate the threshold of the highest accuracy, with all thresholds that may be as good."""
    points = OperatingPoints(pairs.scores, pairs.genuine.chosen)
    best = points.most_accurate()
    n = len(pairs.scores)
    # Only the pairs between two thresholds are right at one of them and wrong at the other.
    between = np.abs(points.rejected - points.rejected[best]) / n
    loss = points.errors() - points.errors()[best]
    _, cases = _right_rates(pairs, pairs.are_right(points.threshold(best)))
    errors = np.sqrt(np.maximum(between - loss**2, 0) / min(n, cases))
    as_good = np.flatnonzero(loss <= _CUBE_ROOT_QUANTILE * errors)
    low, high = (points.threshold(int(point)) for point in (as_good[0], as_good[-1]))
    return Estimate(points.threshold(best), low, high)


def estimate_best_accuracy(pairs: ScoredPairs, threshold: float) -> Estimate:
    """Estimate the accuracy at the best threshold, allowing for its choice on these pairs.

    Args:
        pairs: The pairs.
        threshold: The best threshold for these pairs.
    """
    is_genuine = pairs.genuine.chosen
    highest = estimate_accuracy(pairs, pairs.are_right(threshold))
    # At its own best threshold, the accuracy is too high. Deciding each tenth at the best threshold
    # of the rest makes it too low by about as much.
    right = np.zeros_like(is_genuine)
    # Equal scores stay in one part, so that the order of the pairs does not matter.
    part = np.unique(pairs.scores, return_inverse=True)[1].ravel() % 10
    for out in (part == i for i in range(10)):
        if 0 < is_genuine[~out].sum() < (~out).sum():
            right[out] = pairs.are_right(best_threshold(pairs.scores[~out], is_genuine[~out]))[out]
    lowest = estimate_accuracy(pairs, right)
    high = max(highest, (lowest.high + highest.high) / 2)
    return Estimate(float(highest), min(lowest.low, highest.low), high, highest.conservative)


def _right_rates(pairs: ScoredPairs, right: Bools) -> tuple[JointRate, float]:
    """Return the joint rate of correct decisions, and the independent cases that it is worth."""
    rates = Rate(pairs.genuine, right), Rate(pairs.impostor, right)
    joint = JointRate(rates, (pairs.genuine.n / len(right), pairs.impostor.n / len(right)))
    # The rate of a kind without an error is not known exactly. Wilson's centre lies below 1.
    cases = [rate.cases(rate.observed) for rate in rates]
    centres = [
        (rate.observed * n + Z**2 / 2) / (n + Z**2) for rate, n in zip(rates, cases, strict=True)
    ]
    return joint, joint.cases(*centres)


# In 95% of cases, the best threshold beats the true threshold, and any beyond it, by at most so
# many standard errors of the difference. Around its maximum, the accuracy tends to W(t) - t**2 with
# a Brownian W (Kim, Pollard, "Cube root asymptotics", 1990).
_CUBE_ROOT_QUANTILE = 1.55
