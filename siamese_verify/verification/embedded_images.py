"""Images that are embedded once each, however often they occur, block by block."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from siamese_verify.data.decoding import ImageError
from siamese_verify.data.formats.decoders import tensorflow_is_imported
from siamese_verify.data.preprocessing import Pixels, Preprocessing
from siamese_verify.data.reading import ImageLike, image_list, read_image
from siamese_verify.data.threads import in_threads
from siamese_verify.files import PathLike
from siamese_verify.messages import shown
from siamese_verify.verification.image_measures import Floats
from siamese_verify.verification.looks import Reasons

Failures: TypeAlias = dict[int, Exception]
_PATHS = str, os.PathLike


class EmbeddedImages(NamedTuple):
    """Embeddings of images, of which each distinct one was embedded once."""

    embeddings: Floats
    """float32 array `(m, size)`."""
    rows: npt.NDArray[np.int64]
    """Row of each image in `embeddings`, `(n,)`, and -1 for an image that cannot be used."""
    unlike: list[Reasons]
    """For each row, in what the image is unlike all validation images."""
    failures: Failures
    """Error of each image that cannot be used, by its place."""


class DistinctImages:
    """Images without repetitions: equal paths, and the same objects, are one image.

    Attributes:
        numbers: Number of each image among the distinct images, after `blocks` has ended.

    Args:
        images: Images in any form that `read_image` reads.
    """

    def __init__(self, images: Iterable[ImageLike]):
        self._images = image_list(images)
        self.numbers: list[int] = []

    def blocks(self) -> Iterator[list[ImageLike]]:
        """Yield the distinct images, block by block."""
        # Objects of an iterator may end after their block, and others get their identity.
        are_kept = isinstance(self._images, (list, tuple))
        known: dict[str | bytes | int, int] = {}
        block: list[ImageLike] = []
        n = 0
        for image in self._images:
            key = os.fspath(image) if isinstance(image, _PATHS) else id(image)
            if key not in known:
                known[key], n = n, n + 1
                block.append(image)
            self.numbers.append(known[key])
            if len(block) == BLOCK:
                yield block
                block = []
                if not are_kept:
                    known = {key: number for key, number in known.items() if type(key) is not int}
        if block:
            yield block


def image_pairs(
    pairs: Iterable[tuple[ImageLike, ImageLike]],
) -> list[tuple[ImageLike, ImageLike]]:
    """List pairs of images.

    Raises:
        TypeError: If a pair is not two images.
    """
    pairs = list(pairs)
    for i, pair in enumerate(pairs):
        if not isinstance(pair, Sized) or isinstance(pair, (str, bytes)) or len(pair) != 2:
            raise TypeError(f"A pair must be two images. Received: pairs[{i}]={shown(repr(pair))}")
    return pairs


def read_block(
    images: Sequence[ImageLike], preprocessing: Preprocessing
) -> tuple[Pixels, Failures]:
    """Read images on all cores.

    Returns:
        Pixels of the images that can be used, and the error of each other, by its place.
    """
    paths = [image for image in images if isinstance(image, _PATHS)]
    if tensorflow_is_imported() and len(paths) == len(images) >= _FEWEST_FOR_GRAPH:
        return _read_files(paths, preprocessing)

    def read(image: ImageLike) -> Pixels | Exception:
        try:
            return read_image(image, preprocessing)
        except (ImageError, OSError) as error:
            return error

    results = list(in_threads(read, images))
    failures = {i: x for i, x in enumerate(results) if isinstance(x, Exception)}
    pixels = [result for result in results if not isinstance(result, Exception)]
    return np.array(pixels, np.uint8).reshape(-1, *preprocessing.shape), failures


def _read_files(paths: Sequence[PathLike], preprocessing: Preprocessing) -> tuple[Pixels, Failures]:
    """Read files in TensorFlow's threads, which need no Python, as `read_block` does."""
    from siamese_verify.data.file_decoding import decode_files, reader

    pixels = np.empty((len(paths), *preprocessing.shape), np.uint8)
    read = reader(paths, preprocessing)
    failures = decode_files(
        range(len(paths)), paths, preprocessing, read, pixels.__setitem__, verbose=False
    )
    return np.delete(pixels, list(failures), axis=0), failures


BLOCK = 512
"""Number of distinct images whose pixels are in memory at once."""
_FEWEST_FOR_GRAPH = 32  # Starting TensorFlow's threads for fewer files costs more than it saves.
