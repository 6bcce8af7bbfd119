"""Search of a gallery for the embeddings most alike to a probe: exact, or faster by FAISS."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.layers.heads.cosine import CosineHead
from siamese_verify.messages import shown
from siamese_verify.scoring import Floats, GalleryScorer, unit_rows


class Neighbors(NamedTuple):
    """Embeddings of the gallery that are most alike to each probe, best first."""

    scores: Floats
    """Scores, float32 `(m, k)`."""
    indices: npt.NDArray[np.int64]
    """Rows of the gallery, int64 `(m, k)`."""


class Index(Protocol):
    """Index of a gallery that finds neighbours."""

    def search(self, probes: Floats, k: int) -> Neighbors:
        """Find the `k` neighbours of each probe, or all if the gallery has fewer."""
        ...


class ExactIndex:
    """Index that compares each probe with the whole gallery, block by block.

    Args:
        head: Head, as for `SiameseModel`.
        embeddings: Embeddings of the gallery, float32 `(n, size)`.

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
        """Find the `k` neighbours of each probe, or all if the gallery has fewer.

        Equal scores come in the order of the gallery.

        Args:
            probes: float32 array `(m, size)`.
            k: Number of neighbours.

        Returns:
            Scores and rows `(m, k)`.

        Raises:
            ValueError: If `k` is below 1.
            RuntimeError: If a score is not finite.
        """
        k = _checked(k, self._n)
        scores = np.full((len(probes), k), -np.inf, np.float32)
        indices = np.full((len(probes), k), -1, np.int64)
        for rows, columns, block in self._scorer.blocks(probes):
            # NaN is neither larger nor smaller, so it would hide other scores.
            if not (np.isfinite(block.min()) and np.isfinite(block.max())):
                raise RuntimeError(
                    "The head returned scores of the gallery that are not finite, so they decide "
                    "nothing. Use another head, or train the model again with a lower learning "
                    "rate."
                )
            part = scores[rows], indices[rows]
            scores[rows], indices[rows] = _merged(*part, block, columns.start)
        return Neighbors(scores, indices)


class FaissIndex:
    """Index that finds nearly all neighbours in a fraction of the time.

    It compares each probe with a compressed form of the gallery (product quantization to 2 bits a
    value), and then the best candidates exactly. It needs the extra `search`.

    Args:
        head: A `CosineHead`.
        embeddings: Embeddings of the gallery, float32 `(n, size)`.
        candidates: Number of candidates to compare exactly. More are slower and find more.

    Raises:
        ValueError: If the head is not a `CosineHead`, or an embedding is not finite.
        ImportError: If FAISS is not installed.

    Reference:
        Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", 2011; André,
        Kermarrec, Le Scouarnec, "Quicker ADC", 2019.
    """

    def __init__(self, head: keras.layers.Layer, embeddings: Floats, candidates: int = 400):
        if type(head) is not CosineHead:  # A subclass may score in another way.
            raise ValueError(
                "FAISS searches by cosine only. Use ExactIndex for other heads. "
                f"Received: head={shown(head)}"
            )
        import faiss

        self._n, size = embeddings.shape
        self._candidates = candidates
        # The code has 4 bits for two values, or for one if the size is odd. FAISS needs 39
        # embeddings for each of its 16 centres.
        form = f"PQ{size if size % 2 else size // 2}x4fs" if self._n >= 39 * 16 else "Flat"
        self._index: Any = faiss.index_factory(size, f"{form},RFlat", faiss.METRIC_INNER_PRODUCT)
        unit = unit_rows(_finite(embeddings))
        self._index.train(unit)
        self._index.add(unit)

    def search(self, probes: Floats, k: int) -> Neighbors:
        """Find nearly all of the `k` neighbours of each probe, as `ExactIndex.search` does.

        Where FAISS finds fewer, scores are -inf and indices -1.
        """
        import faiss

        k = _checked(k, self._n)
        if not k:
            return Neighbors(
                *(np.empty((len(probes), 0), type_) for type_ in (np.float32, np.int64))
            )
        effort = faiss.IndexRefineSearchParameters()
        effort.k_factor = max(1.0, self._candidates / k)
        scores, indices = self._index.search(unit_rows(probes), k, params=effort)
        return Neighbors(np.where(indices < 0, -np.inf, scores.clip(-1, 1)), indices)


def _checked(k: int, n: int) -> int:
    return min(whole_number("k", k), n)


def _finite(embeddings: Floats) -> Floats:
    """Check embeddings, because one NaN, which compares with nothing, would hide all others."""
    good = np.isfinite(embeddings).all(axis=1)
    if not good.all():
        raise ValueError(
            "Embeddings must be finite. "
            f"Received: {np.count_nonzero(~good):,} that are not, the first in row {good.argmin()}"
        )
    return embeddings


def _merged(
    scores: Floats, indices: npt.NDArray[np.int64], block: Floats, start: int
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Merge the neighbours so far with a block of scores, best first. Equals keep their order."""
    n, k = scores.shape
    if not k:
        return scores, indices
    if not np.isfinite(scores[:, -1]).all() and block.shape[1] > k:
        # Nearly all scores would beat the neighbours so far, so the k-th best of the block decides.
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
