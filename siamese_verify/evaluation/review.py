"""`ReviewBand`: scores between two thresholds, which a person should review. NumPy only."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from siamese_verify.checks import finite_number
from siamese_verify.evaluation.intervals import Estimate, check_rate, rate_from_list
from siamese_verify.evaluation.rates import Rate
from siamese_verify.evaluation.scored_pairs import ScoredPairs
from siamese_verify.evaluation.thresholds import choose_threshold, parse_policy
from siamese_verify.messages import shown

_RATES = ("frr", "far", "same", "different")


@dataclasses.dataclass(frozen=True)
class ReviewBand:
    """Scores that neither end of a band decides, with the evidence from the validation pairs.

    Attributes:
        policies: Policies of the lower and the upper end, `"frr=..."` and `"far=..."`.
        low: Lower end: a pair that scores less can be rejected without a review.
        high: Upper end: a pair that scores as much can be accepted without a review.
        frr: Share of the genuine pairs that score below `low`, with its interval.
        far: Share of the impostor pairs that score `high` or more, with its interval.
        same: Share of the genuine pairs in the band, with its interval.
        different: Share of the impostor pairs in the band, with its interval.

    Raises:
        ValueError: If an attribute is of another type, not finite or out of range.
    """

    policies: tuple[str, str]
    low: float
    high: float
    frr: Estimate
    far: Estimate
    same: Estimate
    different: Estimate

    def __post_init__(self) -> None:
        object.__setattr__(self, "policies", check_review(self.policies))
        for name in ("low", "high"):
            object.__setattr__(self, name, finite_number(name, getattr(self, name)))
        if self.low > self.high:
            raise ValueError(
                f"`low` must not be above `high`. Received: low={self.low}, high={self.high}"
            )
        for name in _RATES:
            check_rate(name, getattr(self, name))

    def __contains__(self, score: float) -> bool:
        return self.low <= score < self.high

    def __str__(self) -> str:
        return (
            f"review from {self.low:.4f} to {self.high:.4f}: {self.same} of the genuine and "
            f"{self.different} of the impostor pairs. Below, FRR {self.frr}. Above, FAR {self.far}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all attributes, for JSON: each rate as `[value, low, high]`."""
        rates = {name: getattr(self, name).to_list() for name in _RATES}
        return {"policies": list(self.policies), "low": self.low, "high": self.high, **rates}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: If `values` is something else.
        """
        rates = {name: rate_from_list(name, values[name]) for name in _RATES}
        return cls(**{**values, **rates})


def check_review(review: Any) -> tuple[str, str]:
    """Return the policies of the lower and the upper end of a band, in this order.

    Raises:
        ValueError: If they are not a highest false reject rate and a highest false accept rate.
    """
    if isinstance(review, (tuple, list)) and len(review) == 2:
        by_kind = {parse_policy(policy).kind: policy for policy in review}
        if by_kind.keys() == {"frr", "far"}:
            return by_kind["frr"], by_kind["far"]
    raise ValueError(
        "`review` must be two policies: the highest false reject rate below the band, and the "
        "highest false accept rate above it, such as ('frr=0.01', 'far=0.001'). "
        f"Received: review={shown(repr(review))}"
    )


def find_band(pairs: ScoredPairs, policies: tuple[str, str], threshold: float) -> ReviewBand:
    """Find the band of scores for review, and measure it.

    Args:
        pairs: Scored validation pairs.
        policies: Policies of the lower and the upper end, from `check_review`.
        threshold: Score from which a pair is accepted.

    Returns:
        The band. If one threshold fulfils both policies, the band is empty.
    """
    genuine = pairs.genuine.chosen
    low, high = (choose_threshold(pairs.scores, genuine, policy) for policy in policies)
    if low > high:  # Any threshold between the two fulfils both policies.
        low = high = min(max(threshold, high), low)
    below, above = pairs.scores < low, pairs.scores >= high
    inside = ~below & ~above
    rates = (
        Rate(kind, which).estimate
        for kind, which in (
            (pairs.genuine, below),
            (pairs.impostor, above),
            (pairs.genuine, inside),
            (pairs.impostor, inside),
        )
    )
    return ReviewBand(policies, low, high, *rates)
