"""How far pairs depend on each other, because they share identities. NumPy only.

Pairs of the same two identities depend most on each other, pairs that share one identity less, and
all others not at all. Two estimates of that are compared, and the more cautious one counts: the
products of what pairs that share an identity add to a rate (Aronow et al.), and a model of their
scores, which tells most where errors are too few to be compared with each other.

References:
    Aronow, Samii, Assenova, "Cluster-robust variance estimation for dyadic data", 2015.
    Bolle, Ratha, Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap",
    2004 (identities, not pairs, are what is sampled).
    ISO/IEC 19795-1, "Biometric performance testing and reporting", annex B (rules of 3 and 30).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation.intervals import (
    Bools,
    Estimate,
    Floats,
    Identities,
    Z,
    student_quantile,
    wilson_of_dependent,
)

RULE_OF_30 = 30  # errors from which a rate's own spread can be trusted (ISO/IEC 19795-1)
_LEAST = 1e-9  # rate that is told from 0
_MOST = 0.5  # correlation of the two kinds: few identities exaggerate it
_ENOUGH_DISJOINT = 0.1  # share of pairs of pairs without a common identity


class Clusters:
    """Which pairs share identities.

    Args:
        n: Number of pairs.
        identities: Codes from 0 of the two identities of each pair `(n, 2)`, the same one twice for
            a genuine pair or a forgery; None if nobody is in two pairs.
    """

    def __init__(self, n: int, identities: Identities | None):
        self.codes = np.arange(n)
        self._ends: list[npt.NDArray[np.int64]] | None = None
        if identities is not None:
            codes = np.unique(identities, return_inverse=True)[1].reshape(-1, 2)
            low, high = np.sort(codes, axis=1).T
            both = low * (int(codes.max(initial=0)) + 1) + high
            self.codes = np.unique(both, return_inverse=True)[1].ravel()
            self._ends = [low, high]
            self._differ = low != high

    @property
    def are_known(self) -> bool:
        """Whether identities are known at all."""
        return self._ends is not None

    def same(self, x: Floats, y: Floats) -> float:
        """Sum of `x y'` over all pairs and all pairs of the same two identities."""
        return _products(self.codes, x, y)

    def sharing(self, x: Floats, y: Floats) -> float:
        """Sum of `x y'` over all pairs and all pairs that share an identity with them."""
        if self._ends is None:
            return self.same(x, y)
        low, high = self._ends
        differ = self._differ
        each = np.concatenate([low, high[differ]])
        total = _products(each, np.append(x, x[differ]), np.append(y, y[differ]))
        # Pairs of the same two identities were counted once for each of them.
        return total - _products(self.codes[differ], x[differ], y[differ])

    def count(self, chosen: Bools) -> int:
        """How many distinct pairs of identities are among the chosen pairs."""
        return int(np.count_nonzero(np.bincount(self.codes[chosen])))

    def count_identities(self, chosen: Bools) -> int | None:
        """How many identities are in the chosen pairs; None if identities are not known."""
        if self._ends is None:
            return None
        return int(np.count_nonzero(np.bincount(np.concatenate([x[chosen] for x in self._ends]))))


def _products(codes: npt.NDArray[np.int64], x: Floats, y: Floats) -> float:
    if not len(codes):
        return 0.0
    sums = np.bincount(codes, weights=x)
    return float(sums @ (sums if y is x else np.bincount(codes, weights=y)))


class Kind:
    """The genuine or the impostor pairs, and what rates among them are worth.

    Args:
        clusters: Which pairs share identities, among all pairs.
        scores: Scores of all pairs.
        chosen: Which of all pairs are of this kind.
    """

    def __init__(self, clusters: Clusters, scores: npt.NDArray[np.floating], chosen: Bools):
        self.chosen, self.clusters, self._scores = chosen, clusters, scores
        self.n, self.n_clusters = int(chosen.sum()), clusters.count(chosen)
        identities = clusters.count_identities(chosen)
        self.quantile = Z if identities is None else student_quantile(identities - 1)
        self.has_few = identities is not None and identities < RULE_OF_30
        ones = chosen.astype(np.float64)
        self._n_same = clusters.same(ones, ones)  # ordered pairs of pairs
        self._n_sharing = clusters.sharing(ones, ones)

    def influence(self, values: npt.NDArray[np.generic]) -> Floats:
        """What each pair adds to the mean of `values` among this kind; 0 for the others."""
        mean = values[self.chosen].mean()
        influence: Floats = np.where(self.chosen, values - mean, 0.0) / self.n
        return influence

    def variance(self, influence: Floats) -> float:
        """Variance of an estimate from the influence of each pair of this kind, cluster-robust."""
        # The mean was subtracted, which all pairs share: as much variance is missing as pairs
        # without a common identity seem to agree.
        disjoint = max(1 - self._n_sharing / self.n**2, _ENOUGH_DISJOINT)
        apart = max(1 - self._n_same / self.n**2, 1 / self.n)
        same = self.clusters.same(influence, influence) / apart
        return max(same, self.clusters.sharing(influence, influence) / disjoint)

    def covariance(self, influence: Floats, other: Kind, others: Floats) -> float:
        """Covariance of an estimate with one of the other kind, whose pairs share identities."""
        ones, theirs = self.chosen.astype(np.float64), other.chosen.astype(np.float64)
        sharing = self.clusters.sharing(ones, theirs) / (self.n * other.n)
        products = self.clusters.sharing(influence, others)
        return products / max(1 - sharing, _ENOUGH_DISJOINT)

    def modelled_cases(self, rate: float) -> float:
        """How many independent pairs say as much of a rate, if scores were jointly normal."""
        if self._n_sharing == self.n:
            return float(self.n)
        rate = min(max(rate, _LEAST), 1 - _LEAST)
        of_same, of_sharing = self._correlations
        independent = rate * (1 - rate)
        covariance = (self._n_same - self.n) * _joint_excess(of_same, rate)
        covariance += (self._n_sharing - self._n_same) * _joint_excess(of_sharing, rate)
        return self.n / (1 + covariance / (self.n * independent))

    def modelled_variance(self, values: Floats) -> float:
        """Variance of the mean of values that rise or fall with the scores, if these are normal."""
        normal, own = self._normal_scores, values[self.chosen]
        order = np.lexsort((own, normal))

        def at(x: Floats) -> Floats:
            found: Floats = np.interp(x, normal[order], own[order])
            return found

        mean, variance = float(_DENSITY @ at(_GRID)), float(own.var())
        counts = self._n_same - self.n, self._n_sharing - self._n_same
        total = self.n * variance
        for correlation, count in zip(self._correlations, counts, strict=True):
            if correlation > 0 and count > 0:
                rest = math.sqrt(1 - correlation**2)
                others = at(correlation * _GRID[:, None] + rest * _GRID)
                product = float((_DENSITY * at(_GRID)) @ others @ _DENSITY)
                total += count * min(max(product - mean**2, 0.0), variance)
        return total / self.n**2

    @functools.cached_property
    def _normal_scores(self) -> Floats:
        return _normal_scores(self._scores[self.chosen])

    @functools.cached_property
    def _correlations(self) -> tuple[float, float]:
        """Correlations of the scores of two pairs: of the same identities, and sharing one."""
        values = np.zeros(len(self.chosen))
        values[self.chosen] = self._normal_scores
        if not values.any():  # All scores are equal.
            return 0.0, 0.0
        values /= math.sqrt(float(values @ values) / self.n)
        same, sharing = (f(values, values) for f in (self.clusters.same, self.clusters.sharing))
        counts = self._n_same - self.n, self._n_sharing - self._n_same, self.n**2 - self._n_sharing
        # The sum of all values is 0, so that pairs without a common identity seem to disagree.
        shift = -sharing / counts[2] if counts[2] > 0 else 0.0
        of_same, of_sharing = (
            (products / count - shift) / (1 - shift) if count > 0 else 0.0
            for products, count in ((same - self.n, counts[0]), (sharing - same, counts[1]))
        )
        of_sharing = min(max(of_sharing, 0.0), 1.0)
        return min(max(of_same, of_sharing), 1.0), of_sharing


class Rate:
    """The share of some pairs that are hits, and how many independent pairs would say as much.

    Args:
        kind: The pairs.
        hits: Which of all pairs count, bool.
    """

    def __init__(self, kind: Kind, hits: Bools):
        self.kind = kind
        self.influence = kind.influence(hits)
        self.observed = float(hits[kind.chosen].mean())
        few = min(kind.clusters.count(kind.chosen & which) for which in (hits, ~hits))
        # With fewer errors, their spread cannot be trusted: independent are the identities at most.
        self._is_capped = kind.n_clusters < kind.n and few < RULE_OF_30
        self._most = float(kind.n_clusters if self._is_capped else kind.n)
        self.variance = kind.variance(self.influence)
        if kind.clusters.are_known and self.variance:
            spread = self.observed * (1 - self.observed)
            self._most = min(self._most, spread / self.variance)

    def cases(self, rate: float) -> float:
        """How many independent cases tell as much of the true rate, if it were this."""
        return max(1.0, min(self._most, self.kind.modelled_cases(rate)))

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
    """Two estimates, one of each kind of pairs, which depend on each other by shared identities.

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
        self._deviations = [math.sqrt(variance) for variance in variances]
        self.correlation = 0.0
        if scale := math.prod(self._deviations):
            covariance = one.covariance(influence[0], other, influence[1])
            self.correlation = min(max(covariance / scale, -_MOST), _MOST)

    @property
    def variance(self) -> float:
        """Variance of the sum of both estimates."""
        return self._added(self._deviations)

    def logit_estimate(self, value: float) -> Estimate:
        """The sum of both estimates, `value`, whose error shrinks towards 0 and 1 as it does.

        Reference:
            Qin, Hotilovac, "Comparison of non-parametric confidence intervals for the area under
            the ROC curve", 2008 (interval on the logit).
        """
        spread = value * (1 - value)
        shift = self.quantile * math.sqrt(self.variance) / spread
        odds = value / (1 - value)
        low, high = (odds * math.exp(x) / (1 + odds * math.exp(x)) for x in (-shift, shift))
        return Estimate(value, low, high, any(kind.has_few for kind in self._kinds))

    def _added(self, deviations: list[float]) -> float:
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
        """How many independent cases tell as much of the mean, if the two rates were these."""
        values = [min(max(value, _LEAST), 1 - _LEAST) for value in true]
        deviations = [
            weight * math.sqrt(value * (1 - value) / rate.cases(value))
            for rate, weight, value in zip(self._rates, self._weights, values, strict=True)
        ]
        mean = sum(weight * value for weight, value in zip(self._weights, values, strict=True))
        return mean * (1 - mean) / self._added(deviations)

    def estimate(self, value: float, cases: Callable[[float], float]) -> Estimate:
        """The mean with its interval, from its number of cases for a true mean."""
        conservative = any(rate.is_conservative for rate in self._rates)
        return wilson_of_dependent(value, cases, self.quantile, conservative=conservative)


