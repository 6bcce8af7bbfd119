"""Reading and embedding of images for enrolment."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from siamese_verify.data.preprocessing import Pixels, Preprocessing
from siamese_verify.data.reading import ImageLike, image_list, read_image, read_image_file
from siamese_verify.data.threads import in_threads
from siamese_verify.files import PathLike
from siamese_verify.messages import shown, shown_repr
from siamese_verify.names import normalized
from siamese_verify.scoring import Floats
from siamese_verify.verification.gallery import DIGEST_SIZE, Gallery

Identities = Mapping[str, Iterable[ImageLike]]
BLOCK = 1024
"""Number of images that are in memory at once."""


class ReadImages(NamedTuple):
    """Images of a block, as they are enrolled."""

    names: list[str]
    paths: list[str]
    """Path of each image. Empty for an image without one."""
    places: list[int]
    """Place of each image among all that were passed, counted from 1."""
    pixels: Pixels
    digests: npt.NDArray[np.uint8]
    """Digests `(n, 2, 16)`: of the pixels, and of the file. Zeros stand for an unknown digest."""

    @property
    def labels(self) -> list[str]:
        """Path of each image, or its name and its place."""
        parts = zip(self.paths, self.names, self.places, strict=True)
        return [path or f"{name}, image {place}" for path, name, place in parts]

    def selected(self, chosen: Sequence[bool]) -> ReadImages:
        """Keep the images for which `chosen` is true."""
        rows = np.flatnonzero(chosen)
        return ReadImages(
            [self.names[row] for row in rows],
            [self.paths[row] for row in rows],
            [self.places[row] for row in rows],
            self.pixels[rows],
            self.digests[rows],
        )


def flatten(identities: Identities) -> tuple[list[str], list[ImageLike]]:
    """List the name and the image of each enrolment.

    Raises:
        TypeError: If a name is not a str, or the image of an identity is not in a list.
        ValueError: If a name is empty.
    """
    names, images = [], []
    for name, given in identities.items():
        if not isinstance(name, str):
            raise TypeError(f"The name of an identity must be a str. Received: {shown(repr(name))}")
        if not name.strip():
            raise ValueError(f"The name of an identity must not be empty. Received: {name!r}")
        for image in image_list(given):
            names.append(normalized(name))
            images.append(image)
    return names, images


def digest(contents: Any) -> bytes:
    """Compute the digest of pixels or of a file."""
    return hashlib.blake2b(contents, digest_size=DIGEST_SIZE).digest()


def read_blocks(
    names: Sequence[str], images: Sequence[ImageLike], preprocessing: Preprocessing
) -> Iterator[ReadImages]:
    """Read images on all cores, block by block.

    Raises:
        ImageError: If an image cannot be used.
    """

    def read(image: ImageLike) -> tuple[Pixels, bytes]:
        if isinstance(image, (str, os.PathLike)):
            return read_with_digests(image, preprocessing)
        pixels = read_image(image, preprocessing)
        return pixels, digest(np.ascontiguousarray(pixels)) + bytes(DIGEST_SIZE)

    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        pixels, digests = zip(*in_threads(read, block), strict=True)
        yield ReadImages(
            list(names[start : start + BLOCK]),
            [os.fspath(x) if isinstance(x, (str, os.PathLike)) else "" for x in block],
            list(range(start + 1, start + 1 + len(block))),
            np.array(pixels),
            np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 2, DIGEST_SIZE),
        )


def read_with_digests(path: PathLike, preprocessing: Preprocessing) -> tuple[Pixels, bytes]:
    """Read an image file, and compute the digests of its pixels and of the file.

    Raises:
        ImageError, OSError: If the image cannot be used.
    """
    contents = read_image_file(path, preprocessing)
    pixels = preprocessing.decode(contents, os.fspath(path))
    return pixels, digest(np.ascontiguousarray(pixels)) + digest(contents)


def embed_blocks(
    own: Gallery, blocks: Iterable[ReadImages], embed: Callable[[ReadImages], Floats]
) -> Gallery:
    """Embed images block by block, as a gallery of their own.

    Args:
        own: Empty gallery of the model.
        blocks: Images.
        embed: Function from the images of a block to their embeddings `(n, size)`.
    """
    names, paths, embeddings, digests = [], [], [own.embeddings], [own.image_digests]
    for block in blocks:
        names += block.names
        paths += block.paths
        embeddings.append(embed(block))
        digests.append(block.digests)
    return dataclasses.replace(
        own,
        names=tuple(names),
        images=tuple(paths),
        embeddings=np.concatenate(embeddings),
        image_digests=np.concatenate(digests),
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
                f"Received: metadata[{shown(repr(name))}]={shown_repr(values)} ({shown(error)})"
            ) from error
        if copied != values:
            raise ValueError(
                "Metadata must come back from JSON unchanged: lists in place of tuples, texts as "
                f"keys. Received: metadata[{shown(repr(name))}]={shown(repr(values))}"
            )
        checked[normalized(name)] = copied
    return checked
