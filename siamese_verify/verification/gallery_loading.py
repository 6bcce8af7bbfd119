"""Reading of a gallery's file for a model, which may embed the images again."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from siamese_verify.data.decoding import ImageError
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.reading import read_image_file
from siamese_verify.data.threads import in_threads
from siamese_verify.files import PathLike
from siamese_verify.messages import listed_in_lines, shown
from siamese_verify.user_warnings import warn_user
from siamese_verify.verification.embedder import Embedder
from siamese_verify.verification.enrolment import digest, embed_blocks, read_blocks
from siamese_verify.verification.fingerprint import digest_of_format_1
from siamese_verify.verification.gallery import Gallery, GalleryError


def load_gallery(
    embedder: Embedder, path: PathLike, reembed: bool, images_root: PathLike | None
) -> Gallery:
    """Read a gallery, as `Verifier.load_gallery` says."""
    own, gallery = embedder.empty_gallery(), Gallery.load(path)
    if gallery.fingerprint != own.fingerprint:  # It may be of format 1.
        old = digest_of_format_1(embedder.model, embedder.preprocessing)
        gallery = gallery.upgraded(old, own.fingerprint)
    is_same = gallery.is_of_same_model(own)
    if reembed and (gallery.is_outdated or not is_same):
        files = _stored_paths(gallery, shown(path), images_root, embedder.preprocessing)
        gallery = _embedded_again(gallery, own, files, embedder)
        embedder.reader.check_unchanged(own.fingerprint)
    elif not is_same:
        raise GalleryError(
            f"{shown(path)} was made by another model or with other preprocessing, so its "
            "embeddings cannot be compared with this verifier's. Enroll the identities again, "
            "or embed their images again with load_gallery(path, reembed=True). "
            f"Received: fingerprint={shown(gallery.fingerprint)}, not {own.fingerprint}"
        )
    elif gallery.is_outdated:
        warn_user(
            f"{shown(path)} was enrolled from images that this version decodes differently. "
            "Enroll all identities again, and save the gallery."
        )
    return gallery


def _stored_paths(
    gallery: Gallery, name: str, images_root: PathLike | None, preprocessing: Preprocessing
) -> list[str]:
    """Find the images of a gallery, and check that each file is as it was enrolled.

    Args:
        gallery: Gallery of another model.
        name: Path of its file, for errors.
        images_root: Folder that relative paths start from. By default the working directory.
        preprocessing: Preprocessing, which limits the size of a file.

    Returns:
        Path of each image.

    Raises:
        GalleryError: If an image was not enrolled from a path, or its file is missing or has
            changed.
    """
    paths = [os.path.join(images_root or "", image) for image in gallery.images]

    def problem(row: int) -> str:
        whose = f"{shown(repr(gallery.names[row]))}: "
        if not gallery.images[row]:
            return f"{whose}an image was not enrolled from a path"
        try:
            contents = read_image_file(paths[row], preprocessing)
        except FileNotFoundError:
            return f"{whose}{shown(paths[row])} is missing"
        except (ImageError, OSError) as error:
            return f"{whose}{shown(error)}"
        is_same = digest(contents) == gallery.image_digests[row, 1].tobytes()
        return "" if is_same else f"{whose}{shown(paths[row])} has changed since it was enrolled"

    problems = [*filter(None, in_threads(problem, range(len(gallery))))]
    if problems:
        raise GalleryError(
            f"{name} cannot be embedded again, because {len(problems):,} of its {len(gallery):,} "
            f"images cannot be used:{listed_in_lines(problems)}\n"
            "Nothing was changed. Bring the files back, name their folder by images_root, or "
            "enroll these identities again."
        )
    return paths


def _embedded_again(
    gallery: Gallery, own: Gallery, paths: Sequence[str], embedder: Embedder
) -> Gallery:
    """Embed the images of a gallery again, without its threshold for identification.

    Args:
        gallery: Gallery of another model.
        own: Empty gallery of this model.
        paths: Path of each image.
        embedder: This model.

    Raises:
        GalleryError: If a file changes meanwhile.

    Warns:
        UserWarning: If the gallery has a threshold for identification.
    """
    if gallery.identification:
        warn_user(
            "The gallery had a threshold for identification, which does not hold for another model "
            "and is removed. Call calibrate_identification(strangers) again."
        )
    blocks = read_blocks(gallery.names, paths, embedder.preprocessing)
    again = embed_blocks(own, blocks, lambda block: embedder.embed_pixels(block.pixels))
    if not np.array_equal(again.image_digests[:, 1], gallery.image_digests[:, 1]):
        raise GalleryError(
            "Image files have changed while they were read, so nothing was changed. Try again."
        )
    return dataclasses.replace(
        again,
        images=gallery.images,
        ids=np.arange(gallery.next_id, gallery.next_id + len(gallery)),
        metadata=gallery.metadata,
        template=gallery.template,
    )
