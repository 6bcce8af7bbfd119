"""Comparison of two verifiers on the same pairs. NumPy only."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from siamese_verify.evaluation.clusters import Clusters
from siamese_verify.evaluation.dependence import RULE_OF_30, Kind
from siamese_verify.evaluation.intervals import (
    STAR_NOTE,
    Bools,
    Estimate,
    Floats,
    Identities,
    Z,
    star,
    student_p_value,
    wilson,
)
from siamese_verify.evaluation.rates import Joint
from siamese_verify.evaluation.report import Evaluation
from siamese_verify.evaluation.roc import placements
from siamese_verify.evaluation.scored_pairs import canonical_order
from siamese_verify.evaluation.tables import aligned


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Figures of two verifiers A and B on the same pairs. Prints as a table.

    Attributes:
        auc_a: Area under the ROC curve of A.
        auc_b: Area under the ROC curve of B.
        auc_difference: AUC of A minus AUC of B, with its 95% interval.
        auc_p_value: P value of equal AUC, by the paired test of DeLong et al.
        accuracy_a: Accuracy of A at its own threshold.
        accuracy_b: Accuracy of B at its own threshold.
        accuracy_difference: Accuracy of A minus accuracy of B, with its 95% interval.
        accuracy_p_value: P value of equal accuracy, by McNemar's exact test.
        n_only_a: Number of pairs that only A decides correctly.
        n_only_b: Number of pairs that only B decides correctly.
    """

    auc_a: Estimate
    auc_b: Estimate
    auc_difference: Estimate
    auc_p_value: float
    accuracy_a: Estimate
    accuracy_b: Estimate
    accuracy_difference: Estimate
    accuracy_p_value: float
    n_only_a: int
    n_only_b: int

    def __str__(self) -> str:
        rows = [["", "A", "B", "A - B", "p value"]]
        for name in ("auc", "accuracy"):
            figures = [getattr(self, f"{name}_{part}") for part in ("a", "b", "difference")]
            p_value = f"{getattr(self, f'{name}_p_value'):.4f}".replace("0.0000", "< 0.0001")
            rows.append([_TITLES[name], *map(star, figures), p_value])
        rows.append(["only one is right", f"{self.n_only_a:,}", f"{self.n_only_b:,}", "", ""])
        lines = aligned(rows)
        if any("*" in line for line in lines):
            lines.append(STAR_NOTE)
        return "\n".join(lines)


def compare_evaluations(a: Evaluation, b: Evaluation) -> Comparison:
    """Compare two verifiers that were evaluated on the same pairs.

    Both decide the same pairs, so their errors are correlated. A paired comparison allows for that:
    it finds smaller differences than two separate intervals show. If the evaluations know the
    identities, intervals and p values allow for pairs that share them. McNemar's test then counts
    only as many pairs as independent pairs would tell as much.

    Thresholds that were chosen on these very pairs make both accuracies look better than they are.

    Args:
        a: Evaluation of A, from `Verifier.evaluate` or `evaluate_scores`.
        b: Evaluation of B, made from the same pairs in the same order.

    Returns:
        The `Comparison`, which prints as a table.

    Raises:
        ValueError: If labels or identities of the two evaluations differ.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> labels, noise = np.repeat([1, 0], 500), rng.normal(size=1000)
        >>> from siamese_verify import evaluate_scores
        >>> a = evaluate_scores(2.0 * labels + noise, labels, threshold=1.0)
        >>> b = evaluate_scores(1.5 * labels + noise, labels, threshold=0.75)
        >>> comparison = compare_evaluations(a, b)
        >>> comparison.auc_difference, comparison.auc_p_value < 0.001
        (0.0604 [0.0525, 0.0682], True)

    References:
        DeLong, DeLong, Clarke-Pearson, "Comparing the areas under two or more correlated receiver
        operating characteristic curves", 1988.
        Bonett, Price, "Adjusted Wald confidence interval for a difference of binomial proportions
        based on paired data", 2012.
        McNemar, "Note on the sampling error of the difference between correlated proportions or
        percentages", 1947.
        Rao, Scott, "A simple method for the analysis of clustered binary data", 1992 (counts are
        divided by the factor by which dependence raises their variance).
    """
    identities = _check_same_pairs(a, b)
    # The order of summands affects rounding. Sorted, the order of the pairs does not matter.
    order = canonical_order(identities, a.is_same, a.scores, b.scores)
    is_genuine, scores = a.is_same[order], (a.scores[order], b.scores[order])
    clusters = Clusters(len(order), None if identities is None else identities[order])
    placed_a, placed_b = (placements(score, is_genuine) for score in scores)
    right_a, right_b = (
        ((score >= one.threshold) == is_genuine).astype(np.float64)
        for score, one in zip(scores, (a, b), strict=True)
    )
    auc_difference, auc_p_value = _compare_areas(clusters, is_genuine, placed_a - placed_b)
    accuracy_difference, accuracy_p_value = _compare_accuracies(
        clusters, is_genuine, right_a - right_b
    )
    return Comparison(
        a.auc,
        b.auc,
        auc_difference,
        auc_p_value,
        a.accuracy,
        b.accuracy,
        accuracy_difference,
        accuracy_p_value,
        int(np.sum(right_a > right_b)),
        int(np.sum(right_b > right_a)),
    )


