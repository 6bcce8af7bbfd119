"""Choice of a threshold from the scores of validation pairs. NumPy only."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import finite_number
from siamese_verify.evaluation.checks import check_labelled_scores
from siamese_verify.evaluation.intervals import Floats
from siamese_verify.evaluation.roc import count_by_score
from siamese_verify.messages import shown


def best_threshold(
    scores: npt.ArrayLike, labels: npt.ArrayLike, prior: float | None = None
) -> float:
    """Find the threshold of the highest accuracy.

    It lies halfway between the neighbouring scores. If several thresholds are equally good, it is
    the middle one. Choose it on validation pairs, never on the pairs that are then reported.

    Args:
        scores: Scores `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = genuine, 0 = impostor. Both must occur.
        prior: Share of genuine pairs for which the accuracy is highest. 0.5 stands for balanced
            accuracy. By default it is the share in `labels`.

    Returns:
        The threshold. Pairs that score as much or more are accepted.

    Raises:
        ValueError: If lengths differ, a score is not finite, labels are not both 0 and 1, or
            `prior` is not between 0 and 1.

    Examples:
        >>> best_threshold([0.9, 0.7, 0.3, 0.1], [1, 1, 0, 0])
        0.5
    """
    points = OperatingPoints(scores, labels)
    return points.threshold(points.most_accurate(prior))


def choose_threshold(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    policy: str = "max_accuracy",
    prior: float = 0.5,
) -> float:
    """Choose a threshold by policy. It does not depend on the share of genuine pairs in `labels`.

    Args:
        scores: Scores of validation pairs `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = genuine, 0 = impostor. Both must occur.
        policy: Rule for the threshold. `"max_accuracy"`: highest accuracy, for `prior`. `"eer"`:
            false accept and false reject rate nearest to each other, which varies less on few
            pairs. `"far=0.01"`: most genuine pairs accepted, with a false accept rate of at most
            0.01. `"frr=0.01"`: most impostor pairs rejected, with a false reject rate of at most
            0.01. `"cost=10:1"`: lowest expected cost for `prior`, where a false accept costs 10
            and a false reject 1.
        prior: Expected share of genuine pairs in use, for `"max_accuracy"` and `"cost=..."`.

    Returns:
        The threshold, halfway between the neighbouring scores. If several thresholds are equally
        good, it is the middle one.

    Raises:
        ValueError: If lengths differ, a score is not finite, labels are not both 0 and 1, or
            another argument is out of range.

    Examples:
        >>> scores, labels = [0.9, 0.7, 0.5, 0.3, 0.1], [1, 0, 1, 0, 0]
        >>> choose_threshold(scores, labels, "far=0.01")
        0.8

    References:
        Kim, Pollard, "Cube root asymptotics", Annals of Statistics 18(1), 1990 (how slowly the
        threshold of the highest accuracy settles).
    """
    kind, value = parse_policy(policy)
    points = OperatingPoints(scores, labels)
    if kind == "eer":
        return points.threshold(points.nearest_rates())
    if kind == "far":
        return points.threshold(points.at_far(value))
    if kind == "frr":
        return points.threshold(points.at_frr(value))
    return points.threshold(points.cheapest(prior, 1.0 if kind == "max_accuracy" else value))


class Policy(NamedTuple):
    """Rule for a threshold."""

    kind: str
    """Text before the equals sign."""
    value: float
    """Highest rate, or cost of a false accept divided by the cost of a false reject. Else NaN."""


def parse_policy(policy: str) -> Policy:
    """Read the text of a policy.

    Raises:
        ValueError: If the policy is unknown.
    """
    if policy in ("max_accuracy", "eer"):
        return Policy(policy, math.nan)
    # `float` passes over line breaks and needless zeros, which a message cannot show.
    if isinstance(policy, str) and policy == shown(policy):
        kind, _, value = policy.partition("=")
        rate = _positive(value)
        if kind in ("far", "frr") and 0 < rate < 1:
            return Policy(kind, rate)
        accept, _, reject = value.partition(":")
        ratio = _positive(accept) / _positive(reject)
        if kind == "cost" and 0 < ratio < math.inf:
            return Policy(kind, ratio)
    raise ValueError(
        "`policy` must be 'max_accuracy', 'eer', a highest rate between 0 and 1 such as 'far=0.01' "
        "or 'frr=0.01', or the costs of a false accept and a false reject such as 'cost=10:1'. "
        f"Received: policy={shown(repr(policy))}"
    )


def _positive(text: str) -> float:
    """Read a positive finite number. NaN stands for anything else."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if 0 < number < math.inf else math.nan


