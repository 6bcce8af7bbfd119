"""A calibrated threshold with its evidence, and probabilities from scores. NumPy only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import finite_number, whole_number
from siamese_verify.evaluation.intervals import Estimate
from siamese_verify.evaluation.logistic import fit_logistic, logistic, logit
from siamese_verify.evaluation.report import Evaluation, evaluate_scores
from siamese_verify.evaluation.thresholds import (
    check_prior,
    choose_threshold,
    parse_policy,
)
from siamese_verify.far import pairs_for_far
from siamese_verify.messages import shown
from siamese_verify.user_warnings import warn_user


class CalibrationWarning(UserWarning):
    """Validation pairs from which a threshold is less certain than it looks."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A threshold and the evidence for it.

    Attributes:
        policy: Rule by which the threshold was chosen, see `choose_threshold`.
        prior: Expected share of genuine pairs in use.
        threshold: Score from which a pair is accepted.
        n_same: Number of genuine validation pairs.
        n_different: Number of impostor validation pairs.
        far: False accept rate on the validation pairs, with its interval.
        frr: False reject rate on the validation pairs, with its interval.
        slope: Slope of the log-odds of a genuine pair, over its score or the score's logit.
        intercept: Log-odds where the score, or its logit, is 0.
        on_logit: Whether the log-odds are a line over the logit of the score, which suits scores
            that are probabilities, or over the score.

    Raises:
        ValueError: If an attribute is of another type, not finite or out of range.
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
    on_logit: bool = False  # Older files hold none.

    def __post_init__(self) -> None:
        parse_policy(self.policy)
        for name in ("threshold", "slope", "intercept"):
            object.__setattr__(self, name, finite_number(name, getattr(self, name)))
        object.__setattr__(self, "prior", check_prior(self.prior))
        for name in ("n_same", "n_different"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        for name in ("far", "frr"):
            _check_rate(name, getattr(self, name))
        if not isinstance(self.on_logit, bool):
            raise ValueError(f"`on_logit` must be a bool. Received: {shown(self.on_logit)}")

    def __str__(self) -> str:
        return (
            f"threshold {self.threshold:.4f} by {self.policy}, from {self.n_same:,} genuine and "
            f"{self.n_different:,} impostor validation pairs: FAR {self.far}, FRR {self.frr}"
        )

    def probability(self, score: float) -> float:
        """Estimate the probability that both images show the same identity, for `prior`.

        Raises:
            ValueError: If the score is not a finite number.
        """
        score = finite_number("score", score)
        value = logit(np.float64(score)) if self.on_logit else np.float64(score)
        return float(logistic(self.intercept + self.slope * value))

    def to_dict(self) -> dict[str, Any]:
        """Return all attributes, for JSON: each rate as `[value, low, high]`."""
        rates = {name: getattr(self, name).to_list() for name in ("far", "frr")}
        return dataclasses.asdict(self) | rates

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Create a calibration from the result of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: If `values` is something else.
        """
        rates = {}
        for name in ("far", "frr"):
            value, low, high = (finite_number(name, number) for number in values[name])
            rates[name] = Estimate(value, low, high)
        return cls(**{**values, **rates})


def _check_rate(name: str, rate: Any) -> None:
    """Raise an error unless a rate lies in its interval, and both in [0, 1]."""
    is_rate = isinstance(rate, Estimate) and 0 <= rate.low <= rate <= rate.high <= 1
    if not is_rate:
        raise ValueError(
            f"`{name}` must be a rate between 0 and 1, within its interval. "
            f"Received: {name}={shown(repr(rate))}"
        )


def calibrate(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    policy: str = "max_accuracy",
    prior: float = 0.5,
    identities: npt.ArrayLike | None = None,
) -> Calibration:
    """Choose a threshold on validation pairs, and measure its error rates there.

    The log-odds of a genuine pair are a line, fitted by maximum likelihood to pairs that are
    weighted to the prior. Scores that all lie in [0, 1] are taken as probabilities, such as a
    sigmoid returns. Then the line is over the logit of the score, which leaves a good probability
    unchanged. Otherwise the line is over the score.

    Args:
        scores: Scores of validation pairs `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = genuine, 0 = impostor. Both must occur.
        policy: Rule for the threshold, see `choose_threshold`.
        prior: Expected share of genuine pairs in use, between 0 and 1.
        identities: The two identities of each pair `(n, 2)`, see `evaluate_scores`.

    Returns:
        The `Calibration`.

    Raises:
        ValueError: See `choose_threshold` and `evaluate_scores`.

    Warns:
        CalibrationWarning: If the pairs are few, or far from half genuine and half impostor. Also
            if all scores are equal, their AUC is not above chance, or the threshold accepts all
            impostor pairs or rejects all genuine pairs.

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
    prior = check_prior(prior)
    threshold = choose_threshold(scores, labels, policy, prior)
    report = evaluate_scores(scores, labels, threshold, identities)
    for weakness in _weaknesses(report, policy):
        warn_user(weakness, CalibrationWarning)
    # The order of summands affects rounding. Sorted, the order of the pairs does not matter.
    order = np.lexsort([report.is_same, report.scores])
    score, is_genuine = report.scores[order].astype(np.float64), report.is_same[order]
    on_logit = bool(score[0] >= 0 and score[-1] <= 1)
    slope, intercept = fit_logistic(logit(score) if on_logit else score, is_genuine, prior)
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


def _weaknesses(report: Evaluation, policy: str) -> Iterator[str]:
    """Yield reasons why a threshold from these pairs is less certain than it looks."""
    fewer, pairs = min(report.n_same, report.n_different), report.n_same + report.n_different
    received = f"Received: {report.n_same:,} genuine and {report.n_different:,} impostor pairs"
    if fewer < _MIN_PAIRS:
        yield (
            f"A threshold needs {_MIN_PAIRS} pairs of either kind or more. With fewer, its error "
            f"rates are uncertain. Calibrate on more pairs. {received}"
        )
    elif fewer < _MIN_SHARE * pairs:
        yield (
            "Half of the validation pairs should be genuine, half impostor. Otherwise one of FAR "
            f"and FRR is less certain. Calibrate on a balanced list. {received}"
        )
    kind, far = parse_policy(policy)
    if kind == "far" and report.n_different < pairs_for_far(far):
        yield (
            f"The policy {shown(policy)!r} needs {pairs_for_far(far):,} impostor pairs or more. "
            "With fewer, FAR may be higher in use. Add impostor pairs or allow a higher FAR. "
            f"{received}"
        )
    yield from _undecided(report)


def _undecided(report: Evaluation) -> Iterator[str]:
    """Yield reasons why a threshold decides nothing."""
    if np.ptp(report.scores) == 0:
        yield (
            f"The scores tell nothing: all {len(report.scores):,} are {report.scores[0]:g}. The "
            "network may have collapsed, so that all its embeddings are equal. Train it again."
        )
    elif report.auc.low <= 0.5:
        reason = "The pairs are too few, or the model does not tell genuine from impostor pairs."
        if report.auc.high < 0.5:
            reason = "Scores must be higher for genuine pairs: change the sign of distances."
        yield f"The scores tell nothing: their AUC {report.auc} is not above chance, 0.5. {reason}"
    for rate, what in (
        (report.far, "accepts all impostor pairs (FAR 1)"),
        (report.frr, "rejects all genuine pairs (FRR 1)"),
    ):
        if float(rate) == 1.0:
            yield (
                f"The threshold {report.threshold:.4f} {what}, so it decides nothing. "
                "Choose another policy, or train a better model."
            )


_MIN_PAIRS = 100  # A rate of 0.1 is then known to about 0.06.
_MIN_SHARE = 0.4  # of the rarer kind
