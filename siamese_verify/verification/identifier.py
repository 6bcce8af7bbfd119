"""`Identifier`: a calibrated model with a gallery of enrolled identities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from siamese_verify.checks import whole_number
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.reading import ImageLike, image_list
from siamese_verify.files import PathLike
from siamese_verify.messages import shown
from siamese_verify.names import normalized
from siamese_verify.user_warnings import warn_user
from siamese_verify.verification.calibrated_model import CalibratedModel
from siamese_verify.verification.decision import Match
from siamese_verify.verification.fingerprint import digest_of_format_1
from siamese_verify.verification.gallery import Gallery, GalleryError
from siamese_verify.verification.indexes.exact import ExactIndex
from siamese_verify.verification.indexes.index import IndexType
from siamese_verify.verification.shared_gallery import SharedGallery


class Identifier(CalibratedModel):
    """Calibrated model with a gallery, which finds enrolled identities on images.

    Args:
        model: `SiameseModel`, or any Keras model that returns one vector for each image, which
            requires `head`.
        preprocessing: Preprocessing of images. By default 105 x 105 pixels, grey.
        head: Head for an embedding model.
    """

    def __init__(
        self,
        model: keras.Model,
        preprocessing: Preprocessing | None = None,
        *,
        head: keras.layers.Layer | None = None,
    ):
        super().__init__(model, preprocessing, head=head)
        self.index_type: IndexType = ExactIndex
        self._enrolled = SharedGallery()

    def __getstate__(self) -> dict[str, Any]:
        # A copy enrolls for itself.
        return {**vars(self), "_enrolled": SharedGallery(self._enrolled.gallery)}

    def enroll(self, identities: Mapping[str, Iterable[ImageLike]]) -> None:
        """Add identities to the gallery: all of them or, if it raises, none.

        Args:
            identities: Images of each identity, by name. Spellings of a name that differ only in
                Unicode's form (NFC, NFD) are one name.

        Raises:
            ImageError: If an image cannot be used.
            TypeError: If a name is not a str, or the image of an identity is not in a list.
            GalleryError: If the model has changed since others were enrolled, whose embeddings
                can no longer be compared.
            ValueError: If a name has a null character.
            RuntimeError: If weights or embeddings are not finite, or change during the call.
        """
        names, images = _flatten(identities)
        reader, gallery = self._embedder.reader, self.gallery
        fingerprint = reader.read_finite()
        gallery.check_fingerprint(fingerprint)
        embeddings = self._embedder.embed(images)
        self._enrolled.extend(
            gallery, names, embeddings, lambda: reader.check_unchanged(fingerprint)
        )

    @property
    def gallery(self) -> Gallery:
        """The immutable `Gallery` of all enrolled identities."""
        return self._enrolled.gallery or self._empty_gallery()

    def _empty_gallery(self) -> Gallery:
        fingerprint = self._embedder.reader.read_finite()
        reference = self._embedder.embed_reference()
        return Gallery((), np.empty((0, len(reference)), np.float32), fingerprint, reference)

    def identify(self, probe: ImageLike, k: int = 1) -> list[Match]:
        """Find the identities of the gallery that an image may show.

        The threshold holds for one comparison. With n images enrolled, a stranger is accepted up to
        n times as often as the false accept rate says.

        Args:
            probe: Image to identify, in any form that `verify` accepts.
            k: Largest number of identities to return.

        Returns:
            The best-matching identities that score at least the threshold, best first. The list is
            empty, and so false, if no identity does.

        Raises:
            ValueError: If `k` is below 1.
            RuntimeError, ImageError: As `verify`.
            GalleryError: If the model has changed since the gallery was made.
        """
        k, bound, gallery = whole_number("k", k), self._valid_calibration(), self._enrolled.gallery
        if gallery:
            gallery.check_fingerprint(bound.fingerprint)
        embedding = self._embedder.embed([probe])
        if not gallery:
            return []
        head, threshold = self.model.head, bound.calibration.threshold
        return self._enrolled.search(gallery, self.index_type, head, embedding, threshold, k)

    def save_gallery(self, path: PathLike) -> None:
        """Write the gallery to a `.npz` file.

        Raises:
            ValueError: If the path does not end in `.npz`.
            GalleryError: If the model has changed since the gallery was made.
            RuntimeError: If weights are not finite.
        """
        gallery = self.gallery
        gallery.check_fingerprint(self._embedder.reader.read_finite())
        gallery.save(path)

    def load_gallery(self, path: PathLike) -> None:
        """Read a gallery that this verifier's model made. It replaces the present one.

        Raises:
            GalleryError: If the file is of another model or other preprocessing, damaged, changed,
                or of a newer version.
            OSError: If the file cannot be opened, such as `FileNotFoundError`.
            RuntimeError: If the weights of this verifier are not finite.

        Warns:
            UserWarning: If the file is of an earlier version, which decoded images differently.
        """
        own = self._empty_gallery()
        gallery = Gallery.load(path)
        if gallery.fingerprint != own.fingerprint:  # It may be of format 1.
            digest = digest_of_format_1(self.model, self.preprocessing)
            gallery = gallery.upgraded(digest, own.fingerprint)
        if not gallery.is_of_same_model(own):
            raise GalleryError(
                f"{shown(path)} was made by another model or with other preprocessing, so its "
                "embeddings cannot be compared with this verifier's. Enroll the identities again. "
                f"Received: fingerprint={shown(gallery.fingerprint)}, not {own.fingerprint}"
            )
        if gallery.is_outdated:
            warn_user(
                f"{shown(path)} was enrolled from images that this version decodes differently. "
                "Enroll all identities again, and save the gallery."
            )
        self._enrolled.replace(gallery)


def _flatten(identities: Mapping[str, Iterable[ImageLike]]) -> tuple[list[str], list[ImageLike]]:
    """List the name and the image of each enrolment."""
    names, images = [], []
    for name, given in identities.items():
        if not isinstance(name, str):
            raise TypeError(f"The name of an identity must be a str. Received: {shown(repr(name))}")
        for image in image_list(given):
            names.append(normalized(name))
            images.append(image)
    return names, images
