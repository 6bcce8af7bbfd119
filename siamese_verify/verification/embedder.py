"""`Embedder`: from images in any form to embeddings, by a model in a known state."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.backends import without_gradients
from siamese_verify.data.pair_dataset import PairDataset, check_pair_dataset
from siamese_verify.data.preprocessing import Pixels, Preprocessing, scale
from siamese_verify.data.reading import ImageLike
from siamese_verify.data.stored_images import StoredImages, images_at
from siamese_verify.messages import shown
from siamese_verify.model import SiameseModel
from siamese_verify.scoring import Floats, score_pairs
from siamese_verify.verification.embedded_images import (
    DistinctImages,
    EmbeddedImages,
    read_block,
)
from siamese_verify.verification.fingerprint import FingerprintReader
from siamese_verify.verification.gallery import Gallery
from siamese_verify.verification.looks import Looks, find_unlike

_TOLERANCE = 1e-3  # Relative to the largest value. Rounding differs by far less.


class Embedder:
    """Model with the preprocessing of its images and a reader of its fingerprint.

    Args:
        model: Model to embed with. It is built for images of the preprocessing's shape.
        preprocessing: Preprocessing of images.

    Raises:
        TypeError: If `preprocessing` is not a `Preprocessing`.
        ValueError: If `preprocessing` returns images of another shape than the model needs.
    """

    def __init__(self, model: SiameseModel, preprocessing: Preprocessing):
        _check_preprocessing(model.tower, preprocessing)
        self.model, self.preprocessing = model, preprocessing
        model.build(((None, *preprocessing.shape),) * 2)
        self.reader = FingerprintReader(model, preprocessing)

    def embed(self, images: Iterable[ImageLike]) -> Floats:
        """Embed images in any form that `read_image` reads, each distinct one once."""
        embedded = self.embed_each(images)
        return np.asarray(embedded.embeddings[embedded.rows])

    def embed_each(
        self,
        images: Iterable[ImageLike],
        *,
        on_error: Literal["raise", "skip"] = "raise",
        looks: Looks | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> EmbeddedImages:
        """Embed each distinct image once. Read blocks of images on all cores.

        Args:
            images: Images in any form that `read_image` reads. Equal paths, and the same objects,
                are one image.
            on_error: `"raise"`, or `"skip"` to leave out images that cannot be used.
            looks: Limits of validation images, to tell which images are unlike them.
            progress: Function that gets the number of images so far, after each block.

        Raises:
            ImageError, OSError: If an image cannot be used, unless it is left out.
        """
        distinct, failures, unlike, n = DistinctImages(images), {}, [], 0
        embeddings = [np.empty((0, self.model.embedding_size), np.float32)]
        for block in distinct.blocks():
            pixels, failed = read_block(block, self.preprocessing)
            if failed and on_error == "raise":
                raise next(iter(failed.values()))
            failures.update({n + place: error for place, error in failed.items()})
            n += len(block)
            embeddings.append(self._embed_sorted(pixels))
            unlike += find_unlike(looks, pixels, embeddings[-1])
            if progress:
                progress(len(distinct.numbers))
        is_good = np.ones(n, bool)
        is_good[list(failures)] = False
        numbers = np.array(distinct.numbers, np.int64)
        rows = np.where(is_good, np.cumsum(is_good) - 1, -1)[numbers]
        errors = {place: failures[numbers[place]] for place in np.flatnonzero(rows < 0).tolist()}
        return EmbeddedImages(np.concatenate(embeddings), rows, unlike, errors)

    def embed_pairs(self, pairs: PairDataset) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Embed each image of pairs once.

        Returns:
            Embeddings `(n, size)`, and the rows of the two images of each pair, `(p, 2)`.

        Raises:
            TypeError: If `pairs` is not a `PairDataset`.
            ValueError: If the pairs have another preprocessing.
        """
        check_pair_dataset(pairs)
        if pairs.preprocessing != self.preprocessing:
            raise ValueError(
                "`pairs` must have the preprocessing of the verifier, because its scores hold for "
                "no other. Make the PairDataset with verifier.preprocessing. "
                f"Received: pairs.preprocessing={pairs.preprocessing}, not {self.preprocessing}"
            )
        rows, indices = np.unique(pairs.indices, return_inverse=True)
        pixels = images_at(pairs.images, rows)  # Read batch by batch.
        return self.embed_pixels(pixels), indices.reshape(pairs.indices.shape)

    def empty_gallery(self) -> Gallery:
        """Make a gallery without images, with the embedding of a fixed image as its reference."""
        fingerprint = self.reader.read_finite()
        embeddings = self.embed_pixels(self._reference_pixels())
        return Gallery((), embeddings[:0], fingerprint, embeddings[0])

    def score(self, embeddings: Floats, pairs: npt.NDArray[np.int64]) -> Floats:
        """Score pairs of embeddings, as `score_pairs` does.

        Raises:
            RuntimeError: If a score is not finite.
        """
        scores = score_pairs(self.model.head, embeddings, pairs)
        if wrong := np.count_nonzero(~np.isfinite(scores)):
            raise RuntimeError(
                f"{wrong:,} of {len(scores):,} scores of {shown(repr(self.model.head.name))} are "
                "not finite, so they decide nothing. Use another head, or train the model again "
                "with a lower learning rate."
            )
        return scores

    def difference(self, other: Embedder) -> str:
        """Say in what another embedder differs, as the end of a sentence. Empty if in nothing."""
        if self.reader.read().fingerprint != other.reader.read().fingerprint:
            mine, theirs = self.model.weights, other.model.weights
            for one, another in itertools.zip_longest(mine, theirs):
                if one is None or another is None or not _is_equal(one, another):
                    path = (another if one is None else one).path
                    return f"does not bring back the weights of {shown(repr(path))}"
            return "brings back another class or arguments of tower, head or preprocessing"
        names = "embeddings", "scores"
        for name, one, another in zip(names, self._outputs(), other._outputs(), strict=True):
            largest = np.nan_to_num(np.abs(one), posinf=0).max()
            if not np.allclose(one, another, rtol=0, atol=_TOLERANCE * largest, equal_nan=True):
                return (
                    f"computes other {name} than the model in memory. A layer may not keep one of "
                    "its arguments, or another class or function may have its name"
                )
        return ""

    def _outputs(self) -> tuple[Floats, Floats]:
        """Compute embeddings of two fixed images, and the score of the two."""
        pixels = self._reference_pixels()
        images = scale(np.concatenate([pixels, pixels[:, ::-1, ::-1]]))
        with without_gradients():
            outputs = keras.ops.cast(self.model.tower(images, training=False), "float32")
            embeddings = keras.ops.convert_to_numpy(outputs)
        return embeddings, score_pairs(self.model.head, embeddings, [[0, 1], [0, 0]])

    def _reference_pixels(self) -> Pixels:
        """Make a fixed image without symmetry, which needs no decoding."""
        shape = self.preprocessing.shape
        pixels = np.arange(np.prod(shape)) ** 2 % 251
        return pixels.astype(np.uint8).reshape(1, *shape)

    def _embed_sorted(self, pixels: Pixels) -> Floats:
        """Embed pixels in an order of their own, which their places do not change.

        Rounding may depend on the place in a batch. So two images have the same score to the bit,
        whichever comes first.
        """
        order = np.array(sorted(range(len(pixels)), key=lambda row: pixels[row].tobytes()), int)
        embeddings = np.empty((len(pixels), self.model.embedding_size), np.float32)
        embeddings[order] = self.embed_pixels(pixels[order])
        return embeddings

    def embed_pixels(self, pixels: Pixels | StoredImages) -> Floats:
        """Embed pixels as `read_image` returns them, `(n, height, width, channels)`."""
        embeddings = self.model.embed(pixels)
        if not np.isfinite(embeddings).all():
            raise RuntimeError(
                f"The embeddings of {shown(repr(self.model.tower.name))} are not finite, because "
                "its weights are too large. Train the model again with a lower learning rate."
            )
        return embeddings


def _is_equal(one: keras.Variable, another: keras.Variable) -> bool:
    mine, theirs = (keras.ops.convert_to_numpy(variable) for variable in (one, another))
    return np.array_equal(mine, theirs, equal_nan=True)


def _check_preprocessing(tower: keras.Model, preprocessing: Any) -> None:
    if not isinstance(preprocessing, Preprocessing):
        raise TypeError(
            "`preprocessing` must be a Preprocessing. Received: "
            f"preprocessing={shown(repr(preprocessing))} of type {type(preprocessing).__name__}"
        )
    needed, given = getattr(tower, "input_shape", (None,))[1:], preprocessing.shape
    if needed and tuple(size or own for size, own in zip(needed, given, strict=False)) != given:
        raise ValueError(
            f"`preprocessing` must return images of the shape {needed} that the tower "
            f"{shown(repr(tower.name))} needs. Received: preprocessing={preprocessing}, of shape "
            f"{given}"
        )
