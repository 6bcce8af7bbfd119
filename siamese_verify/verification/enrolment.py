"""Reading of images for enrolment, and of stored images for another model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from siamese_verify.data.decoding import ImageError
from siamese_verify.data.preprocessing import Pixels, Preprocessing
from siamese_verify.data.reading import ImageLike, image_list, read_image, read_image_file
from siamese_verify.data.threads import in_threads
from siamese_verify.files import PathLike
from siamese_verify.messages import listed_in_lines, shown
from siamese_verify.names import normalized
from siamese_verify.scoring import Floats
from siamese_verify.user_warnings import warn_user
from siamese_verify.verification.gallery import DIGEST_SIZE, Gallery, GalleryError

Identities = Mapping[str, Iterable[ImageLike]]
_BLOCK = 1024  # Number of images that are in memory at once.


class ReadImages(NamedTuple):
    """Images of a block, as they are enrolled."""

    names: list[str]
    paths: list[str]
    """Path of each image. Empty for an image without one."""
    pixels: Pixels
    digests: npt.NDArray[np.uint8]
    """Digests `(n, 2, 16)`: of the pixels, and of the file. Zeros stand for an unknown digest."""

    def selected(self, chosen: Sequence[bool]) -> ReadImages:
        """Keep the images for which `chosen` is true."""
        rows = np.flatnonzero(chosen)
        return ReadImages(
            [self.names[row] for row in rows],
            [self.paths[row] for row in rows],
            self.pixels[rows],
            self.digests[rows],
        )


def flatten(identities: Identities) -> tuple[list[str], list[ImageLike]]:
    """List the name and the image of each enrolment.

    Raises:
        TypeError: If a name is not a str, or the image of an identity is not in a list.
    """
    names, images = [], []
    for name, given in identities.items():
        if not isinstance(name, str):
            raise TypeError(f"The name of an identity must be a str. Received: {shown(repr(name))}")
        for image in image_list(given):
            names.append(normalized(name))
            images.append(image)
    return names, images


def read_blocks(
    names: Sequence[str], images: Sequence[ImageLike], preprocessing: Preprocessing
) -> Iterator[ReadImages]:
    """Read images on all cores, block by block.

    Raises:
        ImageError: If an image cannot be used.
    """

    def read(image: ImageLike) -> tuple[str, Pixels, bytes]:
        if not isinstance(image, (str, os.PathLike)):
            return "", read_image(image, preprocessing), bytes(DIGEST_SIZE)
        path = os.fspath(image)
        contents = read_image_file(path, preprocessing)
        return path, preprocessing.decode(contents, path), _digest(contents)

    for start in range(0, len(images), _BLOCK):
        block = slice(start, start + _BLOCK)
        paths, pixels, files = zip(*in_threads(read, images[block]), strict=True)
        digests = b"".join(
            _digest(np.ascontiguousarray(image)) + file
            for image, file in zip(pixels, files, strict=True)
        )
        yield ReadImages(
            list(names[block]),
            list(paths),
            np.array(pixels),
            np.frombuffer(digests, np.uint8).reshape(-1, 2, DIGEST_SIZE),
        )


def stored_paths(
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
        is_same = _digest(contents) == gallery.image_digests[row, 1].tobytes()
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


def embedded_again(
    gallery: Gallery,
    own: Gallery,
    paths: Sequence[str],
    preprocessing: Preprocessing,
    embed: Callable[[Pixels], Floats],
) -> Gallery:
    """Embed the images of a gallery again, without its threshold for identification.

    Args:
        gallery: Gallery of another model.
        own: Empty gallery of this model.
        paths: Path of each image.
        preprocessing: Preprocessing of this model.
        embed: Function from pixels to embeddings of this model.

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
    embeddings, digests = [own.embeddings], [own.image_digests]
    for block in read_blocks(gallery.names, paths, preprocessing):
        embeddings.append(embed(block.pixels))
        digests.append(block.digests)
    image_digests = np.concatenate(digests)
    if not np.array_equal(image_digests[:, 1], gallery.image_digests[:, 1]):
        raise GalleryError(
            "Image files have changed while they were read, so nothing was changed. Try again."
        )
    return dataclasses.replace(
        own,
        names=gallery.names,
        images=gallery.images,
        embeddings=np.concatenate(embeddings),
        image_digests=image_digests,
        ids=np.arange(gallery.next_id, gallery.next_id + len(gallery)),
        metadata=gallery.metadata,
        template=gallery.template,
    )


def checked_metadata(metadata: Any) -> dict[str, dict[str, Any]]:
    """Check metadata of identities, and return a copy by normalized name.

    Raises:
        TypeError: If it is not a dict for each name.
        ValueError: If JSON cannot hold it, such as NaN or a tuple.
    """
    if not isinstance(metadata, Mapping):
        raise TypeError(
            "`metadata` must be a mapping from names to dicts. "
            f"Received: metadata={shown(repr(metadata))}"
        )
    checked = {}
    for name, values in metadata.items():
        if not isinstance(name, str) or not isinstance(values, dict):
            raise TypeError(
                "`metadata` must map the name of an identity to a dict. "
                f"Received: metadata[{shown(repr(name))}]={shown(repr(values))}"
            )
        try:
            copied = json.loads(json.dumps(values, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                "Metadata must be such that JSON can hold it. "
                f"Received: metadata[{shown(repr(name))}]={shown(repr(values))} ({shown(error)})"
            ) from error
        if copied != values:
            raise ValueError(
                "Metadata must come back from JSON unchanged: lists in place of tuples, texts as "
                f"keys. Received: metadata[{shown(repr(name))}]={shown(repr(values))}"
            )
        checked[normalized(name)] = copied
    return checked


def _digest(contents: Any) -> bytes:
    return hashlib.blake2b(contents, digest_size=DIGEST_SIZE).digest()
