"""`Enrolled`: a gallery that threads extend and search at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.verification.decision import Match
from siamese_verify.verification.gallery import Gallery, GalleryError
from siamese_verify.verification.search import Index

Embeddings = npt.NDArray[np.float32]
IndexType = Callable[[keras.layers.Layer, Embeddings], Index]


class Enrolled:
    """Holds the gallery of a verifier and its index.

    A gallery is immutable, so that a search sees all of it or none. One thread at a time replaces
    it, so that nobody is lost.

    Attributes:
        gallery: The `Gallery`; empty or None if nobody is enrolled.
    """

    def __init__(self, gallery: Gallery | None = None):
        self.gallery = gallery
        self._lock = threading.Lock()
        self._indexed: tuple[Gallery, IndexType, Index] | None = None

    def extend(
        self,
        empty: Gallery,
        names: Sequence[str],
        embeddings: Embeddings,
        check: Callable[[], None],
    ) -> None:
        """Add embeddings; all of them or, if it raises, none.

        Args:
            empty: An empty gallery of the model that made the embeddings.
            names: Name of each embedding.
            embeddings: float32 array `(n, size)`.
            check: Called while no other thread can add; raises if the embeddings do not hold.

        Raises:
            GalleryError: If the gallery is of another model.
        """
        with self._lock:
            check()
            gallery = self.gallery or empty
            check_fits(gallery, empty.fingerprint)
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
        """The `k` identities most alike to an embedding `(1, size)` that reach the threshold."""
        index = self._index(gallery, index_type, head)
        best: dict[str, float] = {}
        count = k  # images, of which several may show one identity
        while True:
            scores, indices = (found[0].tolist() for found in index.search(embedding, count))
            for score, i in zip(scores, indices, strict=True):
                if score >= threshold:
                    best.setdefault(gallery.names[i], score)
            if len(best) >= k or count >= len(gallery) or scores[-1] < threshold:
                return [Match(*found) for found in list(best.items())[:k]]
            count *= 4

    def _index(self, gallery: Gallery, index_type: IndexType, head: keras.layers.Layer) -> Index:
        with self._lock:  # so that threads do not build one each
            kept = self._indexed
            if kept is None or kept[0] is not gallery or kept[1] is not index_type:
                index = index_type(head, gallery.embeddings)
                kept = self._indexed = gallery, index_type, index
        return kept[2]


def check_fits(gallery: Gallery, fingerprint: str) -> None:
    """Raise a `GalleryError` if a model of another fingerprint made the gallery."""
    if gallery.fingerprint != fingerprint:
        raise GalleryError(
            f"The model has changed since {len(gallery):,} images were enrolled, so their "
            "embeddings cannot be compared with new ones. Enroll everybody again in a new Verifier."
        )
