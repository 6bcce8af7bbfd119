"""A threshold and the evidence for it, and from scores to probabilities. NumPy only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation.intervals import Bools, Estimate, Floats
from siamese_verify.evaluation.report import Evaluation, evaluate_scores, pairs_for_far
from siamese_verify.evaluation.thresholds import choose_threshold, parse_policy
from siamese_verify.user_warnings import warn_user


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
        slope: Slope of the log-odds of a pair being same, over its score or its score's logit.
        intercept: The log-odds where the score, or its logit, is 0.
        on_logit: Whether the log-odds are a line over the logit of the score, as fits scores that
            are probabilities themselves, or over the score.
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
    on_logit: bool = False  # as in files from before

    def __str__(self) -> str:
        return (
            f"threshold {self.threshold:.4f} by {self.policy}, from {self.n_same:,} same and "
            f"{self.n_different:,} different validation pairs: FAR {self.far}, FRR {self.frr}"
        )

    def probability(self, score: float) -> float:
        """Probability that both images show the same identity, calibrated for `prior`."""
        value = _logit(np.float64(score)) if self.on_logit else np.float64(score)
        return float(_logistic(self.intercept + self.slope * value))

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
    identities: npt.ArrayLike | None = None,
) -> Calibration:
    """Chooses a threshold on validation pairs, and measures what it does there.

    The log-odds of a pair being same are a line, fitted by maximum likelihood to pairs that are
    weighted to the prior. Where all scores lie in [0, 1], as a sigmoid gives them, it is a line
    over the logit of the score, so that a score that is a probability already stays what it is.
    Otherwise it is a line over the score.

    Args:
        scores: Scores of validation pairs `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = same, 0 = different; both must occur.
        policy: See `choose_threshold`.
        prior: The share of same pairs that is expected in use.
        identities: The two identities of each pair `(n, 2)`; see `evaluate_scores`.

    Returns:
        The `Calibration`.

    Raises:
        ValueError: See `choose_threshold` and `evaluate_scores`.

    Warns:
        CalibrationWarning: If the pairs are few, or far from half same and half different; or if
            the scores tell nothing: all are equal, their AUC is not above chance, or the threshold
            accepts all different pairs or rejects all same pairs.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> labels = np.repeat([1, 0], 200)
        >>> calibration = calibrate(rng.normal(2.0 * labels), labels)
        >>> 0.3 < calibration.threshold < 1.7, 0.4 < calibration.probability(1.0) < 0.6
        (True, True)

    References:
        Platt, "Probabilistic outputs for support vector machines", 1999, section 2; Kull, Silva
        Filho, Flach, "Beta calibration", 2017, section 2 (why a line over a probability distorts).
    """
    if not 0 < prior < 1:
        raise ValueError(f"`prior` must be between 0 and 1. Received: prior={prior}")
    threshold = choose_threshold(scores, labels, policy, prior)
    report = evaluate_scores(scores, labels, threshold, identities)
    for doubt in _doubts(report, policy):
        warn_user(doubt, CalibrationWarning)
    # Sorted, so that not even rounding depends on the order of the pairs.
    order = np.lexsort([report.is_same, report.scores])
    score, is_same = report.scores[order].astype(np.float64), report.is_same[order]
    on_logit = bool(score[0] >= 0 and score[-1] <= 1)
    slope, intercept = _fit_logistic(_logit(score) if on_logit else score, is_same, prior)
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
        on_logit,
    )


def _doubts(report: Evaluation, policy: str) -> Iterator[str]:
    """Why a threshold from these pairs is less certain than it looks."""
    fewer, pairs = min(report.n_same, report.n_different), report.n_same + report.n_different
    there = f"there are {report.n_same:,} same and {report.n_different:,} different"
    if fewer < _ENOUGH:
        yield f"A threshold takes {_ENOUGH} pairs of either kind or more; {there}"
    elif fewer < _BALANCED * pairs:
        yield f"Half of the validation pairs should be same, half different; {there}"
    kind, far = parse_policy(policy)
    if kind == "far" and report.n_different < pairs_for_far(far):
        yield f"{policy} takes {pairs_for_far(far):,} different pairs or more; {there}"
    if np.ptp(report.scores) == 0:
        yield (
            f"The scores tell nothing: all {pairs:,} are {report.scores[0]:g}. The network may "
            "have collapsed, so that all its embeddings are equal. Train it again."
        )
    elif report.auc.low <= 0.5:
        reason = "The pairs are too few, or the model does not tell same from different pairs."
        if report.auc.high < 0.5:
            reason = "Scores must be higher for same pairs: change the sign of distances."
        yield (
            f"The scores tell nothing that this threshold could use: their AUC, {report.auc}, is "
            f"not above chance, 0.5. {reason}"
        )
    for rate, what in (
        (report.far, "accepts all different pairs (FAR 1)"),
        (report.frr, "rejects all same pairs (FRR 1)"),
    ):
        if float(rate) == 1.0:
            yield f"The threshold, {report.threshold:.4f}, {what}: it decides nothing."


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


def _logit(score: npt.NDArray[np.float64] | np.float64) -> Floats:
    # A sigmoid in float32 reaches 1, and near 0 tells apart what nobody can.
    inside = np.clip(score, _LEAST, 1 - _LEAST)
    logit: Floats = np.log(inside) - np.log1p(-inside)
    return logit


def _logistic(x: npt.NDArray[np.float64] | np.float64) -> Floats:
    # Never overflows.
    probability: Floats = 0.5 * (1 + np.tanh(0.5 * x))
    return probability


_LEAST = 2.0**-24  # below which float32 does not tell 1 - x from 1
_ENOUGH = 100  # pairs: then a rate of 0.1 is known to about 0.06
_BALANCED = 0.4  # the share of the rarer kind
