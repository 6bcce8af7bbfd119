"""A threshold and the evidence for it, and from scores to probabilities. NumPy only."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation import Evaluation, evaluate_scores, pairs_for_far
from siamese_verify.intervals import Bools, Estimate, Floats
from siamese_verify.thresholds import choose_threshold, parse_policy


class CalibrationWarning(UserWarning):
    """Validation pairs from which a threshold is less certain than it looks."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A threshold and the evidence for it.

    Attributes:
        policy: How it was chosen; see `choose_threshold`.
        prior: The share of same pairs that is expected in use.
        threshold: Pairs that score as much or more are accepted as same.
        n_same: Number of same validation pairs.
        n_different: Number of different validation pairs.
        far: False accept rate on the validation pairs, with its interval.
        frr: False reject rate on the validation pairs, with its interval.
        slope: Of the log-odds of a pair being same, over its score.
        intercept: The log-odds at a score of 0.
    """

    policy: str
    prior: float
    threshold: float
    n_same: int
    n_different: int
    far: Estimate
    frr: Estimate
    slope: float
    intercept: float

    def __str__(self) -> str:
        return (
            f"threshold {self.threshold:.4f} by {self.policy}, from {self.n_same:,} same and "
            f"{self.n_different:,} different validation pairs: FAR {self.far}, FRR {self.frr}"
        )

    def probability(self, score: float) -> float:
        """That of a pair with this score being same, where a share `prior` of all pairs is."""
        return float(_logistic(np.float64(self.intercept + self.slope * score)))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        rates = {name: getattr(self, name).to_list() for name in ("far", "frr")}
        return dataclasses.asdict(self) | rates

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `to_dict` gave."""
        rates = {name: Estimate(*values[name]) for name in ("far", "frr")}
        return cls(**{**values, **rates})


def calibrate(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    policy: str = "max_accuracy",
    prior: float = 0.5,
    people: npt.ArrayLike | None = None,
) -> Calibration:
    """Chooses a threshold on validation pairs, and measures what it does there.

    The log-odds of a pair being same are a line over its score, fitted by maximum likelihood to
    pairs that are weighted to the prior.

    Args:
        scores: Scores of validation pairs `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = same, 0 = different; both must occur.
        policy: See `choose_threshold`.
        prior: The share of same pairs that is expected in use.
        people: The two people of each pair `(n, 2)`; see `evaluate_scores`.

    Returns:
        The `Calibration`.

    Raises:
        ValueError: See `choose_threshold` and `evaluate_scores`.

    Warns:
        CalibrationWarning: If the pairs are few, or far from half same and half different.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> labels = np.repeat([1, 0], 200)
        >>> calibration = calibrate(rng.normal(2.0 * labels), labels)
        >>> 0.3 < calibration.threshold < 1.7, 0.4 < calibration.probability(1.0) < 0.6
        (True, True)

    Reference:
        Platt, "Probabilistic outputs for support vector machines", 1999, section 2.
    """
    if not 0 < prior < 1:
        raise ValueError(f"`prior` must be between 0 and 1. Received: prior={prior}")
    threshold = choose_threshold(scores, labels, policy, prior)
    report = evaluate_scores(scores, labels, threshold, people)
    _warn_of_doubts(report, policy)
    score, is_same = np.asarray(scores, np.float64).ravel(), np.asarray(labels).ravel() == 1
    slope, intercept = _fit_logistic(score, is_same, prior)
    return Calibration(
        policy,
        prior,
        threshold,
        report.n_same,
        report.n_different,
        report.far,
        report.frr,
        slope,
        intercept,
    )


def _warn_of_doubts(report: Evaluation, policy: str) -> None:
    fewer, pairs = min(report.n_same, report.n_different), report.n_same + report.n_different
    there = f"there are {report.n_same:,} same and {report.n_different:,} different"
    if fewer < _ENOUGH:
        _warn(f"A threshold takes {_ENOUGH} pairs of either kind or more; {there}")
    elif fewer < _BALANCED * pairs:
        _warn(f"Half of the validation pairs should be same, half different; {there}")
    kind, far = parse_policy(policy)
    if kind == "far" and report.n_different < pairs_for_far(far):
        _warn(f"{policy} takes {pairs_for_far(far):,} different pairs or more; {there}")


def _warn(message: str) -> None:
    warnings.warn(message, CalibrationWarning, stacklevel=4)


def _fit_logistic(score: Floats, is_same: Bools, prior: float) -> tuple[float, float]:
    """Slope and intercept, by Newton's method."""
    n_same, n_different = int(is_same.sum()), int((~is_same).sum())
    # Platt's targets keep the slope finite where a threshold separates all pairs.
    target = np.where(is_same, (n_same + 1) / (n_same + 2), 1 / (n_different + 2))
    weight = np.where(is_same, prior / n_same, (1 - prior) / n_different)
    center, width = score.mean(), score.std() or 1.0
    design = np.stack([(score - center) / width, np.ones_like(score)], axis=1)
    line = np.zeros(2)
    for _ in range(100):
        odds = _logistic(design @ line)
        gradient = design.T @ (weight * (odds - target))
        curvature = (design * (weight * odds * (1 - odds))[:, None]).T @ design
        # A ridge, for scores that are all equal.
        step = np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
        line -= step / max(1.0, float(np.abs(step).max()))  # Far from the minimum, it overshoots.
        if np.abs(step).max() < 1e-10:
            break
    slope = line[0] / width
    return float(slope), float(line[1] - slope * center)


def _logistic(x: npt.NDArray[np.float64] | np.float64) -> Floats:
    # Never overflows.
    probability: Floats = 0.5 * (1 + np.tanh(0.5 * x))
    return probability


_ENOUGH = 100  # pairs: then a rate of 0.1 is known to about 0.06
_BALANCED = 0.4  # the share of the rarer kind
