"""`GalleryIndex`: the index of a gallery in memory, which follows its changes."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from siamese_verify.messages import shown
from siamese_verify.scoring import Floats, compares_directions
from siamese_verify.verification.decision import Match
from siamese_verify.verification.enrolled_images import EnrolledImages
from siamese_verify.verification.indexes.index import Index, IndexType, fill

_METHODS = ("add", "remove", "search", "__len__")


class GalleryIndex:
    """Index of a gallery. It adds and removes what has changed since the last search.

    It is not safe to use from threads.

    Args:
        images: Gallery to search.
    """

    def __init__(self, images: EnrolledImages):
        self._images = images
        # The index, the type that made it, and the largest id that it has had.
        self._made: tuple[IndexType, Index, int] | None = None

    def search(
        self,
        index_type: IndexType,
        head: keras.layers.Layer,
        probes: Floats,
        k: int,
        threshold: float,
        below_threshold: bool,
    ) -> list[list[Match]]:
        """Find the `k` best-matching identities of each probe.

        Args:
            index_type: Class of the index, or a function that makes one.
            head: Head that scores two embeddings.
            probes: float32 array `(m, size)`.
            k: Largest number of identities.
            threshold: Lowest score of an accepted match.
            below_threshold: Whether to return matches that are not accepted too.

        Returns:
            Matches of each probe, best first.

        Raises:
            RuntimeError: If a score is NaN, or the index returns an id that is not enrolled.
            TypeError: If the index lacks a method.
        """
        index = self._updated(index_type, head)
        lowest = -math.inf if below_threshold else threshold
        found: list[list[Match]] = [[] for _ in probes]
        # Several of the best images may show one identity, so that more are needed.
        pending, count = np.arange(len(probes) if self._images else 0), k
        while len(pending):
            scores, ids = index.search(probes[pending], count)
            finished = np.full(len(pending), count >= self._images.n_templates)
            for i, probe in enumerate(pending.tolist()):
                matches = self._matches(scores[i], ids[i], threshold, lowest)
                found[probe] = matches[:k]
                # A database may return fewer neighbours than asked for.
                has_all = len(matches) >= k or scores.shape[1] < count
                finished[i] |= has_all or scores[i, -1] < lowest
            pending, count = pending[~finished], 4 * count
        return found

    def _matches(self, scores: Floats, ids: Any, threshold: float, lowest: float) -> list[Match]:
        """Make a match of each identity among the neighbours of a probe."""
        best: dict[str, Match] = {}
        for score, id_ in zip(scores.tolist(), ids.tolist(), strict=True):
            if score != score or score == math.inf:  # An index of the user's may return NaN.
                raise RuntimeError(
                    f"The index of the gallery returned the score {score}, so it decides "
                    "nothing. Use ExactIndex."
                )
            if id_ >= 0 and score >= lowest:
                name, image = self._images.find(id_)
                if name not in best:
                    metadata = self._images.metadata_of(name)
                    best[name] = Match(name, score, score >= threshold, image, metadata)
        return list(best.values())

    def _updated(self, index_type: IndexType, head: keras.layers.Layer) -> Index:
        """Bring the index up to date, or make one."""
        images = self._images
        stale, images.stale = np.array(images.stale, np.int64), []
        made, self._made = self._made, None  # If a change raises, the index is not used again.
        unit = compares_directions(head)
        if made is None or made[0] is not index_type:
            index, last = _made(index_type, head, len(images.frame.reference)), -1
            ids, embeddings = images.templates_after(last, unit)
            fill(index, ids, embeddings)
        else:
            _, index, last = made
            ids, embeddings = images.templates_after(last, unit)
            if len(stale := stale[stale <= last]):
                index.remove(stale)
            if len(ids):
                index.add(ids, embeddings)
        self._made = index_type, index, int(ids[-1]) if len(ids) else last
        return index


def _made(index_type: IndexType, head: keras.layers.Layer, size: int) -> Index:
    is_class = isinstance(index_type, type)
    index: Any = index_type if is_class else index_type(head, size)
    if lacking := [method for method in _METHODS if not hasattr(index, method)]:
        raise TypeError(
            f"An index must have the methods {', '.join(_METHODS)}, and index_type(head, size) "
            "must make it. Earlier versions passed all embeddings to index_type and searched only. "
            f"Received: index_type={shown(repr(index_type))} without {', '.join(lacking)}"
        )
    return index_type(head, size) if is_class else index
