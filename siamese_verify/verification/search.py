"""Those of a gallery that are most alike to a probe: exactly, or nearly so and faster."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.layers.heads import CosineHead
from siamese_verify.scoring import Floats, GalleryScorer, unit_length


class Neighbors(NamedTuple):
    """Those most alike to each probe, best first."""

    scores: Floats
    """float32 `(m, k)`."""
    indices: npt.NDArray[np.int64]
    """Which of the gallery `(m, k)`."""


class Index(Protocol):
    """Something that finds neighbours."""

    def search(self, probes: Floats, k: int) -> Neighbors:
        """The `k` of the gallery that are most alike to each probe, or all if they are fewer."""
        ...


class ExactIndex:
    """Compares each probe with the whole gallery, block by block.

    Args:
        head: A head, as for `SiameseModel`.
        embeddings: Those of the gallery, float32 `(n, size)`.

    Raises:
        ValueError: If an embedding is not finite.

    Examples:
        >>> index = ExactIndex(CosineHead(), np.eye(3, dtype=np.float32))
        >>> index.search(np.array([[0, 2, 1]], np.float32), k=2).indices.tolist()
        [[1, 2]]
    """

    def __init__(self, head: keras.layers.Layer, embeddings: Floats):
        self._scorer, self._n = GalleryScorer(head, _finite(embeddings)), len(embeddings)

    def search(self, probes: Floats, k: int) -> Neighbors:
        """The `k` most alike to each probe, or all if they are fewer; of equals, the first.

        Args:
            probes: float32 `(m, size)`.
            k: How many.

        Raises:
            ValueError: If `k` is below 1.
        """
        k = _checked(k, self._n)
        scores = np.full((len(probes), k), -np.inf, np.float32)
        indices = np.full((len(probes), k), -1, np.int64)
        for rows, columns, block in self._scorer.blocks(probes):
            part = scores[rows], indices[rows]
            scores[rows], indices[rows] = _merged(*part, block, columns.start)
        return Neighbors(scores, indices)


class FaissIndex:
    """Finds nearly all neighbours at a fraction of the time; needs the extra `search`.

    Compares each probe with the whole gallery in a compressed form (product quantization to 2 bits
    a value), and the best candidates once more exactly.

    Args:
        head: A `CosineHead`.
        embeddings: Those of the gallery, float32 `(n, size)`.
        candidates: How many are compared exactly; more is slower and finds more.

    Raises:
        ValueError: If the head is another one, or an embedding is not finite.
        ImportError: If FAISS is not installed.

    Reference:
        Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", 2011; André,
        Kermarrec, Le Scouarnec, "Quicker ADC", 2019.
    """

    def __init__(self, head: keras.layers.Layer, embeddings: Floats, candidates: int = 400):
        if type(head) is not CosineHead:  # A subclass may score otherwise.
            raise ValueError(
                "FAISS searches by cosine only: use ExactIndex for other heads. "
                f"Received: head={head}"
            )
        import faiss

        self._n, size = embeddings.shape
        self._candidates = candidates
        # 4 bits for two values, or for one if the size is odd. FAISS asks for 39 embeddings for
        # each of the 16 centres.
        form = f"PQ{size if size % 2 else size // 2}x4fs" if self._n >= 39 * 16 else "Flat"
        self._index: Any = faiss.index_factory(size, f"{form},RFlat", faiss.METRIC_INNER_PRODUCT)
        unit = unit_length(_finite(embeddings))
        self._index.train(unit)
        self._index.add(unit)

    def search(self, probes: Floats, k: int) -> Neighbors:
        """The `k` most alike to each probe, nearly; see `ExactIndex.search`.

        Where fewer are found, scores are -inf and indices -1.
        """
        import faiss

        k = _checked(k, self._n)
        if not k:
            return Neighbors(
                *(np.empty((len(probes), 0), type_) for type_ in (np.float32, np.int64))
            )
        effort = faiss.IndexRefineSearchParameters()
        effort.k_factor = max(1.0, self._candidates / k)
        scores, indices = self._index.search(unit_length(probes), k, params=effort)
        return Neighbors(np.where(indices < 0, -np.inf, scores.clip(-1, 1)), indices)


def _checked(k: int, n: int) -> int:
    return min(whole_number("k", k), n)


def _finite(embeddings: Floats) -> Floats:
    """Checked, since NaN compares with nothing: one would hide all others."""
    good = np.isfinite(embeddings).all(axis=1)
    if not good.all():
        raise ValueError(
            "Embeddings must be finite. "
            f"Received: {np.count_nonzero(~good):,} that are not, first number {good.argmin()}"
        )
    return embeddings


def _merged(
    scores: Floats, indices: npt.NDArray[np.int64], block: Floats, start: int
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The best of those held and those of a block, best first, the first of equals first."""
    n, k = scores.shape
    if not k:
        return scores, indices
    if not np.isfinite(scores[:, -1]).all() and block.shape[1] > k:
        # Nearly all would be better than what is held: the k-th of the block is the bar.
        bar = np.partition(block, -k, axis=1)[:, -k]
        rows, columns = np.nonzero(block >= np.maximum(bar, scores[:, -1])[:, None])
    else:
        rows, columns = np.nonzero(block > scores[:, -1:])
    row = np.concatenate([np.repeat(np.arange(n), k), rows])
    score = np.concatenate([scores.ravel(), block[rows, columns]])
    index = np.concatenate([indices.ravel(), start + columns])
    order = np.lexsort((index, -score, row))
    rank = np.arange(len(row)) - np.searchsorted(row[order], np.arange(n))[row[order]]
    kept = order[rank < k]
    return score[kept].reshape(n, k), index[kept].reshape(n, k)
