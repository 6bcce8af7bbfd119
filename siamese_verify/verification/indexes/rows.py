"""`Rows`: embeddings from several places as one array, in the order of their ids."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from siamese_verify.scoring import Floats, appended, unit_rows
from siamese_verify.verification.indexes.index import Ids

_BLOCK = 2**16


class Part(NamedTuple):
    """Embeddings of any length, as an array in memory or on disk."""

    ids: Ids
    digests: Ids
    embeddings: Floats

    def extended(self, more: Part) -> Part:
        """Append embeddings, as `appended` does."""
        return Part(
            appended(self.ids, more.ids),
            appended(self.digests, more.digests),
            appended(self.embeddings, more.embeddings),
        )

    def without(self, ids: Ids) -> Part:
        """Copy all but some ids."""
        kept = ~np.isin(self.ids, ids)
        return Part(self.ids[kept], self.digests[kept], self.embeddings[kept])


class Rows:
    """Unit embeddings of several parts, read block by block.

    Args:
        parts: Parts.
        removed: Places to leave out, counted through all parts. The other ids differ.
    """

    def __init__(self, parts: Sequence[Part], removed: Ids):
        self._parts = parts
        self._starts = np.cumsum([0, *(len(part.ids) for part in parts)])
        ids = np.concatenate([part.ids for part in parts])
        kept = np.delete(np.arange(len(ids)), removed)
        self._order = kept[np.argsort(ids[kept], kind="stable")]
        self.ids: Ids = ids[self._order]
        self.digests: Ids = np.concatenate([part.digests for part in parts])[self._order]

    def __len__(self) -> int:
        return len(self.ids)

    def as_part(self) -> Part:
        """Read all rows into memory."""
        return Part(self.ids, self.digests, self._read(self._order))

    def zeros_apart(self) -> tuple[Rows, Rows]:
        """Part the rows into zeros and all others."""
        blocks = [~block.any(axis=1) for block in self.blocks()]
        zero = np.concatenate([np.zeros(0, bool), *blocks])
        return self._selected(zero), self._selected(~zero)

    def _selected(self, kept: npt.NDArray[np.bool_]) -> Rows:
        some = copy.copy(self)
        some.ids, some.digests = self.ids[kept], self.digests[kept]
        some._order = self._order[kept]
        return some

    def blocks(self) -> Iterator[Floats]:
        """Read all rows in order."""
        for start in range(0, len(self), _BLOCK):
            yield self._read(self._order[start : start + _BLOCK])

    def sample(self, count: int) -> Floats:
        """Read at most so many rows, the same each time."""
        if count >= len(self):
            return self._read(self._order)
        chosen = np.random.default_rng(0).choice(len(self), count, replace=False)
        return self._read(self._order[np.sort(chosen)])

    def _read(self, places: Ids) -> Floats:
        size = self._parts[0].embeddings.shape[1]
        read = np.empty((len(places), size), np.float32)
        for start, part in zip(self._starts, self._parts, strict=False):
            here = (places >= start) & (places < start + len(part.ids))
            read[here] = part.embeddings[places[here] - start]
        return unit_rows(read)
