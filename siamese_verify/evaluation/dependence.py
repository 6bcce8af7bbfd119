"""Dependence of pairs on each other, because they share identities. NumPy only.

Pairs of the same two identities depend most on each other, and pairs that share one identity less.
All other pairs are independent. Two estimates of the dependence are made, and the more cautious one
counts. The first sums products over pairs that share an identity (Aronow et al.). The second models
the scores as jointly normal, which helps where errors are too few to compare with each other.

References:
    Aronow, Samii, Assenova, "Cluster-robust variance estimation for dyadic data", 2015.
    Bolle, Ratha, Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap",
    2004 (identities, not pairs, are sampled).
    ISO/IEC 19795-1, "Biometric performance testing and reporting", annex B (rules of 3 and 30).
"""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation.clusters import Clusters
from siamese_verify.evaluation.intervals import Bools, Floats, student_quantile

RULE_OF_30 = 30  # Errors from which a rate's own spread can be trusted (ISO/IEC 19795-1).
SMALLEST_RATE = 1e-9  # A rate below counts as this one, so that its logarithm is finite.
_MIN_DISJOINT_SHARE = 0.1  # A smaller share of disjoint pairs would blow variances up.


class Kind:
    """The genuine or the impostor pairs, and how far they depend on each other.

    Attributes:
        n: Number of pairs of this kind.
        n_clusters: Number of distinct pairs of identities among them.
        degrees: Degrees of freedom of a variance, one fewer than identities, or infinity.
        quantile: Half the width of a 95% interval in standard errors.
        has_few: Whether their identities are fewer than 30.

    Args:
        clusters: Groups of pairs that share identities, among all pairs.
        scores: Scores of all pairs.
        chosen: Which of all pairs are of this kind.
    """

    def __init__(self, clusters: Clusters, scores: npt.NDArray[np.floating], chosen: Bools):
        self.chosen, self.clusters, self._scores = chosen, clusters, scores
        self.n, self.n_clusters = int(chosen.sum()), clusters.count(chosen)
        identities = clusters.count_identities(chosen)
        self.degrees = math.inf if identities is None else max(identities - 1, 1)
        self.quantile = student_quantile(self.degrees)
        self.has_few = identities is not None and identities < RULE_OF_30
        ones = chosen.astype(np.float64)
        self._n_same = clusters.sum_same(ones, ones)  # ordered pairs of pairs
        self._n_sharing = clusters.sum_sharing(ones, ones)

    def influence(self, values: npt.NDArray[np.generic]) -> Floats:
        """Compute the contribution of each pair to the mean of `values` among this kind."""
        mean = values[self.chosen].mean()
        influence: Floats = np.where(self.chosen, values - mean, 0.0) / self.n
        return influence

    def variance(self, influence: Floats) -> float:
        """Compute the cluster-robust variance of an estimate from each pair's influence."""
        # All pairs share the mean that was subtracted. So pairs without a common identity seem to
        # disagree, and as much variance is missing.
        disjoint = max(1 - self._n_sharing / self.n**2, _MIN_DISJOINT_SHARE)
        apart = max(1 - self._n_same / self.n**2, 1 / self.n)
        same = self.clusters.sum_same(influence, influence) / apart
        return max(same, self.clusters.sum_sharing(influence, influence) / disjoint)

    def covariance(self, influence: Floats, other: Kind, others: Floats) -> float:
        """Compute the covariance with an estimate of the other kind, by shared identities."""
        ones, theirs = self.chosen.astype(np.float64), other.chosen.astype(np.float64)
        sharing = self.clusters.sum_sharing(ones, theirs) / (self.n * other.n)
        products = self.clusters.sum_sharing(influence, others)
        return products / max(1 - sharing, _MIN_DISJOINT_SHARE)

    def modelled_cases(self, rate: float) -> float:
        """Count the independent pairs that tell as much of a rate, if scores are jointly normal."""
        if self._n_sharing == self.n:
            return float(self.n)
        rate = min(max(rate, SMALLEST_RATE), 1 - SMALLEST_RATE)
        for_same, for_sharing = self._correlations
        independent = rate * (1 - rate)
        covariance = (self._n_same - self.n) * joint_excess(for_same, rate)
        covariance += (self._n_sharing - self._n_same) * joint_excess(for_sharing, rate)
        return self.n / (1 + covariance / (self.n * independent))

    def modelled_variance(self, values: Floats) -> float:
        """Compute the variance of the mean of values that are monotone in jointly normal scores."""
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
        same = self.clusters.sum_same(values, values)
        sharing = self.clusters.sum_sharing(values, values)
        counts = self._n_same - self.n, self._n_sharing - self._n_same, self.n**2 - self._n_sharing
        # The sum of all values is 0, so that pairs without a common identity seem to disagree.
        shift = -sharing / counts[2] if counts[2] > 0 else 0.0
        for_same, for_sharing = (
            (products / count - shift) / (1 - shift) if count > 0 and shift < 1 else 0.0
            for products, count in ((same - self.n, counts[0]), (sharing - same, counts[1]))
        )
        for_sharing = min(max(for_sharing, 0.0), 1.0)
        return min(max(for_same, for_sharing), 1.0), for_sharing


def _normal_scores(scores: npt.NDArray[np.floating]) -> Floats:
    """Compute normal quantiles of the ranks of scores. Equal scores get their mean rank."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / len(scores)
    quantiles = np.interp(middle, _CUMULATIVE, _NORMAL)
    quantiles -= quantiles @ counts / len(scores)
    scattered: Floats = quantiles[inverse.ravel()]
    return scattered


def joint_excess(correlation: float, rate: float) -> float:
    """Compute how much two hits at once exceed `rate**2` in frequency, for jointly normal scores.

    References:
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
