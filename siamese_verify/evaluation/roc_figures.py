"""Figures of the ROC curve with their intervals: AUC, equal error rate, true accept rate at a FAR.

NumPy only.

References:
    DeLong, DeLong, Clarke-Pearson, "Comparing the areas under two or more correlated receiver
    operating characteristic curves", 1988.
    Zou, Donner, "Construction of confidence limits about effect measures: a general approach",
    2008 (for the true accept rate at a false accept rate).
"""

from __future__ import annotations

import numpy as np

from siamese_verify.evaluation.dependence import RULE_OF_30
from siamese_verify.evaluation.intervals import Estimate, Floats, Z, wilson
from siamese_verify.evaluation.rates import Joint, JointRate, Rate
from siamese_verify.evaluation.roc import RocCurve, placements
from siamese_verify.evaluation.scored_pairs import ScoredPairs


def estimate_auc(pairs: ScoredPairs) -> Estimate:
    """Estimate the area under the ROC curve."""
    placed = placements(pairs.scores, pairs.genuine.chosen)
    influence = pairs.genuine.influence(placed), pairs.impostor.influence(placed)
    one, other = (
        max(kind.variance(own), kind.modelled_variance(placed))
        for kind, own in zip(pairs.kinds, influence, strict=True)
    )
    joint = Joint(pairs.kinds, influence, (one, other))
    if joint.variance:
        return joint.logit_estimate(pairs.roc.auc)
    fewer = min(kind.n_clusters for kind in pairs.kinds)
    return wilson(pairs.roc.auc, fewer, joint.quantile, conservative=True)


def estimate_eer(pairs: ScoredPairs) -> Estimate:
    """Estimate the error rate where FAR and FRR cross, linearly between the nearest thresholds."""
    far, frr = pairs.roc.far, pairs.roc.frr
    after = int(np.argmax(far >= frr))
    gaps = np.abs(far - frr)[after - 1 : after + 1]
    share = gaps[0] / gaps.sum()
    rate = float(far[after - 1] + share * (far[after] - far[after - 1]))
    accepted = pairs.scores >= pairs.roc.thresholds[after]
    rates = Rate(pairs.genuine, ~accepted), Rate(pairs.impostor, accepted)
    width = 2 * np.sqrt(rate * (1 - rate) / rates[1].cases(rate)) + 1 / pairs.impostor.n
    low, high = max(0.0, rate - width), min(1.0, rate + width)
    (rise,) = np.diff(_tar_at(pairs.roc, [low, high]))
    # A shift of the threshold moves both rates, along the slope of the ROC curve.
    slope = rise / (high - low)
    joint = JointRate(rates, (1 / (1 + slope), slope / (1 + slope)))
    return joint.estimate(rate, lambda true: joint.cases(true, true))


def estimate_tar(pairs: ScoredPairs, far: float) -> tuple[Estimate, float]:
    """Estimate the true accept rate where at most a share `far` of impostor pairs is accepted.

    Returns:
        The estimate, and the number of independent impostor pairs that would tell as much.
    """
    at = int(np.flatnonzero(pairs.roc.far <= far * (1 + 1e-9))[-1])
    accepted = pairs.scores >= pairs.roc.thresholds[at]
    rates = Rate(pairs.genuine, accepted), Rate(pairs.impostor, accepted)
    genuine = rates[0].estimate
    # The threshold varies too, because the number of accepted impostor pairs does.
    cases = rates[1].cases(far)
    spread = _far_spread(pairs, far, cases)
    low, high = _tar_at(pairs.roc, [far - spread, min(1.0, far + spread)])
    conservative = genuine.conservative or far * cases < RULE_OF_30
    if not can_answer(pairs, far, cases):
        low, conservative = 0.0, True
    together = max(0.0, JointRate(rates, (0.5, 0.5)).correlation)
    below = _width_of_difference(genuine - genuine.low, max(0.0, genuine - low), together)
    above = _width_of_difference(genuine.high - genuine, max(0.0, high - genuine), together)
    ends = max(0.0, genuine - below), min(1.0, genuine + above)
    return Estimate(float(genuine), *ends, conservative), cases


def can_answer(pairs: ScoredPairs, far: float, cases: float) -> bool:
    """Tell whether `cases` independent impostor pairs suffice for a TAR at this FAR."""
    return far == 1 or far > _far_spread(pairs, far, cases)


def pairs_for_rate(rate: float) -> int:
    """Count the pairs from which the interval of an error rate ends above 0."""
    return int(np.ceil(Z**2 * (1 - rate) / rate))


def _far_spread(pairs: ScoredPairs, far: float, cases: float) -> float:
    """Compute half the width of the interval of a false accept rate among independent pairs."""
    return float(pairs.impostor.quantile * np.sqrt(far * (1 - far) / cases))


def _tar_at(roc: RocCurve, far: list[float]) -> Floats:
    tar: Floats = np.interp(far, roc.far, roc.tar)
    return tar


def _width_of_difference(one: float, other: float, correlation: float) -> float:
    """Compute half the width of the interval of a difference from the half widths of both terms."""
    return float(np.sqrt(one**2 + other**2 - 2 * correlation * one * other))
