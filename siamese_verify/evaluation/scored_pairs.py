"""Scores of labelled pairs, sorted and grouped by identities. NumPy only."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation.clusters import Clusters
from siamese_verify.evaluation.dependence import Kind
from siamese_verify.evaluation.intervals import Bools, Identities
from siamese_verify.evaluation.roc import roc_curve


class ScoredPairs:
    """Scores of genuine and impostor pairs, in an order that depends on their values alone.

    The order of summands affects rounding. Sorted, no figure depends on the order of the pairs.

    Attributes:
        order: Place of each pair among the pairs that were passed `(n,)`.
        scores: Scores `(n,)`, in this order.
        genuine: The genuine pairs.
        impostor: The impostor pairs.
        roc: The `RocCurve`.

    Args:
        scores: Scores `(n,)`, finite.
        is_genuine: Which pairs are genuine, bool `(n,)`.
        identities: Codes of the two identities of each pair `(n, 2)`, or None.
    """

    def __init__(
        self, scores: npt.NDArray[np.floating], is_genuine: Bools, identities: Identities | None
    ):
        self.order = order = canonical_order(identities, is_genuine, scores)
        self.scores, chosen = scores[order], is_genuine[order]
        clusters = Clusters(len(order), None if identities is None else identities[order])
        self.genuine, self.impostor = (
            Kind(clusters, self.scores, which) for which in (chosen, ~chosen)
        )
        self.roc = roc_curve(scores, is_genuine)

    def against(self, impostors: Bools) -> Self:
        """Keep all genuine pairs, and some impostor pairs only.

        Args:
            impostors: Which pairs to keep, bool `(n,)`, in the order of `scores`.
        """
        pairs = copy.copy(self)
        pairs.impostor = Kind(self.impostor.clusters, self.scores, impostors)
        both = self.genuine.chosen | impostors
        pairs.roc = roc_curve(self.scores[both], self.genuine.chosen[both])
        return pairs

    @property
    def kinds(self) -> tuple[Kind, Kind]:
        """Genuine and impostor pairs."""
        return self.genuine, self.impostor

    def are_right(self, threshold: float) -> Bools:
        """Tell which pairs are decided correctly at a threshold."""
        right: Bools = (self.scores >= threshold) == self.genuine.chosen
        return right


def canonical_order(
    identities: Identities | None, is_genuine: Bools, *scores: npt.NDArray[np.floating]
) -> npt.NDArray[np.int64]:
    """Sort pairs by their scores, then by label and identities, in whichever order these are."""
    keys: list[npt.NDArray[Any]] = [is_genuine, *scores]
    if identities is not None:
        keys = [*np.sort(identities, axis=1).T, *keys]
    return np.lexsort(keys)
