"""`SharedGallery`: a gallery that threads change and search at the same time."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.scoring import Floats
from siamese_verify.verification.decision import Match
from siamese_verify.verification.enrolled_images import EnrolledImages
from siamese_verify.verification.gallery import Gallery, GalleryError, Template
from siamese_verify.verification.gallery_index import GalleryIndex
from siamese_verify.verification.identification import IdentificationCalibration
from siamese_verify.verification.indexes.index import IndexType


class SharedGallery:
    """Gallery of a verifier and its index, safe to use from threads.

    One thread at a time changes or searches it, so that a search sees all of a change or none. The
    index follows the changes at the next search.

    Args:
        gallery: `Gallery` to start with, or None before the first enrolment.
    """

    def __init__(self, gallery: Gallery | None = None):
        self._lock = threading.RLock()
        self._images: EnrolledImages | None = None
        self._gallery: Gallery | None = None
        if gallery is not None:
            self.load(gallery)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.gallery,)  # A lock cannot be copied.

    @property
    def gallery(self) -> Gallery | None:
        """The present images as a `Gallery`, or None before the first enrolment."""
        with self._lock:
            if self._gallery is None and self._images is not None:
                self._gallery = self._images.to_gallery()
            return self._gallery

    @property
    def frame(self) -> Gallery | None:
        """The gallery without its images, or None before the first enrolment."""
        with self._lock:
            return None if self._images is None else self._images.frame

    @property
    def n_templates(self) -> int:
        """Number of templates that a search compares."""
        with self._lock:
            return self._images.n_templates if self._images else 0

    def load(self, gallery: Gallery) -> None:
        """Hold another gallery instead."""
        with self._lock:
            self._start(EnrolledImages(gallery))
            self._gallery = gallery

    def check_fingerprint(self, fingerprint: str) -> None:
        """Raise a `GalleryError` unless a model of this fingerprint made the gallery."""
        with self._lock:
            if self._images and self._images.frame.fingerprint != fingerprint:
                raise GalleryError(
                    f"The model has changed since {len(self._images):,} images were enrolled, so "
                    "their embeddings cannot be compared with new ones. Enroll all identities "
                    "again in a new Verifier, or call load_gallery(path, reembed=True) with a file "
                    f"of the gallery. Received: fingerprint={fingerprint}"
                )

    def check_known(self, names: Collection[str]) -> None:
        """Raise a `ValueError` if a name is not enrolled."""
        with self._lock:
            if self._images is not None:
                self._images.check_known(names)
            elif names:
                raise ValueError(
                    "No identity is enrolled, so none can be removed or replaced. Call "
                    f"enroll(identities) first. Received: {len(names):,} names"
                )

    def are_new(self, names: Sequence[str], digests: npt.NDArray[np.uint8]) -> list[bool]:
        """Tell for each image whether its pixels are not enrolled under its name."""
        with self._lock:
            known = self._images
            return [True] * len(names) if known is None else known.are_new(names, digests)

    def add(self, batch: Gallery, template: Template | None, check: Callable[[], None]) -> int:
        """Add the images of a gallery that are new: all of them or, if it raises, none.

        Args:
            batch: Gallery with the new images.
            template: Template of the gallery, which it keeps. None for its present template.
            check: Function that raises if the embeddings no longer hold. It runs while no other
                thread can change the gallery.

        Returns:
            Number of images that were added.

        Raises:
            GalleryError: If another model made the present gallery.
            ValueError: If the gallery has another template, or metadata is of an unknown name.
        """
        with self._lock:
            check()
            self.check_fingerprint(batch.fingerprint)
            images = self._images or EnrolledImages(self._empty(batch, template))
            if template not in (None, images.frame.template):
                raise ValueError(
                    f"A gallery has one template, and this one has {images.frame.template!r}. "
                    "Enroll all identities in a new Verifier to change it. "
                    f"Received: template={template!r}"
                )
            images.check_known({*batch.metadata} - {*batch.names})
            if images is not self._images:
                self._start(images)
            self._gallery = None
            return images.add(batch)

    def add_all(
        self, images: EnrolledImages, template: Template | None, check: Callable[[], None]
    ) -> int:
        """Add many images as `add` does. Before the first enrolment, they are not copied."""
        with self._lock:
            if self._images is not None:
                return self.add(images.to_gallery(), template, check)
            check()
            self._start(images)
            return len(images)

    def replace(self, batch: Gallery, check: Callable[[], None]) -> None:
        """Put the images of a gallery in the place of all images of the same identities.

        Args:
            batch: Gallery with the new images.
            check: Function as for `add`.

        Raises:
            GalleryError: If another model made the present gallery.
            ValueError: If a name is not enrolled.
        """
        with self._lock:
            check()
            self.check_fingerprint(batch.fingerprint)
            self.check_known({*batch.names, *batch.metadata})
            if self._images is not None:
                self._gallery = None
                self._images.add(batch, replacing=True)

    def remove(self, names: Collection[str]) -> int:
        """Remove all images of identities, or nothing if a name is not enrolled.

        Returns:
            Number of images that were removed.

        Raises:
            ValueError: If a name is not enrolled.
        """
        with self._lock:
            self.check_known(names)
            self._gallery = None
            return self._images.remove(names) if self._images else 0

    def set_identification(self, calibration: IdentificationCalibration, fingerprint: str) -> None:
        """Keep a threshold for identification.

        Raises:
            GalleryError: If another model made the present gallery.
        """
        with self._lock:
            self.check_fingerprint(fingerprint)
            if self._images is not None:
                self._gallery = None
                self._images.set_identification(calibration)

    def search(
        self,
        index_type: IndexType,
        head: keras.layers.Layer,
        probes: Floats,
        k: int,
        threshold: float,
        below_threshold: bool = False,
    ) -> list[list[Match]]:
        """Find the `k` best-matching identities of each probe, as `GalleryIndex.search` does."""
        with self._lock:
            if not self._images:
                return [[] for _ in probes]
            return self._index.search(index_type, head, probes, k, threshold, below_threshold)

    def _start(self, images: EnrolledImages) -> None:
        self._images, self._index = images, GalleryIndex(images)

    def _empty(self, batch: Gallery, template: Template | None) -> Gallery:
        """Make an empty gallery of a batch's model. It never uses an id of the present again."""
        frame = self.frame
        return dataclasses.replace(
            batch.selected(np.arange(0)),
            next_id=0 if frame is None else frame.next_id,
            template=template or ("each" if frame is None else frame.template),
            metadata={},
        )