def _normal_scores(scores: npt.NDArray[np.floating]) -> Floats:
    """The normal quantiles of the ranks of scores; equal scores have the mean of their ranks."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / len(scores)
    quantiles = np.interp(middle, _CUMULATIVE, _NORMAL)
    quantiles -= quantiles @ counts / len(scores)
    scattered: Floats = quantiles[inverse.ravel()]
    return scattered


def _joint_excess(correlation: float, rate: float) -> float:
    """By how much two hits at once are more frequent than `rate**2`, for jointly normal scores.

    Reference:
        Drezner, Wesolowsky, "On the computation of the bivariate normal integral", 1990.
    """
    if correlation <= 0:
        return 0.0
    threshold, angle = NormalDist().inv_cdf(rate), math.asin(correlation)
    angles = angle * (_NODES + 1) / 2
    return angle / (4 * np.pi) * float(_WEIGHTS @ np.exp(-(threshold**2) / (1 + np.sin(angles))))


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_GRID = np.linspace(-6, 6, 121)
_DENSITY = np.exp(-(_GRID**2) / 2) / np.exp(-(_GRID**2) / 2).sum()
_NORMAL = np.linspace(-6, 6, 2401)
_CUMULATIVE = np.array([NormalDist().cdf(x) for x in _NORMAL.tolist()])
