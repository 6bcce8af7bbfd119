"""What scores of labelled pairs are worth: rates of error, each with its interval. NumPy only."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from siamese_verify.intervals import (
    Bools,
    Estimate,
    Floats,
    People,
    Z,
    from_variance,
    variance,
    wilson,
)
from siamese_verify.roc import checked, roc_curve
from siamese_verify.thresholds import Cuts, best_threshold


class EvaluationWarning(UserWarning):
    """A figure that the pairs at hand say little about."""


def evaluate_scores(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    threshold: float | None = None,
    people: npt.ArrayLike | None = None,
) -> Evaluation:
    """Measures how well scores tell same from different pairs.

    Args:
        scores: Scores `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = same, 0 = different; both must occur.
        threshold: Pairs that score as much or more are accepted as same. Choose it on other pairs,
            see `choose_threshold`. By default it is the best one for these very pairs, which makes
            accuracy, FAR and FRR look better than they are.
        people: The two people of each pair `(n, 2)`, the same one twice for a same pair. Pairs that
            share a person are then not taken as independent, which makes intervals wider. By
            default nobody is in two pairs.

    Returns:
        An `Evaluation`; prints as a table.

    Raises:
        ValueError: If lengths differ, a score is not finite, labels are not both 0 and 1,
            `threshold` is NaN, or `people` are not two for each pair.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> labels = np.repeat([1, 0], 500)
        >>> report = evaluate_scores(rng.normal(2.0 * labels), labels, threshold=1.0)
        >>> report.accuracy, report.accuracy > 0.8
        (0.8510 [0.8276, 0.8717], True)
        >>> report.tar(far=0.1)
        0.7900 [0.7320, 0.8421]
    """
    codes = None
    if people is not None:
        names = np.asarray(people)
        if names.shape != (np.size(scores), 2):
            raise ValueError(
                "`people` must name two people for each score. "
                f"Received: shape {names.shape} for {np.size(scores)} scores"
            )
        codes = np.unique(names, return_inverse=True)[1].reshape(-1, 2)
    return Evaluation(scores, labels, threshold, codes)


class Evaluation:
    """What scores of labelled pairs are worth; made by `evaluate_scores`, prints as a table.

    Each figure is an `Estimate`, a number that carries its 95% interval.

    Attributes:
        scores: The scores `(n,)`, in their own precision, in which they are compared.
        is_same: Of each pair whether it is same, bool `(n,)`.
        threshold: That of `accuracy`, `far` and `frr`.
        roc: The `RocCurve`.
        n_same: Number of same pairs.
        n_different: Number of different pairs.

    References:
        DeLong, DeLong, Clarke-Pearson, "Comparing the areas under two or more correlated receiver
        operating characteristic curves", 1988; Zou, Donner, "Construction of confidence limits
        about effect measures: a general approach", 2008 (of the true accept rate at a false one).
    """

    def __init__(
        self,
        scores: npt.ArrayLike,
        labels: npt.ArrayLike,
        threshold: float | None,
        people: People | None,
    ):
        self.scores, self.is_same = checked(scores, labels)
        self._people = people
        self.roc = roc_curve(self.scores, self.is_same)
        self.n_same, self.n_different = int(self.is_same.sum()), int((~self.is_same).sum())
        self._is_chosen_here = threshold is None
        self.threshold = float(self.best_threshold if threshold is None else threshold)
        if np.isnan(self.threshold):
            raise ValueError("`threshold` must be a number. Received: threshold=nan")

    def among(self, chosen: npt.ArrayLike) -> Evaluation:
        """The figures of some of the pairs, at the same threshold, such as those of a group.

        Args:
            chosen: bool `(n,)`: which pairs; same and different ones must be among them.

        Raises:
            ValueError: If it is of another type or length, or leaves pairs of one kind only.
        """
        chosen = np.asarray(chosen)
        if chosen.dtype != bool or chosen.shape != self.scores.shape:
            raise ValueError(
                f"`chosen` must be a bool for each of {len(self.scores):,} pairs. "
                f"Received: {chosen.dtype} array of shape {chosen.shape}"
            )
        people = None if self._people is None else self._people[chosen]
        labels = self.is_same[chosen].astype(np.int32)
        return Evaluation(self.scores[chosen], labels, self.threshold, people)

    @property
    def accuracy(self) -> Estimate:
        """The share of the pairs that are right at `threshold`."""
        return self._rate(self._right(self.threshold), np.ones_like(self.is_same))

    @property
    def far(self) -> Estimate:
        """False accept rate: the share of the different pairs that are accepted at `threshold`."""
        return self._rate(self.scores >= self.threshold, ~self.is_same)

    @property
    def frr(self) -> Estimate:
        """False reject rate: the share of the same pairs that are rejected at `threshold`."""
        return self._rate(self.scores < self.threshold, self.is_same)

    @functools.cached_property
    def best_threshold(self) -> Estimate:
        """That of the highest accuracy, among those that may be as good."""
        cuts = Cuts(self.scores, self.is_same)
        best = cuts.most_accurate()
        n = len(self.scores)
        # Only the pairs between two thresholds are right at one of them and wrong at the other.
        between = np.abs(cuts.rejected - cuts.rejected[best]) / n
        loss = cuts.errors() - cuts.errors()[best]
        everyone = np.ones_like(self.is_same)
        excess = self._excess(self._right(cuts.threshold(best)), everyone)
        errors = excess * np.sqrt(np.maximum(between - loss**2, 0) / n)
        as_good = np.flatnonzero(loss <= _CUBE_ROOT_QUANTILE * errors)
        ends = (cuts.threshold(int(cut)) for cut in (as_good[0], as_good[-1]))
        return Estimate(cuts.threshold(best), *ends)

    @functools.cached_property
    def best_accuracy(self) -> Estimate:
        """That at `best_threshold`, which is optimistic: it is chosen on these very pairs.

        The interval allows for that; it is of the accuracy at the best threshold for all pairs
        like these.
        """
        everyone = np.ones_like(self.is_same)
        highest = self._rate(self._right(self.best_threshold), everyone)
        # Each tenth at the best threshold of the rest is too low by about as much.
        right = np.zeros_like(self.is_same)
        part = np.empty(len(right), np.int64)
        part[np.argsort(self.scores, kind="stable")] = np.arange(len(right)) % 10
        for out in (part == i for i in range(10)):
            if 0 < self.is_same[~out].sum() < (~out).sum():
                threshold = best_threshold(self.scores[~out], self.is_same[~out])
                right[out] = self._right(threshold)[out]
        lowest = self._rate(right, everyone)
        high = max(highest, (lowest.high + highest.high) / 2)
        return Estimate(float(highest), min(lowest.low, highest.low), high)

    @functools.cached_property
    def auc(self) -> Estimate:
        """Area under the ROC curve: how often a same pair scores above a different one."""
        influence = np.zeros(len(self.scores))
        for mine, sign in ((self.is_same, 1), (~self.is_same, -1)):
            score, others = sign * self.scores[mine], np.sort(sign * self.scores[~mine])
            below = np.searchsorted(others, score, "left") + np.searchsorted(others, score, "right")
            share: Floats = below / (2 * len(others))
            influence[mine] = (share - share.mean()) / np.sqrt(len(score) * max(1, len(score) - 1))
        fewer = min(self.n_same, self.n_different)
        auc = self.roc.auc
        uncertainty = variance(influence, self._people)
        return wilson(auc, auc * (1 - auc) / uncertainty if uncertainty else fewer)

    @functools.cached_property
    def eer(self) -> Estimate:
        """Equal error rate: where FAR and FRR cross, linearly between the nearest thresholds."""
        far, frr = self.roc.far, self.roc.frr
        after = int(np.argmax(far >= frr))
        gaps = np.abs(far - frr)[after - 1 : after + 1]
        share = gaps[0] / gaps.sum()
        rate = float(far[after - 1] + share * (far[after] - far[after - 1]))
        accepted = self.scores >= self.roc.thresholds[after]
        false_accepts = self._influence(accepted, ~self.is_same)
        low, high = self._near(rate, false_accepts)
        (rise,) = np.diff(self._tar_at([low, high]))
        slope = rise / (high - low)  # of the ROC curve: a shift of the threshold moves both rates
        influence = (self._influence(~accepted, self.is_same) + slope * false_accepts) / (1 + slope)
        n = self.n_same + self.n_different
        return from_variance(rate, variance(influence, self._people), n)

    def tar(self, far: float) -> Estimate:
        """True accept rate where at most a share `far` of the different pairs is accepted.

        Raises:
            ValueError: If `far` is not above 0 and at most 1.

        Warns:
            EvaluationWarning: If the different pairs are too few for this rate: how many it takes.
        """
        if not 0 < far <= 1:
            raise ValueError(f"`far` must be above 0 and at most 1. Received: far={far}")
        at = int(np.flatnonzero(self.roc.far <= far * (1 + 1e-9))[-1])
        accepted = self.scores >= self.roc.thresholds[at]
        among_same = self._rate(accepted, self.is_same)
        # How many of them are accepted is itself a matter of chance: that of `far` of them.
        spread = np.sqrt(far * (1 - far) / self.n_different) * self._excess(accepted, ~self.is_same)
        low, high = self._tar_at([far - Z * spread, min(1.0, far + Z * spread)])
        if far - Z * spread <= 0 < 1 - far:
            low = 0.0
            warnings.warn(
                f"TAR at FAR {far:g} takes {pairs_for_far(far):,} different pairs or more; there "
                f"are {self.n_different:,}. Its interval shows how little these tell.",
                EvaluationWarning,
                stacklevel=2,
            )
        correlation = self._correlation(accepted)
        below = _together(among_same - among_same.low, max(0.0, among_same - low), correlation)
        above = _together(among_same.high - among_same, max(0.0, high - among_same), correlation)
        ends = max(0.0, among_same - below), min(1.0, among_same + above)
        return Estimate(float(among_same), *ends)

    def to_dict(self) -> dict[str, Any]:
        """All that is printed, for JSON: each figure as `[value, low, high]`."""
        counts = {"n_same": self.n_same, "n_different": self.n_different}
        figures = {name: figure.to_list() for name, figure in self._figures().items()}
        return {**counts, "threshold": self.threshold, **figures}

    def _figures(self) -> dict[str, Estimate]:
        names = ("accuracy", "far", "frr", "best_accuracy", "best_threshold", "auc", "eer")
        figures: dict[str, Estimate] = {name: getattr(self, name) for name in names}
        answerable = [far for far in _FARS if self.n_different >= pairs_for_far(far)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EvaluationWarning)  # where people repeat
            return figures | {f"tar_at_far_{far:g}": self.tar(far) for far in answerable}

    @override
    def __str__(self) -> str:
        chosen = ", chosen on these very pairs" if self._is_chosen_here else ""
        rows: dict[str, object] = {
            "pairs": f"{self.n_same:,} same, {self.n_different:,} different",
            "threshold": f"{self.threshold:.4f}{chosen}",
        }
        rows |= {_TITLES.get(name, name): figure for name, figure in self._figures().items()}
        return "\n".join(f"{name:<18}{value}" for name, value in rows.items())

    def _right(self, threshold: float) -> Bools:
        right: Bools = (self.scores >= threshold) == self.is_same
        return right

    def _rate(self, hits: Bools, among: Bools) -> Estimate:
        influence = self._influence(hits, among)
        rate, n = float(hits[among].mean()), int(among.sum())
        return from_variance(rate, variance(influence, self._people), n)

    def _influence(self, hits: Bools, among: Bools) -> Floats:
        """Of each pair on the share of `hits` among some."""
        influence: Floats = np.where(among, hits - hits[among].mean(), 0.0) / among.sum()
        return influence

    def _excess(self, hits: Bools, among: Bools) -> float:
        """How many times as large as for independent pairs the standard error of a share is."""
        influence = self._influence(hits, among)
        independent = variance(influence, None)
        if not independent:
            return 1.0
        return float(np.sqrt(variance(influence, self._people) / independent))

    def _correlation(self, accepted: Bools) -> float:
        """Of the shares of same and of different pairs accepted; 0 if all are independent."""
        parts = [self._influence(accepted, among) for among in (self.is_same, ~self.is_same)]
        same, different, both = (variance(x, self._people) for x in (*parts, parts[0] + parts[1]))
        if not same * different:
            return 0.0
        return float(np.clip((both - same - different) / 2 / np.sqrt(same * different), 0, 1))

    def _near(self, rate: float, influence: Floats) -> tuple[float, float]:
        """Rates two standard errors below and above, and a pair more."""
        width = 2 * np.sqrt(variance(influence, self._people)) + 1 / self.n_different
        return max(0.0, rate - width), min(1.0, rate + width)

    def _tar_at(self, far: list[float]) -> Floats:
        tar: Floats = np.interp(far, self.roc.far, self.roc.tar)
        return tar


class FoldAccuracy(NamedTuple):
    """Accuracy over folds, each at the threshold of the others; prints as LFW's page gives it."""

    mean: float
    """The mean accuracy over the folds."""
    standard_error: float
    """That of the mean: the folds' standard deviation over the root of their number."""
    accuracies: Floats
    """The accuracy of each fold."""
    thresholds: Floats
    """The threshold of each fold, chosen on the others."""

    @override
    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.standard_error:.4f}"


def evaluate_folds(
    scores: npt.ArrayLike, labels: npt.ArrayLike, folds: npt.ArrayLike | Sequence[int]
) -> FoldAccuracy:
    """The protocol of LFW's View 2: for each fold, the threshold comes from the others.

    Args:
        scores: Scores `(n,)`, higher is more alike, of models that have not seen these pairs.
        labels: Labels `(n,)`: 1 = same, 0 = different.
        folds: The fold of each pair `(n,)`, such as `PairList.folds`.

    Returns:
        Mean accuracy and its standard error, and accuracy and threshold of each fold.

    Raises:
        ValueError: If lengths differ, a score is not finite, or there are not two folds or more,
            the others of each of which have same and different pairs.

    Example:
        >>> print(evaluate_folds([0.9, 0.1, 0.8, 0.3, 0.4, 0.6], [1, 0] * 3, [0, 0, 1, 1, 2, 2]))
        0.6667 ± 0.3333

    Reference:
        Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", 2007 (View 2).
    """
    score, same = checked(scores, labels)
    fold = np.asarray(folds).ravel()
    numbers = np.unique(fold)
    if len(fold) != len(score) or len(numbers) < 2:
        raise ValueError(
            "`folds` must give the fold of each score, of two folds or more. "
            f"Received: {len(fold)} for {len(score)} scores, {len(numbers)} of them different"
        )
    outs = [fold == number for number in numbers.tolist()]
    thresholds = np.array([best_threshold(score[~out], same[~out]) for out in outs])
    accuracies = np.array(
        [
            np.mean((score[out] >= threshold) == same[out])
            for out, threshold in zip(outs, thresholds, strict=True)
        ]
    )
    error = float(accuracies.std(ddof=1) / len(outs) ** 0.5)
    return FoldAccuracy(float(accuracies.mean()), error, accuracies, thresholds)


def _together(one: float, other: float, correlation: float) -> float:
    """Half the width of an interval for the difference of two, from theirs."""
    return float(np.sqrt(one**2 + other**2 - 2 * correlation * one * other))


def pairs_for_far(far: float) -> int:
    """How many different pairs it takes for the interval of this rate to end above 0."""
    return int(np.ceil(Z**2 * (1 - far) / far))


_FARS = (0.1, 0.01, 0.001)
_TITLES = {
    "far": "FAR",
    "frr": "FRR",
    "best_accuracy": "best accuracy",
    "best_threshold": "best threshold",
    "auc": "AUC",
    "eer": "EER",
    **{f"tar_at_far_{far:g}": f"TAR at FAR {far:g}" for far in _FARS},
}
# How much better, in standard errors of the difference, the best threshold looks than the true one
# or one beyond it, in 95% of cases: of W(t) - t**2 with a Brownian W, which is what the accuracy
# around its maximum tends to (Kim, Pollard, "Cube root asymptotics", 1990).
_CUBE_ROOT_QUANTILE = 1.55