def _check_same_pairs(a: Evaluation, b: Evaluation) -> Identities | None:
    """Return the identities of the pairs, if both evaluations were made from the same pairs."""
    if not np.array_equal(a.is_same, b.is_same):
        raise ValueError(
            "Both evaluations must be made from the same pairs in the same order, but their labels "
            "differ. Evaluate both verifiers on one list. "
            f"Received: a with {a.n_same:,} genuine and {a.n_different:,} impostor pairs, "
            f"b with {b.n_same:,} genuine and {b.n_different:,} impostor pairs"
        )
    if not np.array_equal(_codes(a.identities), _codes(b.identities)):
        known = ["none" if one.identities is None else "identities" for one in (a, b)]
        raise ValueError(
            "Both evaluations must be made from the same pairs in the same order, but their "
            "identities differ. Evaluate both verifiers on one list, with its identities or "
            f"without. Received: a with {known[0]}, b with {known[1]}"
        )
    return a.identities


def _codes(identities: Identities | None) -> Identities:
    if identities is None:
        return np.zeros((0, 2), np.int64)
    codes = np.unique(identities, return_inverse=True)[1].reshape(-1, 2)
    return np.sort(codes, axis=1)


def _joint_difference(
    clusters: Clusters, is_genuine: Bools, values: Floats, weights: tuple[float, float]
) -> Joint:
    """Join the mean differences of genuine and of impostor pairs, weighted."""
    kinds = Kind(clusters, values, is_genuine), Kind(clusters, values, ~is_genuine)
    one, other = (
        weight * kind.influence(values) for kind, weight in zip(kinds, weights, strict=True)
    )
    variances = [
        max(kind.variance(influence), weight**2 * kind.modelled_variance(values))
        for kind, influence, weight in zip(kinds, (one, other), weights, strict=True)
    ]
    return Joint(kinds, (one, other), (variances[0], variances[1]))


def _compare_areas(clusters: Clusters, is_genuine: Bools, placed: Floats) -> tuple[Estimate, float]:
    """Estimate the difference of two AUC, with its p value, from differences of placements."""
    joint = _joint_difference(clusters, is_genuine, placed, (1.0, 1.0))
    difference, deviation = float(placed[is_genuine].mean()), math.sqrt(joint.variance)
    if not deviation:
        # No placement varies, so that the variance is 0. By Wilson's interval, this says only how
        # rare pairs are at most whose placements do vary.
        fewer = min(clusters.count(which) for which in (is_genuine, ~is_genuine))
        deviation = wilson(0.0, fewer, joint.quantile).high / joint.quantile
    half = joint.quantile * deviation
    low, high = max(-1.0, difference - half), min(1.0, difference + half)
    conservative = joint.has_few or not joint.variance
    p_value = student_p_value(difference / deviation, joint.degrees)
    return Estimate(difference, low, high, conservative), p_value


def _compare_accuracies(
    clusters: Clusters, is_genuine: Bools, gains: Floats
) -> tuple[Estimate, float]:
    """Estimate the difference of two accuracies, with its p value.

    Args:
        clusters: Groups of pairs that share identities.
        is_genuine: Which pairs are genuine, bool `(n,)`.
        gains: 1 where only A is right, -1 where only B is, 0 elsewhere.
    """
    n, share = len(gains), float(is_genuine.mean())
    joint = _joint_difference(clusters, is_genuine, gains, (share, 1 - share))
    difference, discordant = float(gains.mean()), float(np.abs(gains).mean())
    n_clusters = clusters.count(np.full(n, True))
    # As for a rate: the spread of few discordant pairs cannot be trusted.
    is_capped = n_clusters < n and clusters.count(gains != 0) < RULE_OF_30
    cases = float(n_clusters if is_capped else n)
    if clusters.are_known and joint.variance:
        cases = max(1.0, min(cases, (discordant - difference**2) / joint.variance))
    # Bonett and Price add one pair that only A decides correctly, and one that only B does.
    centre, total = difference * cases / (cases + 2), (discordant * cases + 2) / (cases + 2)
    half = joint.quantile * math.sqrt((total - centre**2) / (cases + 2))
    low, high = (
        max(-1.0, min(difference, centre - half)),
        min(1.0, max(difference, centre + half)),
    )
    factor = cases / n * (Z / joint.quantile) ** 2
    fewer = min(int(np.sum(gains > 0)), int(np.sum(gains < 0)))
    p_value = _mcnemar(round(np.count_nonzero(gains) * factor), round(fewer * factor))
    return Estimate(difference, low, high, joint.has_few or is_capped), p_value


def _mcnemar(n: int, fewer: int) -> float:
    """Compute the exact p value of McNemar's test.

    Args:
        n: Number of pairs that only one of two verifiers decides correctly.
        fewer: Number of these pairs that the worse verifier decides correctly.
    """
    if 2 * fewer >= n:
        return 1.0
    k = np.arange(1, fewer + 1)
    log_counts = np.append(0.0, np.cumsum(np.log(n - k + 1) - np.log(k)))
    return min(1.0, 2 * float(np.exp(log_counts - n * math.log(2)).sum()))


_TITLES = {"auc": "AUC", "accuracy": "accuracy"}
