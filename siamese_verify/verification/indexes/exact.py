"""`ExactIndex`: compares each probe with the whole gallery, in memory."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.scoring import Floats, GalleryScorer, appended
from siamese_verify.verification.indexes.index import (
    Ids,
    Neighbors,
    checked_addition,
    checked_removal,
    rows_of,
)


class ExactIndex:
    """Index that compares each probe with the whole gallery, block by block.

    Adding costs time in proportion to what is added, and so does removing. Neither copies the
    gallery each time.

    Args:
        head: Head, as for `SiameseModel`.
        size: Number of values of an embedding.

    Examples:
        >>> index = ExactIndex(CosineHead(), size=3)
        >>> index.add(np.array([5, 6, 7]), np.eye(3, dtype=np.float32))
        >>> index.remove(np.array([6]))
        >>> index.search(np.array([[0, 2, 1]], np.float32), k=2).ids.tolist()
        [[7, 5]]
    """

    def __init__(self, head: keras.layers.Layer, size: int):
        self._size = whole_number("size", size)
        # Searches go on with the state that they began with. A change makes another state.
        no_ids = np.empty(0, np.int64)
        self._state = _State(
            GalleryScorer(head, np.empty((0, self._size), np.float32)), no_ids, no_ids
        )

    def __len__(self) -> int:
        return len(self._state)

    def add(self, ids: Ids, embeddings: Floats) -> None:
        """Add embeddings.

        Ascending ids are fastest: an id below an earlier one costs a copy of the gallery.

        Args:
            ids: New ids, int64 `(n,)`, not negative.
            embeddings: float32 array `(n, size)`.

        Raises:
            ValueError: If shapes do not fit, an id is negative or already there, or an embedding
                is not finite.
        """
        state = self._state
        ids, embeddings = checked_addition(self._size, ids, embeddings, state.present)
        if len(ids):
            self._state = state.extended(ids, embeddings)

    def remove(self, ids: Ids) -> None:
        """Remove embeddings.

        Args:
            ids: Ids of the index, int64 `(n,)`.

        Raises:
            ValueError: If an id is not in the index.
        """
        state = self._state
        self._state = state.without(checked_removal(ids, state.present))

    def search(self, probes: Floats, k: int) -> Neighbors:
        """Find the `k` neighbours of each probe, or all if the gallery has fewer.

        Equal scores come in the order of the ids.

        Args:
            probes: float32 array `(m, size)`.
            k: Number of neighbours.

        Returns:
            Scores and ids `(m, k)`.

        Raises:
            ValueError: If `k` is below 1.
            RuntimeError: If a score is not finite.
        """
        state = self._state
        scorer, ids, removed = state.scorer, state.ids, state.removed
        k = min(whole_number("k", k), len(state))
        scores = np.full((len(probes), k), -np.inf, np.float32)
        found = np.full((len(probes), k), -1, np.int64)
        for rows, columns, block in scorer.blocks(probes):
            # NaN is neither larger nor smaller, so it would hide other scores.
            if not (np.isfinite(block.min()) and np.isfinite(block.max())):
                raise RuntimeError(
                    "The head returned scores of the gallery that are not finite, so they decide "
                    "nothing. Use another head, or train the model again with a lower learning "
                    "rate."
                )
            if len(removed):
                first, last = np.searchsorted(removed, (columns.start, columns.stop))
                block[:, removed[first:last] - columns.start] = -np.inf
            scores[rows], found[rows] = _merged(scores[rows], found[rows], block, columns.start)
        return Neighbors(scores, ids[found])


@dataclasses.dataclass(frozen=True)
class _State:
    scorer: GalleryScorer
    ids: Ids
    """Ids of the rows of the scorer. They ascend, so that equal scores come in their order."""
    removed: Ids
    """Rows that are removed, ascending."""

    def __len__(self) -> int:
        return len(self.ids) - len(self.removed)

    def present(self, ids: Ids) -> npt.NDArray[np.bool_]:
        rows = rows_of(self.ids, ids)
        return (rows >= 0) & ~np.isin(rows, self.removed)

    def extended(self, ids: Ids, embeddings: Floats) -> _State:
        in_order = not len(self.ids) or ids[0] > self.ids[-1]
        # An id that was removed may be among the new ones.
        old = self if in_order else self.compact()
        new = _State(old.scorer.extended(embeddings), appended(old.ids, ids), old.removed)
        return new if in_order else new.selected(np.argsort(new.ids))

    def without(self, ids: Ids) -> _State:
        removed = np.union1d(self.removed, np.searchsorted(self.ids, ids))
        new = dataclasses.replace(self, removed=removed)
        return new.compact() if 2 * len(removed) > len(self.ids) else new

    def compact(self) -> _State:
        return self.selected(np.delete(np.arange(len(self.ids)), self.removed))

    def selected(self, rows: Ids) -> _State:
        return _State(self.scorer.selected(rows), self.ids[rows], self.removed[:0])


def _merged(scores: Floats, found: Ids, block: Floats, start: int) -> tuple[Floats, Ids]:
    """Merge the neighbours so far with a block of scores, best first. Equals keep their order."""
    n, k = scores.shape
    if not k:
        return scores, found
    if not np.isfinite(scores[:, -1]).all() and block.shape[1] > k:
        # Nearly all scores would beat the neighbours so far, so the k-th best of the block decides.
        bar = np.partition(block, -k, axis=1)[:, -k]
        rows, columns = np.nonzero(block >= np.maximum(bar, scores[:, -1])[:, None])
    else:
        rows, columns = np.nonzero(block > scores[:, -1:])
    row = np.concatenate([np.repeat(np.arange(n), k), rows])
    score = np.concatenate([scores.ravel(), block[rows, columns]])
    index = np.concatenate([found.ravel(), start + columns])
    order = np.lexsort((index, -score, row))
    rank = np.arange(len(row)) - np.searchsorted(row[order], np.arange(n))[row[order]]
    kept = order[rank < k]
    return score[kept].reshape(n, k), index[kept].reshape(n, k)
