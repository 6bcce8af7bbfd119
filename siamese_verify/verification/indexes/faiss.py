"""`FaissIndex`: finds nearly all neighbours by FAISS, in a fraction of the time."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.files import PathLike
from siamese_verify.scoring import Floats, unit_rows
from siamese_verify.verification.indexes.compressed import Compressed, InMemory, OnDisk
from siamese_verify.verification.indexes.exact import ExactIndex
from siamese_verify.verification.indexes.index import (
    Contents,
    Ids,
    Neighbors,
    check_cosine,
    checked_addition,
    checked_removal,
    digests,
    rows_of,
)
from siamese_verify.verification.indexes.rows import Part, Rows

_RECENT = 10_000  # Up to so many embeddings, an exact search is as fast.
_SHARE = 8  # Also up to this fraction of the compressed gallery.


class FaissIndex:
    """Index that finds nearly all neighbours in a fraction of the time, in memory or on disk.

    It compares each probe with a compressed form of the gallery (product quantization), and then
    the best candidates exactly. The scores are therefore the scores of the head. Up to 10,000
    embeddings are searched exactly. It needs the extra `search`.

    New embeddings are searched exactly too, until they are an eighth of the gallery. Then the
    gallery is compressed again. So is a gallery of which a half was removed.

    With `path`, a file holds the compressed gallery, and memory only what searches read lately.
    The file is written when the gallery is compressed, and replaced only when it is complete. It
    is a copy of a verifier's gallery. When the index is opened, `fill` adds the embeddings that the
    file lacks, and removes all that the gallery does not have.

    Args:
        head: A `CosineHead`.
        size: Number of values of an embedding.
        candidates: Number of candidates to compare exactly. More are slower and find more.
        path: Path of the file, or None for an index in memory. One process at a time may use it.

    Raises:
        ValueError: If the head is not a `CosineHead`, or `path` is another file or damaged.
        ImportError: If FAISS is not installed.

    Examples:
        >>> import functools
        >>> index_type = functools.partial(FaissIndex, path="faces.faiss")

    Reference:
        Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", 2011; André,
        Kermarrec, Le Scouarnec, "Quicker ADC", 2019.
    """

    def __init__(
        self,
        head: keras.layers.Layer,
        size: int,
        candidates: int = 400,
        path: PathLike | None = None,
    ):
        import faiss  # noqa: F401  An error of the constructor, not of a later search.

        check_cosine("FaissIndex", head)
        self._head, self._size = head, whole_number("size", size)
        self._candidates = whole_number("candidates", candidates)
        self._path = None if path is None else Path(path)
        # Searches go on with the state that they began with. A change makes another state.
        base = None if self._path is None else OnDisk.opened(self._path, self._size)
        self._state = self._begun(base)

    def __len__(self) -> int:
        return len(self._state)

    def contents(self) -> Contents:
        """Tell what the index holds (see `StoredIndex`)."""
        rows = self._state.rows()
        return Contents(rows.ids, rows.digests)

    def add(self, ids: Ids, embeddings: Floats) -> None:
        """Add embeddings, as `ExactIndex.add` does."""
        state = self._state
        ids, embeddings = checked_addition(self._size, ids, embeddings, state.present)
        new = Part(ids, digests(embeddings), embeddings)
        limit = max(_RECENT, len(state) // _SHARE)
        is_many = len(state.recent.ids) + len(ids) > limit
        self._state = self._compressed(state.rows(new)) if is_many else state.extended(new)

    def remove(self, ids: Ids) -> None:
        """Remove embeddings, as `ExactIndex.remove` does."""
        state = self._state
        new = state.without(checked_removal(ids, state.present))
        is_half = new.base is not None and 2 * len(new.removed) > len(new.base.part.ids)
        self._state = self._compressed(new.rows()) if is_half else new

    def search(self, probes: Floats, k: int) -> Neighbors:
        """Find nearly all of the `k` neighbours of each probe, as `ExactIndex.search` does.

        Where FAISS finds fewer, scores are -inf and ids -1.
        """
        state = self._state
        k = min(whole_number("k", k), len(state))
        recent = state.index.search(probes, max(k, 1))
        if state.base is None or not k:
            return recent
        old = _without(state.base, unit_rows(probes), k, self._candidates, state.removed)
        scores = np.concatenate([recent.scores, old.scores], axis=1)
        ids = np.concatenate([recent.ids, old.ids], axis=1)
        order = np.lexsort((ids, -scores))[:, :k]
        return Neighbors(
            np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
        )

    def _begun(self, base: Compressed | None) -> _State:
        nothing = np.empty(0, np.int64)
        recent = Part(nothing, nothing, np.empty((0, self._size), np.float32))
        return _State(base, nothing, recent, ExactIndex(self._head, self._size))

    def _compressed(self, rows: Rows) -> _State:
        """Compress all rows but zeros, which a `CosineHead` scores in a way of its own."""
        if isinstance(self._state.base, OnDisk):
            self._state.base.check()  # The new file must not hold what damage has left.
        zeros, others = rows.zeros_apart()
        if len(others) <= _RECENT:
            if self._path is not None:
                self._path.unlink(missing_ok=True)
            return self._begun(None).extended(rows.as_part())
        base = InMemory(others) if self._path is None else OnDisk.written(self._path, others)
        return self._begun(base).extended(zeros.as_part())


@dataclasses.dataclass(frozen=True)
class _State:
    base: Compressed | None
    removed: Ids
    """Ids of the compressed gallery that are removed, ascending. They may be in `recent` again."""
    recent: Part
    index: ExactIndex
    """Index of `recent`."""

    def __len__(self) -> int:
        old = 0 if self.base is None else len(self.base.part.ids) - len(self.removed)
        return old + len(self.recent.ids)

    def present(self, ids: Ids) -> npt.NDArray[np.bool_]:
        there = np.isin(ids, self.recent.ids)
        if self.base is not None:
            there |= (rows_of(self.base.part.ids, ids) >= 0) & (rows_of(self.removed, ids) < 0)
        return there

    def rows(self, *more: Part) -> Rows:
        if self.base is None:
            return Rows([self.recent, *more], self.removed)
        old = self.base.part
        return Rows([old, self.recent, *more], rows_of(old.ids, self.removed))

    def extended(self, new: Part) -> _State:
        index = copy.copy(self.index)
        index.add(new.ids, new.embeddings)
        return dataclasses.replace(self, recent=self.recent.extended(new), index=index)

    def without(self, ids: Ids) -> _State:
        recent, index = self.recent, self.index
        in_recent = np.intersect1d(ids, recent.ids)
        if len(in_recent):
            recent, index = recent.without(in_recent), copy.copy(index)
            index.remove(in_recent)
        removed = np.union1d(self.removed, np.setdiff1d(ids, in_recent))
        return _State(self.base, removed, recent, index)


def _without(base: Compressed, probes: Floats, k: int, candidates: int, removed: Ids) -> Neighbors:
    """Search a compressed gallery for neighbours that are not removed."""
    n = len(base.part.ids)
    count = min(k + min(k, len(removed)), n)
    while True:
        scores, ids = base.search(probes, count, candidates)
        gone = rows_of(removed, ids) >= 0
        scores, ids = np.where(gone, -np.inf, scores), np.where(gone, -1, ids)
        # More are needed where removed ones have taken the places of others.
        if count == n or np.min(count - gone.sum(axis=1), initial=k) >= min(k, n - len(removed)):
            return Neighbors(scores, ids)
        count = min(4 * count, n)
