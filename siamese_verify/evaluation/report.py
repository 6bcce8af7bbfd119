"""What scores of labelled pairs are worth: rates of error, each with its interval. NumPy only."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from siamese_verify.evaluation.dependence import RULE_OF_30, Clusters, Joint, JointRate, Kind, Rate
from siamese_verify.evaluation.intervals import Bools, Estimate, Floats, Identities, Z, wilson
from siamese_verify.evaluation.roc import checked, column, roc_curve
from siamese_verify.evaluation.thresholds import Cuts, best_threshold, tar_name


class EvaluationWarning(UserWarning):
    """A figure that the pairs at hand say little about."""


def evaluate_scores(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    threshold: float | None = None,
    identities: npt.ArrayLike | None = None,
) -> Evaluation:
    """Measures how well scores tell same from different pairs.

    Args:
        scores: Scores `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = same, 0 = different; both must occur.
        threshold: Pairs that score as much or more are accepted as same. Choose it on other pairs,
            see `choose_threshold`. By default it is the best one for these very pairs, which makes
            accuracy, FAR and FRR look better than they are.
        identities: The two identities of each pair `(n, 2)`, the same one twice for a same pair. Pairs that
            share an identity are then not taken as independent, which makes intervals wider. By
            default nobody is in two pairs.

    Returns:
        An `Evaluation`; prints as a table.

    Raises:
        ValueError: If lengths differ, a score is not finite, labels are not both 0 and 1,
            `threshold` is NaN, or `identities` are not two for each pair.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> labels = np.repeat([1, 0], 500)
        >>> report = evaluate_scores(rng.normal(2.0 * labels), labels, threshold=1.0)
        >>> report.accuracy, report.accuracy > 0.8
        (0.8510 [0.8276, 0.8717], True)
        >>> report.tar(far=0.1)
        0.7900 [0.7320, 0.8421]
    """
    codes = None
    if identities is not None:
        names = np.asarray(identities)
        if names.shape != (np.size(scores), 2) or np.ma.isMaskedArray(identities):
            raise ValueError(
                "`identities` must name two identities for each score. "
                f"Received: shape {names.shape} for {np.size(scores)} scores"
            )
        codes = np.unique(names, return_inverse=True)[1].reshape(-1, 2)
    return Evaluation(scores, labels, threshold, codes)


class Evaluation:
    """What scores of labelled pairs are worth; made by `evaluate_scores`, prints as a table.

    Each figure is an `Estimate`, a number that carries its 95% interval. The interval allows for
    pairs that share identities. Where few identities or few errors leave only an interval that is
    wider than needed, the estimate says `conservative`.

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
        identities: Identities | None,
    ):
        self.scores, self.is_same = checked(scores, labels)
        self._identities = identities
        self.roc = roc_curve(self.scores, self.is_same)
        self.n_same, self.n_different = int(self.is_same.sum()), int((~self.is_same).sum())
        self._prepare()
        self._is_chosen_here = threshold is None
        self.threshold = float(self.best_threshold if threshold is None else threshold)
        if np.isnan(self.threshold):
            raise ValueError("`threshold` must be a number. Received: threshold=nan")

    def _prepare(self) -> None:
        """Sorts the pairs, so that no figure depends on their order, not even by rounding."""
        keys: list[npt.NDArray[Any]] = [self.is_same, self.scores]
        if self._identities is not None:
            keys = [*np.sort(self._identities, axis=1).T, *keys]
        order = np.lexsort(keys)
        self._sorted, same = self.scores[order], self.is_same[order]
        sorted_identities = None if self._identities is None else self._identities[order]
        clusters = Clusters(len(order), sorted_identities)
        self._same, self._different = (
            Kind(clusters, self._sorted, which) for which in (same, ~same)
        )

    def __bool__(self) -> bool:
        """Raises a `TypeError`: whether a verifier is good enough is a question of figures."""
        raise TypeError(
            "An Evaluation is not true or false. Compare a figure with what you need, such as "
            "`report.accuracy.low > 0.9`, or the object with None: `report is not None`."
        )

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
        identities = None if self._identities is None else self._identities[chosen]
        labels = self.is_same[chosen].astype(np.int32)
        return Evaluation(self.scores[chosen], labels, self.threshold, identities)

    @property
    def accuracy(self) -> Estimate:
        """The share of the pairs that are right at `threshold`."""
        return self._accuracy(self._right(self.threshold))

    @property
    def far(self) -> Estimate:
        """False accept rate: the share of the different pairs that are accepted at `threshold`."""
        return Rate(self._different, self._sorted >= self.threshold).estimate

    @property
    def frr(self) -> Estimate:
        """False reject rate: the share of the same pairs that are rejected at `threshold`."""
        return Rate(self._same, self._sorted < self.threshold).estimate

    @functools.cached_property
    def best_threshold(self) -> Estimate:
        """That of the highest accuracy, among those that may be as good."""
        cuts = Cuts(self.scores, self.is_same)
        best = cuts.most_accurate()
        n = len(self.scores)
        # Only the pairs between two thresholds are right at one of them and wrong at the other.
        between = np.abs(cuts.rejected - cuts.rejected[best]) / n
        loss = cuts.errors() - cuts.errors()[best]
        _, cases = self._rightness(self._right(cuts.threshold(best)))
        errors = np.sqrt(np.maximum(between - loss**2, 0) / min(n, cases))
        as_good = np.flatnonzero(loss <= _CUBE_ROOT_QUANTILE * errors)
        low, high = (cuts.threshold(int(cut)) for cut in (as_good[0], as_good[-1]))
        return Estimate(cuts.threshold(best), low, high)

    @functools.cached_property
    def best_accuracy(self) -> Estimate:
        """That at `best_threshold`, which is optimistic: it is chosen on these very pairs.

        The interval allows for that; it is of the accuracy at the best threshold for all pairs
        like these.
        """
        highest = self._accuracy(self._right(self.best_threshold))
        # Each tenth at the best threshold of the rest is too low by about as much.
        right = np.zeros_like(self._same.chosen)
        # Equal scores stay together, whatever their order.
        part = np.unique(self._sorted, return_inverse=True)[1].ravel() % 10
        for out in (part == i for i in range(10)):
            if 0 < self._same.chosen[~out].sum() < (~out).sum():
                threshold = best_threshold(self._sorted[~out], self._same.chosen[~out])
                right[out] = self._right(threshold)[out]
        lowest = self._accuracy(right)
        high = max(highest, (lowest.high + highest.high) / 2)
        return Estimate(float(highest), min(lowest.low, highest.low), high, highest.conservative)

    @functools.cached_property
    def auc(self) -> Estimate:
        """Area under the ROC curve: how often a same pair scores above a different one."""
        placements = np.zeros(len(self._sorted))
        kinds = self._same, self._different
        for mine, others, sign in ((*kinds, 1), (*kinds[::-1], -1)):
            score = sign * self._sorted[mine.chosen]
            there = np.sort(sign * self._sorted[others.chosen])
            below = np.searchsorted(there, score, "left") + np.searchsorted(there, score, "right")
            placements[mine.chosen] = below / (2 * len(there))
        auc = self.roc.auc
        influence = kinds[0].influence(placements), kinds[1].influence(placements)
        one, other = (
            max(kind.variance(own), kind.modelled_variance(placements))
            for kind, own in zip(kinds, influence, strict=True)
        )
        joint = Joint(kinds, influence, (one, other))
        if joint.variance:
            return joint.logit_estimate(auc)
        fewer = min(kind.n_clusters for kind in kinds)
        return wilson(auc, fewer, joint.quantile, conservative=True)

    @functools.cached_property
    def eer(self) -> Estimate:
        """Equal error rate: where FAR and FRR cross, linearly between the nearest thresholds."""
        far, frr = self.roc.far, self.roc.frr
        after = int(np.argmax(far >= frr))
        gaps = np.abs(far - frr)[after - 1 : after + 1]
        share = gaps[0] / gaps.sum()
        rate = float(far[after - 1] + share * (far[after] - far[after - 1]))
        accepted = self._sorted >= self.roc.thresholds[after]
        rates = Rate(self._same, ~accepted), Rate(self._different, accepted)
        width = 2 * np.sqrt(rate * (1 - rate) / rates[1].cases(rate)) + 1 / self.n_different
        low, high = max(0.0, rate - width), min(1.0, rate + width)
        (rise,) = np.diff(self._tar_at([low, high]))
        slope = rise / (high - low)  # of the ROC curve: a shift of the threshold moves both rates
        joint = JointRate(rates, (1 / (1 + slope), slope / (1 + slope)))
        return joint.estimate(rate, lambda true: joint.cases(true, true))

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
        accepted = self._sorted >= self.roc.thresholds[at]
        rates = Rate(self._same, accepted), Rate(self._different, accepted)
        among_same = rates[0].estimate
        # How many of them are accepted is itself a matter of chance: that of `far` of them.
        cases = rates[1].cases(far)
        spread = self._different.quantile * np.sqrt(far * (1 - far) / cases)
        low, high = self._tar_at([far - spread, min(1.0, far + spread)])
        conservative = among_same.conservative or far * cases < RULE_OF_30
        if far - spread <= 0 < 1 - far:
            low, conservative = 0.0, True
            warnings.warn(
                f"TAR at FAR {far:g} takes {pairs_for_far(far):,} different pairs or more; there "
                f"are {self.n_different:,}, which tell as much as {cases:,.0f} independent ones. "
                "Its interval shows how little these tell.",
                EvaluationWarning,
                stacklevel=2,
            )
        together = max(0.0, JointRate(rates, (0.5, 0.5)).correlation)
        below = _together(among_same - among_same.low, max(0.0, among_same - low), together)
        above = _together(among_same.high - among_same, max(0.0, high - among_same), together)
        ends = max(0.0, among_same - below), min(1.0, among_same + above)
        return Estimate(float(among_same), *ends, conservative)

    def to_dict(self) -> dict[str, Any]:
        """All that is printed, for JSON: each figure as `[value, low, high]`."""
        counts = {"n_same": self.n_same, "n_different": self.n_different}
        figures = self._figures()
        return {
            **counts,
            "threshold": self.threshold,
            **{name: figure.to_list() for name, figure in figures.items()},
            "conservative": [name for name, figure in figures.items() if figure.conservative],
        }

    def _figures(self) -> dict[str, Estimate]:
        names = ("accuracy", "far", "frr", "best_accuracy", "best_threshold", "auc", "eer")
        figures: dict[str, Estimate] = {name: getattr(self, name) for name in names}
        answerable = [far for far in _FARS if self._different.n_clusters >= pairs_for_far(far)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EvaluationWarning)  # where identities repeat
            return figures | {tar_name(far): self.tar(far) for far in answerable}

    @override
    def __str__(self) -> str:
        chosen = ", chosen on these very pairs" if self._is_chosen_here else ""
        figures = self._figures()
        rows: dict[str, object] = {
            "pairs": f"{self.n_same:,} same, {self.n_different:,} different",
            "threshold": f"{self.threshold:.4f}{chosen}",
        }
        rows |= {
            _TITLES.get(name, name): f"{figure}{' *' if figure.conservative else ''}"
            for name, figure in figures.items()
        }
        lines = [f"{name:<18}{value}" for name, value in rows.items()]
        if any(figure.conservative for figure in figures.values()):
            lines.append("* conservative: too few identities or errors for a narrower interval")
        return "\n".join(lines)

    def _right(self, threshold: float) -> Bools:
        right: Bools = (self._sorted >= threshold) == self._same.chosen
        return right

    def _accuracy(self, right: Bools) -> Estimate:
        joint, cases = self._rightness(right)
        return joint.estimate(float(right.mean()), lambda _: cases)

    def _rightness(self, right: Bools) -> tuple[JointRate, float]:
        """The rates of both kinds that are right, and how many cases their mean is worth."""
        rates = Rate(self._same, right), Rate(self._different, right)
        joint = JointRate(rates, (self.n_same / len(right), self.n_different / len(right)))
        # Wilson's centre: a kind without an error is not known without error.
        cases = [rate.cases(rate.observed) for rate in rates]
        centres = [
            (rate.observed * n + Z**2 / 2) / (n + Z**2)
            for rate, n in zip(rates, cases, strict=True)
        ]
        return joint, joint.cases(*centres)

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

    Examples:
        >>> print(evaluate_folds([0.9, 0.1, 0.8, 0.3, 0.4, 0.6], [1, 0] * 3, [0, 0, 1, 1, 2, 2]))
        0.6667 ± 0.3333

    Reference:
        Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", 2007 (View 2).
    """
    score, same = checked(scores, labels)
    fold = column("folds", folds)
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
    **{tar_name(far): f"TAR at FAR {far:g}" for far in _FARS},
}
# How much better, in standard errors of the difference, the best threshold looks than the true one
# or one beyond it, in 95% of cases: of W(t) - t**2 with a Brownian W, which is what the accuracy
# around its maximum tends to (Kim, Pollard, "Cube root asymptotics", 1990).
_CUBE_ROOT_QUANTILE = 1.55
