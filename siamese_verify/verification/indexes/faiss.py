"""`FaissIndex`: finds nearly all neighbours by FAISS, in a fraction of the time."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from siamese_verify.checks import whole_number
from siamese_verify.scoring import Floats, unit_rows
from siamese_verify.verification.indexes.index import (
    Ids,
    Neighbors,
    check_cosine,
    checked_addition,
    checked_removal,
)


class FaissIndex:
    """Index that finds nearly all neighbours in a fraction of the time.

    It compares each probe with a compressed form of the gallery (product quantization to 2 bits a
    value), and then the best candidates exactly. It needs the extra `search`.

    Args:
        head: A `CosineHead`.
        size: Number of values of an embedding.
        candidates: Number of candidates to compare exactly. More are slower and find more.

    Raises:
        ValueError: If the head is not a `CosineHead`.
        ImportError: If FAISS is not installed.

    Reference:
        Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", 2011; André,
        Kermarrec, Le Scouarnec, "Quicker ADC", 2019.
    """

    def __init__(self, head: keras.layers.Layer, size: int, candidates: int = 400):
        check_cosine("FAISS", head)
        self._size, self._candidates = whole_number("size", size), candidates
        self._ids, self._unit = np.empty(0, np.int64), np.empty((0, size), np.float32)
        self._build()

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Ids, embeddings: Floats) -> None:
        """Add embeddings, as `ExactIndex.add` does."""
        ids, embeddings = checked_addition(
            self._size, ids, embeddings, lambda new: np.isin(new, self._ids)
        )
        self._ids = np.concatenate([self._ids, ids])
        self._unit = np.concatenate([self._unit, unit_rows(embeddings)])
        self._build()

    def remove(self, ids: Ids) -> None:
        """Remove embeddings, as `ExactIndex.remove` does."""
        gone = checked_removal(ids, lambda old: np.isin(old, self._ids))
        kept = ~np.isin(self._ids, gone)
        self._ids, self._unit = self._ids[kept], self._unit[kept]
        self._build()

    def search(self, probes: Floats, k: int) -> Neighbors:
        """Find nearly all of the `k` neighbours of each probe, as `ExactIndex.search` does.

        Where FAISS finds fewer, scores are -inf and ids -1.
        """
        import faiss

        k = min(whole_number("k", k), len(self))
        if not k:
            return Neighbors(
                *(np.empty((len(probes), 0), type_) for type_ in (np.float32, np.int64))
            )
        effort = faiss.IndexRefineSearchParameters()
        effort.k_factor = max(1.0, self._candidates / k)
        scores, rows = self._index.search(unit_rows(probes), k, params=effort)
        ids = np.where(rows < 0, -1, self._ids[rows])
        return Neighbors(np.where(rows < 0, -np.inf, scores.clip(-1, 1)), ids)

    def _build(self) -> None:
        import faiss

        # The code has 4 bits for two values, or for one if the size is odd. FAISS needs 39
        # embeddings for each of its 16 centres.
        size = self._size
        form = f"PQ{size if size % 2 else size // 2}x4fs" if len(self) >= 39 * 16 else "Flat"
        self._index: Any = faiss.index_factory(size, f"{form},RFlat", faiss.METRIC_INNER_PRODUCT)
        self._index.train(self._unit)
        self._index.add(self._unit)
