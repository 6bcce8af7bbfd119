"""Figures of groups of pairs, such as skilled and random forgeries. NumPy only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation.dependence import Kind
from siamese_verify.evaluation.intervals import Estimate
from siamese_verify.evaluation.rates import Rate
from siamese_verify.evaluation.roc_figures import estimate_eer
from siamese_verify.evaluation.scored_pairs import ScoredPairs

Texts = npt.NDArray[np.str_]


class GroupFigures(NamedTuple):
    """Figures of one group of pairs. A rate is None where the group has no pairs for it."""

    n_same: int
    """Number of genuine pairs in the group."""
    n_different: int
    """Number of impostor pairs in the group."""
    far: Estimate | None
    """Share of the group's impostor pairs that are accepted at the threshold."""
    frr: Estimate | None
    """Share of the group's genuine pairs that are rejected at the threshold."""
    eer: Estimate | None
    """Equal error rate of all genuine pairs against the group's impostor pairs."""

    @property
    def rates(self) -> dict[str, Estimate]:
        """The rates that are known, by name."""
        rates = {"far": self.far, "frr": self.frr, "eer": self.eer}
        return {name: rate for name, rate in rates.items() if rate is not None}

    def to_dict(self) -> dict[str, Any]:
        """Make a record for JSON: each known rate as `[value, low, high]`."""
        return {
            "n_same": self.n_same,
            "n_different": self.n_different,
            **{name: rate.to_list() for name, rate in self.rates.items()},
            "conservative": [name for name, rate in self.rates.items() if rate.conservative],
        }


def measure_groups(pairs: ScoredPairs, groups: Texts, threshold: float) -> dict[str, GroupFigures]:
    """Measure each group of pairs, by its name.

    Args:
        pairs: The scored pairs.
        groups: Group of each pair `(n,)`, in the order of `pairs.scores`.
        threshold: Score from which a pair is accepted.
    """

    def measure(group: str) -> GroupFigures:
        mine, accepted = groups == group, pairs.scores >= threshold
        genuine, impostor = (mine & kind.chosen for kind in pairs.kinds)
        far, frr, eer = None, None, None
        if impostor.any():
            against = pairs.against(impostor)
            far, eer = Rate(against.impostor, accepted).estimate, estimate_eer(against)
        if genuine.any():
            frr = Rate(Kind(pairs.genuine.clusters, pairs.scores, genuine), ~accepted).estimate
        return GroupFigures(int(genuine.sum()), int(impostor.sum()), far, frr, eer)

    return {group: measure(group) for group in np.unique(groups).tolist() if group}


def check_groups(groups: npt.ArrayLike, n: int) -> Texts:
    """Return the group of each pair as an array of str `(n,)`.

    Raises:
        ValueError: If there is not one text for each pair.
    """
    array = np.asarray(groups)
    kinds = {type(value).__name__ for value in array.ravel().tolist()}
    if array.shape != (n,) or kinds - {"str"} or np.ma.isMaskedArray(groups):
        raise ValueError(
            "`groups` must hold the name of a group for each score, or '' where a pair has none. "
            f"Received: shape {array.shape} for {n} scores, of {', '.join(sorted(kinds))}"
        )
    return array.astype(str)
