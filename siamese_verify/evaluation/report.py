"""Evaluation of the scores of labelled pairs: error rates with their intervals. NumPy only."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from siamese_verify.evaluation.accuracy import (
    estimate_accuracy,
    estimate_best_accuracy,
    estimate_best_threshold,
)
from siamese_verify.evaluation.checks import check_labelled_scores
from siamese_verify.evaluation.clusters import checked_codes
from siamese_verify.evaluation.groups import GroupFigures, check_groups, measure_groups
from siamese_verify.evaluation.intervals import Estimate, Identities
from siamese_verify.evaluation.rates import Rate
from siamese_verify.evaluation.report_text import FARS, report_text
from siamese_verify.evaluation.roc_figures import (
    can_answer,
    estimate_auc,
    estimate_eer,
    estimate_tar,
    pairs_for_rate,
)
from siamese_verify.evaluation.scored_pairs import ScoredPairs
from siamese_verify.evaluation.thresholds import tar_name
from siamese_verify.messages import listed, shown
from siamese_verify.user_warnings import warn_user


class EvaluationWarning(UserWarning):
    """Warning about a figure that the evaluated pairs determine only roughly."""


def evaluate_scores(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    threshold: float | None = None,
    identities: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
) -> Evaluation:
    """Measure how well scores separate genuine from impostor pairs.

    Args:
        scores: Scores `(n,)`, higher is more alike.
        labels: Labels `(n,)`: 1 = genuine, 0 = impostor. Both must occur.
        threshold: Score from which a pair is accepted. Choose it on other pairs, see
            `choose_threshold`. By default it is the best threshold for these very pairs. Accuracy,
            FAR and FRR then look better than they are.
        identities: The two identities of each pair `(n, 2)`, the same one twice for a genuine pair.
            Intervals then allow for pairs that share an identity, which makes them wider. By
            default no identity is in two pairs.
        groups: Name of the group of each pair `(n,)`, such as `"skilled"` or `"random"` for
            forgeries. `""` stands for none. The report then has figures by group.

    Returns:
        An `Evaluation`, which prints as a table.

    Raises:
        ValueError: If lengths differ, a score is not finite, or labels are not both 0 and 1. Also
            if `threshold` is NaN, `identities` are not two for each pair, or `groups` not one.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> labels = np.repeat([1, 0], 500)
        >>> report = evaluate_scores(rng.normal(2.0 * labels), labels, threshold=1.0)
        >>> report.accuracy, report.accuracy > 0.8
        (0.8510 [0.8276, 0.8717], True)
        >>> report.tar(far=0.1)
        0.7900 [0.7320, 0.8421]
    """
    codes = None if identities is None else checked_codes(identities, np.size(scores))
    return Evaluation(scores, labels, threshold, codes, groups)


class Evaluation:
    """Figures of the scores of labelled pairs, from `evaluate_scores`. Prints as a table.

    Each figure is an `Estimate`, a number that carries its 95% interval. The interval allows for
    pairs that share identities. An estimate is `conservative` where few identities or few errors
    leave only an interval that is wider than needed.

    Attributes:
        scores: Scores `(n,)`, in their own precision, in which they are compared.
        is_same: Which pairs are genuine, bool `(n,)`.
        identities: Codes of the two identities of each pair `(n, 2)`, or None.
        threshold: Score from which a pair is accepted, for `accuracy`, `far` and `frr`.
        chose_threshold: Whether `threshold` was chosen on these very pairs.
        roc: The `RocCurve`.
        n_same: Number of genuine pairs.
        n_different: Number of impostor pairs.
        groups: Name of the group of each pair `(n,)`, or None.
    """

    def __init__(
        self,
        scores: npt.ArrayLike,
        labels: npt.ArrayLike,
        threshold: float | None,
        identities: Identities | None,
        groups: npt.ArrayLike | None = None,
    ):
        self.scores, self.is_same = check_labelled_scores(scores, labels)
        self.identities = identities
        self.groups = None if groups is None else check_groups(groups, len(self.scores))
        self._pairs = ScoredPairs(self.scores, self.is_same, identities)
        self.roc = self._pairs.roc
        self.n_same, self.n_different = self._pairs.genuine.n, self._pairs.impostor.n
        self.chose_threshold = threshold is None
        self.threshold = float(self.best_threshold if threshold is None else threshold)
        if np.isnan(self.threshold):
            raise ValueError("`threshold` must be a number. Received: threshold=nan")

    def __bool__(self) -> bool:
        """Raise a `TypeError`: whether a verifier is good enough depends on a figure."""
        raise TypeError(
            "An Evaluation is not true or false. Compare a figure with what you need, such as "
            "`report.accuracy.low > 0.9`, or the object with None: `report is not None`."
        )

    def among(self, chosen: npt.ArrayLike) -> Evaluation:
        """Evaluate some of the pairs, such as the pairs of a group, at the same threshold.

        Args:
            chosen: Which pairs, bool `(n,)`. Genuine and impostor pairs must be among them.

        Raises:
            ValueError: If it has another type or length, or leaves pairs of one kind only.
        """
        chosen = np.asarray(chosen)
        if chosen.dtype != bool or chosen.shape != self.scores.shape:
            raise ValueError(
                f"`chosen` must be a bool for each of {len(self.scores):,} pairs. "
                f"Received: {chosen.dtype} array of shape {chosen.shape}"
            )
        identities = None if self.identities is None else self.identities[chosen]
        groups = None if self.groups is None else self.groups[chosen]
        scores, labels = self.scores[chosen], self.is_same[chosen].astype(np.int32)
        return Evaluation(scores, labels, self.threshold, identities, groups)

    def against(self, group: str) -> Evaluation:
        """Evaluate all genuine pairs against the impostor pairs of a group, such as `"skilled"`.

        Raises:
            ValueError: If the group has no impostor pairs.
        """
        impostor = ~self.is_same & (self.groups == group)
        if not impostor.any():
            raise ValueError(
                "`group` must be the name of a group of impostor pairs. "
                f"Received: group={shown(repr(group))}, of {listed(list(self.by_group)) or 'none'}"
            )
        return self.among(self.is_same | impostor)

    @functools.cached_property
    def by_group(self) -> dict[str, GroupFigures]:
        """Figures of each group, by its name. FAR and FRR are at `threshold`."""
        if self.groups is None:
            return {}
        return measure_groups(self._pairs, self.groups[self._pairs.order], self.threshold)

    @property
    def accuracy(self) -> Estimate:
        """Share of the pairs that are decided correctly at `threshold`."""
        return estimate_accuracy(self._pairs, self._pairs.are_right(self.threshold))

    @property
    def far(self) -> Estimate:
        """False accept rate: share of the impostor pairs that are accepted at `threshold`."""
        return Rate(self._pairs.impostor, self._pairs.scores >= self.threshold).estimate

    @property
    def frr(self) -> Estimate:
        """False reject rate: share of the genuine pairs that are rejected at `threshold`."""
        return Rate(self._pairs.genuine, self._pairs.scores < self.threshold).estimate

    @functools.cached_property
    def best_threshold(self) -> Estimate:
        """Threshold of the highest accuracy. The interval holds all that may be as good."""
        return estimate_best_threshold(self._pairs)

    @functools.cached_property
    def best_accuracy(self) -> Estimate:
        """Accuracy at `best_threshold`: optimistic, because it is chosen on these very pairs.

        The interval allows for that. It is for the accuracy at the best threshold for all pairs
        like these.
        """
        return estimate_best_accuracy(self._pairs, self.best_threshold)

    @functools.cached_property
    def auc(self) -> Estimate:
        """Area under the ROC curve: how often a genuine pair scores above an impostor pair."""
        return estimate_auc(self._pairs)

    @functools.cached_property
    def eer(self) -> Estimate:
        """Equal error rate: where FAR and FRR cross, linearly between the nearest thresholds."""
        return estimate_eer(self._pairs)

    def tar(self, far: float) -> Estimate:
        """Estimate the true accept rate at a false accept rate of at most `far`.

        Raises:
            ValueError: If `far` is not above 0 and at most 1.

        Warns:
            EvaluationWarning: If the impostor pairs are too few for this rate.
        """
        if not 0 < far <= 1:
            raise ValueError(f"`far` must be above 0 and at most 1. Received: far={far}")
        estimate, cases = estimate_tar(self._pairs, far)
        if not can_answer(self._pairs, far, cases):
            warn_user(
                f"TAR at FAR {far:g} needs {pairs_for_rate(far):,} impostor pairs or more. There "
                f"are {self.n_different:,}, which tell as much as {cases:,.0f} independent pairs. "
                "So its interval is wide. Evaluate more impostor pairs, or a higher FAR.",
                EvaluationWarning,
            )
        return estimate

    def to_dict(self) -> dict[str, Any]:
        """Return all that is printed, for JSON: each figure as `[value, low, high]`."""
        figures = self._figures()
        return {
            "n_same": self.n_same,
            "n_different": self.n_different,
            "threshold": self.threshold,
            **{name: figure.to_list() for name, figure in figures.items()},
            "conservative": [name for name, figure in figures.items() if figure.conservative],
            "groups": {name: group.to_dict() for name, group in self.by_group.items()},
        }

    def _figures(self) -> dict[str, Estimate]:
        names = ("accuracy", "far", "frr", "best_accuracy", "best_threshold", "auc", "eer")
        figures: dict[str, Estimate] = {name: getattr(self, name) for name in names}
        most = self._pairs.impostor.n_clusters
        answerable = [far for far in FARS if most >= pairs_for_rate(far)]
        with warnings.catch_warnings():
            # Where identities repeat, the impostor pairs may tell less than their number says.
            warnings.simplefilter("ignore", EvaluationWarning)
            return figures | {tar_name(far): self.tar(far) for far in answerable}

    @override
    def __str__(self) -> str:
        chosen = ", chosen on these very pairs" if self.chose_threshold else ""
        facts = {
            "pairs": f"{self.n_same:,} genuine, {self.n_different:,} impostor",
            "threshold": f"{self.threshold:.4f}{chosen}",
        }
        return report_text(facts, self._figures(), self.by_group)
