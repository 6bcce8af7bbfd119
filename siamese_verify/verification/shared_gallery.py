"""`SharedGallery`: a gallery that threads extend and search at the same time."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.verification.decision import Match
from siamese_verify.verification.gallery import Gallery
from siamese_verify.verification.indexes.index import Index, IndexType, fill

Embeddings = npt.NDArray[np.float32]


class SharedGallery:
    """Gallery of a verifier and its index, safe to use from threads.

    A `Gallery` is immutable, so a search sees all of it or none. Only one thread at a time replaces
    it, so that no enrolment is lost.

    Attributes:
        gallery: The `Gallery`, or None before the first enrolment.
    """

    def __init__(self, gallery: Gallery | None = None):
        self.gallery = gallery
        self._lock = threading.Lock()
        self._indexed: tuple[Gallery, IndexType, Index] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.gallery,)  # A lock cannot be copied.

    def extend(
        self,
        empty: Gallery,
        names: Sequence[str],
        embeddings: Embeddings,
        check: Callable[[], None],
    ) -> None:
        """Add embeddings: all of them or, if it raises, none.

        Args:
            empty: Gallery to start from, of the model that made the embeddings.
            names: Name of the identity of each embedding.
            embeddings: float32 array `(n, size)`.
            check: Function that raises if the embeddings no longer hold. It runs while no other
                thread can add.

        Raises:
            GalleryError: If another model made the present gallery.
        """
        with self._lock:
            check()
            gallery = self.gallery or empty
            gallery.check_fingerprint(empty.fingerprint)
            self.gallery = gallery.extended(names, embeddings)

    def replace(self, gallery: Gallery) -> None:
        """Hold another gallery instead."""
        with self._lock:
            self.gallery = gallery

    def search(
        self,
        gallery: Gallery,
        index_type: IndexType,
        head: keras.layers.Layer,
        embedding: Embeddings,
        threshold: float,
        k: int,
    ) -> list[Match]:
        """Find the `k` best-matching identities of an embedding that reach the threshold.

        Args:
            gallery: Gallery to search, as it was when the call began.
            index_type: Class of the index, or a function that makes one.
            head: Head that scores two embeddings.
            embedding: float32 array `(1, size)`.
            threshold: Lowest score of a match.
            k: Largest number of identities.

        Returns:
            Matches, best first.

        Raises:
            RuntimeError: If a score is NaN.
        """
        index = self._index(gallery, index_type, head)
        best: dict[str, float] = {}
        count = k  # Several of the best images may show one identity, so that more are needed.
        while True:
            scores, indices = (found[0].tolist() for found in index.search(embedding, count))
            for score, i in zip(scores, indices, strict=True):
                if score != score or score == math.inf:  # An index of the user's may return NaN.
                    raise RuntimeError(
                        f"The index of the gallery returned the score {score}, so it decides "
                        "nothing. Use ExactIndex."
                    )
                if score >= threshold:
                    best.setdefault(gallery.names[i], score)
            if len(best) >= k or count >= len(gallery) or scores[-1] < threshold:
                return [Match(*found) for found in list(best.items())[:k]]
            count *= 4

    def _index(self, gallery: Gallery, index_type: IndexType, head: keras.layers.Layer) -> Index:
        with self._lock:  # Otherwise each thread would build an index.
            kept = self._indexed
            if kept is None or kept[0] is not gallery or kept[1] is not index_type:
                embeddings = gallery.embeddings
                index = index_type(head, embeddings.shape[1])
                fill(index, np.arange(len(embeddings)), embeddings)
                kept = self._indexed = gallery, index_type, index
        return kept[2]
