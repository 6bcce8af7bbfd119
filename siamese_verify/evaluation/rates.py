"""Rates among pairs that depend on each other, with their intervals. NumPy only."""

from __future__ import annotations

import math
from collections.abc import Callable

from siamese_verify.evaluation.dependence import RULE_OF_30, SMALLEST_RATE, Kind
from siamese_verify.evaluation.intervals import Bools, Estimate, Floats, wilson_of_dependent

_MAX_CORRELATION = 0.5  # between the two kinds, because few identities exaggerate it


class Rate:
    """The share of the pairs of one kind that are hits.

    Attributes:
        observed: The share.
        variance: Its cluster-robust variance.

    Args:
        kind: The pairs.
        hits: Which of all pairs count, bool.
    """

    def __init__(self, kind: Kind, hits: Bools):
        self.kind = kind
        self.influence = kind.influence(hits)
        self.observed = float(hits[kind.chosen].mean())
        fewer = min(kind.clusters.count(kind.chosen & which) for which in (hits, ~hits))
        # The spread of fewer errors cannot be trusted. Then each pair of identities is one case.
        self._is_capped = kind.n_clusters < kind.n and fewer < RULE_OF_30
        self._max_cases = float(kind.n_clusters if self._is_capped else kind.n)
        self.variance = kind.variance(self.influence)
        if kind.clusters.are_known and self.variance:
            spread = self.observed * (1 - self.observed)
            self._max_cases = min(self._max_cases, spread / self.variance)

    def cases(self, rate: float) -> float:
        """Count the independent pairs that would tell as much, if the true rate was `rate`."""
        return max(1.0, min(self._max_cases, self.kind.modelled_cases(rate)))

    @property
    def is_conservative(self) -> bool:
        """Whether few identities or few errors leave only an interval that is wider than needed."""
        limited = self._is_capped and self.cases(self.observed) == self.kind.n_clusters
        return limited or self.kind.has_few

    @property
    def estimate(self) -> Estimate:
        """The rate with its interval."""
        return wilson_of_dependent(
            self.observed, self.cases, self.kind.quantile, conservative=self.is_conservative
        )


class Joint:
    """Sum of two estimates, one of each kind of pairs, which share identities.

    Attributes:
        degrees: Degrees of freedom of the variance.
        quantile: Half the width of a 95% interval in standard errors.
        correlation: Correlation of the two estimates.

    Args:
        kinds: The two kinds of pairs.
        influence: What each pair adds to either estimate.
        variances: Variance of either estimate.
    """

    def __init__(
        self,
        kinds: tuple[Kind, Kind],
        influence: tuple[Floats, Floats],
        variances: tuple[float, float],
    ):
        one, other = kinds
        self._kinds, self.quantile = kinds, max(one.quantile, other.quantile)
        self.degrees = min(one.degrees, other.degrees)
        self._deviations = [math.sqrt(variance) for variance in variances]
        self.correlation = 0.0
        if scale := math.prod(self._deviations):
            covariance = one.covariance(influence[0], other, influence[1])
            self.correlation = min(max(covariance / scale, -_MAX_CORRELATION), _MAX_CORRELATION)

    @property
    def variance(self) -> float:
        """Variance of the sum."""
        return self._variance_of_sum(self._deviations)

    @property
    def has_few(self) -> bool:
        """Whether either kind has fewer than 30 identities."""
        return any(kind.has_few for kind in self._kinds)

    def logit_estimate(self, value: float) -> Estimate:
        """Give `value`, the sum, an interval whose width shrinks towards 0 and 1.

        References:
            Qin, Hotilovac, "Comparison of non-parametric confidence intervals for the area under
            the ROC curve", 2008 (interval on the logit).
        """
        spread = value * (1 - value)
        shift = self.quantile * math.sqrt(self.variance) / spread
        odds = value / (1 - value)
        low, high = (odds * math.exp(x) / (1 + odds * math.exp(x)) for x in (-shift, shift))
        return Estimate(value, low, high, self.has_few)

    def _variance_of_sum(self, deviations: list[float]) -> float:
        one, other = deviations
        return one**2 + other**2 + 2 * self.correlation * one * other


class JointRate(Joint):
    """A weighted mean of two rates, such as the accuracy.

    Args:
        rates: The two rates, one of each kind of pairs.
        weights: Weights of the two rates, whose sum is 1.
    """

    def __init__(self, rates: tuple[Rate, Rate], weights: tuple[float, float]):
        one, other = rates
        super().__init__(
            (one.kind, other.kind),
            (one.influence, other.influence),
            (one.variance, other.variance),
        )
        self._rates, self._weights = rates, weights

    def cases(self, *true: float) -> float:
        """Count the independent cases that would tell as much of the mean, for two true rates."""
        values = [min(max(value, SMALLEST_RATE), 1 - SMALLEST_RATE) for value in true]
        deviations = [
            weight * math.sqrt(value * (1 - value) / rate.cases(value))
            for rate, weight, value in zip(self._rates, self._weights, values, strict=True)
        ]
        mean = sum(weight * value for weight, value in zip(self._weights, values, strict=True))
        return mean * (1 - mean) / self._variance_of_sum(deviations)

    def estimate(self, value: float, cases: Callable[[float], float]) -> Estimate:
        """Give `value`, the mean, an interval from the number of cases for a true mean."""
        conservative = any(rate.is_conservative for rate in self._rates)
        return wilson_of_dependent(value, cases, self.quantile, conservative=conservative)
