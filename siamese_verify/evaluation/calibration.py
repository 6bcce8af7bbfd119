"""A calibrated threshold with its evidence, and probabilities from scores. NumPy only."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import finite_number, whole_number
from siamese_verify.evaluation.intervals import Estimate, check_rate, rate_from_list
from siamese_verify.evaluation.logistic import fit_logistic, logistic, logit
from siamese_verify.evaluation.report import evaluate_scores
from siamese_verify.evaluation.review import ReviewBand, check_review, find_band
from siamese_verify.evaluation.scored_pairs import ScoredPairs
from siamese_verify.evaluation.thresholds import (
    check_prior,
    choose_threshold,
    parse_policy,
)
from siamese_verify.evaluation.weaknesses import find_weaknesses
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
        review: Band of scores to review by hand, or None.

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
    review: ReviewBand | None = None

    def __post_init__(self) -> None:
        parse_policy(self.policy)
        for name in ("threshold", "slope", "intercept"):
            object.__setattr__(self, name, finite_number(name, getattr(self, name)))
        object.__setattr__(self, "prior", check_prior(self.prior))
        for name in ("n_same", "n_different"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        for name in ("far", "frr"):
            check_rate(name, getattr(self, name))
        if not isinstance(self.on_logit, bool):
            raise ValueError(f"`on_logit` must be a bool. Received: {shown(self.on_logit)}")
        if not isinstance(self.review, ReviewBand | None):
            raise ValueError(
                f"`review` must be a ReviewBand or None. Received: {shown(repr(self.review))}"
            )

    def __str__(self) -> str:
        review = "" if self.review is None else f"\n{self.review}"
        return (
            f"threshold {self.threshold:.4f} by {self.policy}, from {self.n_same:,} genuine and "
            f"{self.n_different:,} impostor validation pairs: FAR {self.far}, FRR {self.frr}"
            f"{review}"
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
        review = None if self.review is None else self.review.to_dict()
        return {**vars(self), **rates, "review": review}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Create a calibration from the result of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: If `values` is something else.
        """
        rates = {name: rate_from_list(name, values[name]) for name in ("far", "frr")}
        review = values.get("review")  # Older files hold none.
        band = None if review is None else ReviewBand.from_dict(review)
        return cls(**{**values, **rates, "review": band})


def calibrate(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    policy: str = "max_accuracy",
    prior: float = 0.5,
    identities: npt.ArrayLike | None = None,
    review: tuple[str, str] | None = None,
) -> Calibration:
    """Choose a threshold on validation pairs, and measure its error rates there.

    The log-odds of a genuine pair are a line, fitted by maximum likelihood. The pairs are weighted
    to half and half, and the line is moved to the prior. Scores that all lie in [0, 1] are taken as
    probabilities, such as a sigmoid returns. Then the line is over the logit of the score, which
    leaves a good probability unchanged. Otherwise the line is over the score.

    Args:
        scores: Scores of validation pairs `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = genuine, 0 = impostor. Both must occur.
        policy: Rule for the threshold, see `choose_threshold`.
        prior: Expected share of genuine pairs in use, between 0 and 1.
        identities: The two identities of each pair `(n, 2)`, see `evaluate_scores`.
        review: Policies for the ends of a band of scores to review by hand, such as
            `("frr=0.01", "far=0.001")`. At most 1% of the genuine pairs then score below the band,
            and at most 0.1% of the impostor pairs above it.

    Returns:
        The `Calibration`.

    Raises:
        ValueError: See `choose_threshold` and `evaluate_scores`.

    Warns:
        CalibrationWarning: If the pairs are few for the policy or, for `"max_accuracy"`, far from
            half genuine and half impostor. Also if all scores are equal, or their AUC is not above
            chance. Also if the threshold accepts all impostor pairs, rejects all genuine pairs, or
            is not in the band for review.

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
    policies = None if review is None else check_review(review)
    threshold = choose_threshold(scores, labels, policy, prior)
    report = evaluate_scores(scores, labels, threshold, identities)
    pairs = ScoredPairs(report.scores, report.is_same, report.identities)
    band = None if policies is None else find_band(pairs, policies, threshold)
    for weakness in find_weaknesses(report, (policy, *(policies or ())), band):
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
        band,
    )
