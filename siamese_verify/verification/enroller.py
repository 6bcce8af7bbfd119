"""`Enroller`: a calibrated model with a gallery of enrolled identities, and its file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras

from siamese_verify.checks import check_name_list
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.files import PathLike
from siamese_verify.messages import listed, shown
from siamese_verify.names import normalized
from siamese_verify.scoring import Floats
from siamese_verify.verification.calibrated_model import CalibratedModel
from siamese_verify.verification.enrolment import (
    Identities,
    ReadImages,
    checked_metadata,
    embed_blocks,
    flatten,
    read_blocks,
)
from siamese_verify.verification.gallery import Gallery, Template, check_template
from siamese_verify.verification.gallery_loading import load_gallery
from siamese_verify.verification.looks import (
    Reasons,
    Unlike,
    check_unlike,
    find_unlike,
    report_unlike,
)
from siamese_verify.verification.shared_gallery import SharedGallery

Metadata = Mapping[str, dict[str, Any]]


class Enroller(CalibratedModel):
    """Calibrated model with a gallery of enrolled identities.

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
        self._enrolled = SharedGallery()

    def __getstate__(self) -> dict[str, Any]:
        # A copy enrolls for itself.
        return {**vars(self), "_enrolled": SharedGallery(self._enrolled.gallery)}

    def enroll(
        self,
        identities: Identities,
        *,
        template: Template | None = None,
        metadata: Metadata | None = None,
        unlike: Unlike = "warn",
    ) -> int:
        """Add images of identities to the gallery: all of them or, if it raises, none.

        An image whose pixels are enrolled under the same name already is not added again.

        Args:
            identities: Images of each identity, by name. Spellings of a name that differ only in
                Unicode's form (NFC, NFD) are one name. The gallery keeps the path of an image.
            template: Template of an identity with several images. With `"each"`, it scores as its
                best-matching image. With `"mean"`, as the mean of its embeddings, each scaled to
                length 1 for a cosine head. By default the gallery's own, which is `"each"` for a
                new gallery. All identities of a gallery have one template.
            metadata: Metadata of identities of this call or of the gallery, by name: a dict that
                JSON can hold. It replaces earlier metadata of the same name.
            unlike: `"warn"`, `"raise"` or `"ignore"`, for images that look unlike all validation
                images, such as blurred or turned ones. They may match anybody.

        Returns:
            Number of images that were added.

        Raises:
            ImageError: If an image cannot be used.
            TypeError: If a name is not a str, or the image of an identity is not in a list.
            GalleryError: If the model has changed since others were enrolled, whose embeddings
                can no longer be compared.
            ValueError: If a name is empty or has a null character, or the gallery has another
                template. Also if metadata is of an unknown name, or JSON cannot hold it. An
                `UnlikeValidationError` if images are unlike validation, and `unlike` is `"raise"`.
            RuntimeError: If weights or embeddings are not finite, or change during the call.

        Warns:
            UnlikeValidationWarning: If images are unlike validation, and `unlike` is `"warn"`.
        """
        if template is not None:
            check_template(template)
        batch = self._embedded(identities, metadata, skip_known=True, unlike=unlike)
        return self._enrolled.add(batch, template, self._check_unchanged(batch))

    def replace(
        self,
        identities: Identities,
        *,
        metadata: Metadata | None = None,
        unlike: Unlike = "warn",
    ) -> None:
        """Put images in the place of all enrolled images of the same identities, or raise.

        A search from another thread sees the old images or the new. Metadata that is not given
        stays.

        Args:
            identities: Images of each enrolled identity, by name, at least one.
            metadata: As for `enroll`.
            unlike: As for `enroll`.

        Raises:
            ValueError: If a name is not enrolled, or has no image. Use `remove` for the latter.
            ImageError, TypeError, GalleryError, RuntimeError: As `enroll`.
        """
        self._enrolled.check_known([name for name in identities if isinstance(name, str)])
        batch = self._embedded(identities, metadata, skip_known=False, unlike=unlike)
        kept = set(batch.names)
        if without := [name for name in identities if normalized(name) not in kept]:
            raise ValueError(
                f"{listed(without, lambda name: shown(repr(name)))} would be left without an "
                "image. Call remove(names) to remove identities. "
                f"Received: {len(without):,} names without images"
            )
        self._enrolled.replace(batch, self._check_unchanged(batch))

    def remove(self, names: Iterable[str]) -> int:
        """Remove identities from the gallery: all of them or, if it raises, none.

        Saved files are not changed. Save the gallery again.

        Args:
            names: Names of enrolled identities.

        Returns:
            Number of images that were removed.

        Raises:
            ValueError: If a name is not enrolled. The error tells near names.
            TypeError: If `names` is one name, not in a list.
        """
        check_name_list(names)
        return self._enrolled.remove([*names])

    @property
    def gallery(self) -> Gallery:
        """The enrolled images as an immutable `Gallery`. It is made again after a change."""
        gallery = self._enrolled.gallery
        if gallery or (gallery is not None and gallery.fingerprint == self.fingerprint):
            return gallery
        return self._embedder.empty_gallery()

    def save_gallery(self, path: PathLike) -> None:
        """Write the gallery to a `.npz` file, with its threshold for identification.

        Raises:
            ValueError: If the path does not end in `.npz`.
            GalleryError: If the model has changed since the gallery was made.
            RuntimeError: If weights are not finite.
        """
        self._enrolled.check_fingerprint(self._embedder.reader.read_finite())
        self.gallery.save(path)

    def load_gallery(
        self, path: PathLike, *, reembed: bool = False, images_root: PathLike | None = None
    ) -> None:
        """Read a gallery that this verifier's model made. It replaces the present one.

        Args:
            path: Path of the file.
            reembed: Whether to embed the images again, from their paths, if another model or an
                earlier version made the gallery. Each file must be as it was when it was enrolled.
                The threshold for identification does not hold for another model, and is removed.
            images_root: Folder that relative paths of images start from. By default the working
                directory.

        Raises:
            GalleryError: If the file is damaged, changed, or of a newer version. Without `reembed`,
                also if it is of another model or other preprocessing. With it, if an image was not
                enrolled from a path, or is missing or changed. The present gallery stays then.
            OSError: If the file cannot be opened, such as `FileNotFoundError`.
            ImageError: If an image cannot be used with this preprocessing.
            RuntimeError: If weights or embeddings are not finite, or change during the call.

        Warns:
            UserWarning: If the file is of an earlier version, which decoded images differently, or
                a threshold for identification is removed.
        """
        gallery = load_gallery(self._embedder, path, reembed, images_root)
        self._enrolled.load(gallery)

    def _embedded(
        self,
        identities: Identities,
        metadata: Metadata | None,
        skip_known: bool,
        unlike: Unlike = "ignore",
    ) -> Gallery:
        """Embed images as a gallery of their own."""
        check_unlike(unlike)
        checked = checked_metadata({} if metadata is None else metadata)
        names, images = flatten(identities)
        fingerprint = self._embedder.reader.read_finite()
        self._enrolled.check_fingerprint(fingerprint)
        frame = self._enrolled.frame
        if frame is None or frame.fingerprint != fingerprint:
            frame = self._embedder.empty_gallery()
        own = Gallery((), frame.embeddings, fingerprint, frame.reference, metadata=checked)
        looks = self._looks(fingerprint)
        found: list[tuple[str, Reasons]] = []

        def embed(block: ReadImages) -> Floats:
            embeddings = self._embedder.embed_pixels(block.pixels)
            reasons = find_unlike(looks, block.pixels, embeddings)
            found.extend(zip(block.labels, reasons, strict=True))
            return embeddings

        blocks = read_blocks(names, images, self.preprocessing)
        if skip_known:
            blocks = (b.selected(self._enrolled.are_new(b.names, b.digests)) for b in blocks)
        batch = embed_blocks(own, blocks, embed)
        report_unlike(found, len(found), unlike)
        return batch

    def _check_unchanged(self, batch: Gallery) -> Callable[[], None]:
        return lambda: self._embedder.reader.check_unchanged(batch.fingerprint)
