"""Logistic regression of labels on scores: a line of log-odds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation.intervals import Bools, Floats

_SMALLEST_PROBABILITY = 2.0**-24  # Below, 1 - x equals 1 in float32.


def fit_logistic(score: Floats, is_genuine: Bools, prior: float) -> tuple[float, float]:
    """Fit slope and intercept of the log-odds of a genuine pair, by Newton's method.

    The pairs are weighted to half and half, and the log-odds of the prior are added (Bayes' rule).

    Args:
        score: Scores of pairs, or the logits of scores `(n,)`.
        is_genuine: Whether each pair is genuine `(n,)`. Both kinds must occur.
        prior: Share of genuine pairs for which the log-odds hold.
    """
    n_genuine, n_impostor = int(is_genuine.sum()), int((~is_genuine).sum())
    # Platt's targets keep the slope finite where a threshold separates all pairs.
    target = np.where(is_genuine, (n_genuine + 1) / (n_genuine + 2), 1 / (n_impostor + 2))
    # Weighted to a prior below 1 / n, the impostor pairs' targets would outweigh all genuine pairs.
    weight = np.where(is_genuine, 0.5 / n_genuine, 0.5 / n_impostor)
    center, width = score.mean(), score.std()
    if not np.ptp(score):  # The mean of equal scores may differ from them by rounding.
        center, width = score[0], 1.0
    design = np.stack([(score - center) / width, np.ones_like(score)], axis=1)
    line = np.zeros(2)
    for _ in range(100):
        odds = logistic(design @ line)
        gradient = design.T @ (weight * (odds - target))
        curvature = (design * (weight * odds * (1 - odds))[:, None]).T @ design
        # The ridge keeps the matrix regular where all scores are equal.
        step = np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
        # Newton's method overshoots far from the minimum, so the step is limited.
        line -= step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-10:
            break
    slope = line[0] / width
    return float(slope), float(line[1] - slope * center + np.log(prior) - np.log1p(-prior))


def logit(score: npt.NDArray[np.float64] | np.float64) -> Floats:
    """Compute the log-odds of probabilities."""
    # A sigmoid in float32 reaches 1, whose logit is infinite. Near 0, the same limit holds.
    inside = np.clip(score, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    log_odds: Floats = np.log(inside) - np.log1p(-inside)
    return log_odds


def logistic(x: npt.NDArray[np.float64] | np.float64) -> Floats:
    """Compute the probabilities of log-odds."""
    # The hyperbolic tangent never overflows, unlike the exponential.
    probability: Floats = 0.5 * (1 + np.tanh(0.5 * x))
    return probability