def check_prior(prior: Any) -> float:
    """Return the share of genuine pairs in use as a float of Python.

    Raises:
        ValueError: If it is not a number between 0 and 1.
    """
    prior = finite_number("prior", prior)
    if not 0 < prior < 1:
        raise ValueError(f"`prior` must be between 0 and 1. Received: prior={prior}")
    return prior


def tar_name(far: float) -> str:
    """Name the true accept rate at a false accept rate, without a dot: a path can hold it.

    Examples:
        >>> tar_name(0.1), tar_name(0.015), tar_name(1)
        ('tar_at_far_1e-1', 'tar_at_far_15e-3', 'tar_at_far_1')
    """
    _, digits, exponent = Decimal(repr(float(far))).normalize().as_tuple()
    power = f"e{exponent}" if exponent else ""
    return f"tar_at_far_{''.join(map(str, digits))}{power}"


class OperatingPoints:
    """All operating points of some scores. Point `i` rejects the `i` lowest distinct scores.

    Attributes:
        rejected: Number of pairs that each point rejects `(k + 1,)`.
        far: False accept rate at each point.
        frr: False reject rate at each point.

    Args:
        scores: Scores `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = genuine, 0 = impostor. Both must occur.
    """

    def __init__(self, scores: npt.ArrayLike, labels: npt.ArrayLike):
        self._values, genuine, impostor = count_by_score(*check_labelled_scores(scores, labels))
        self._n_genuine, self._n_impostor = genuine.sum(), impostor.sum()
        # Counts are whole numbers, so that a rate of 0 is exactly 0.
        self._false_rejects = np.append(0.0, np.cumsum(genuine))
        self._false_accepts = self._n_impostor - np.append(0.0, np.cumsum(impostor))
        self.rejected = np.append(0.0, np.cumsum(genuine + impostor))
        self.frr = self._false_rejects / self._n_genuine
        self.far = self._false_accepts / self._n_impostor

    def errors(self, prior: float | None = None) -> Floats:
        """Compute the share of wrong pairs at each point, for a share `prior` of genuine pairs."""
        return self._costs(self._share_of_genuine() if prior is None else prior, 1.0)

    def most_accurate(self, prior: float | None = None) -> int:
        """Find the point with the fewest errors."""
        return _lowest(self.errors(prior))

    def cheapest(self, prior: float, ratio: float) -> int:
        """Find the point of the lowest cost, if a false accept costs `ratio` false rejects."""
        return _lowest(self._costs(prior, ratio))

    def nearest_rates(self) -> int:
        """Find the point whose false accept and false reject rate are nearest to each other."""
        # Products of counts are exact, and rates are not.
        apart = self._false_accepts * self._n_genuine - self._false_rejects * self._n_impostor
        return _lowest(np.abs(apart))

    def at_far(self, far: float) -> int:
        """Find the point that accepts most pairs with a false accept rate of at most `far`."""
        return int(np.argmax(self.far <= far * (1 + _ROUNDING)))

    def at_frr(self, frr: float) -> int:
        """Find the point that rejects most pairs with a false reject rate of at most `frr`."""
        return int(np.flatnonzero(self.frr <= frr * (1 + _ROUNDING))[-1])

    def _share_of_genuine(self) -> float:
        return float(self._n_genuine / (self._n_genuine + self._n_impostor))

    def _costs(self, prior: float, ratio: float) -> Floats:
        prior = check_prior(prior)
        costs: Floats = prior * self.frr + (1 - prior) * ratio * self.far
        return costs

    def threshold(self, point: int) -> float:
        """Compute the threshold of a point, halfway between the scores on either side."""
        values = self._values
        lowest = np.minimum(values[:1] - 1, np.nextafter(values[:1], -np.inf))
        edges = np.concatenate([lowest, values, values[-1:] + 1])
        # A sum may overflow, so each score is halved first. Rounding may make the middle equal to
        # the lower score, which must be rejected.
        middle = edges[point] / 2 + edges[point + 1] / 2
        return float(max(middle, np.nextafter(edges[point], np.inf)))


def _lowest(values: Floats) -> int:
    """Find the middle one of the points with the lowest value, which is not negative."""
    (best,) = np.nonzero(values <= values.min() * (1 + _ROUNDING))
    return int(best[len(best) // 2])


_ROUNDING = 1e-12  # Numbers that differ by a smaller share are equal.
