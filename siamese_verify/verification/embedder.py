"""`Embedder`: from images in any form to embeddings, by a model in a known state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.data.pair_dataset import PairDataset
from siamese_verify.data.preprocessing import Pixels, Preprocessing
from siamese_verify.data.reading import ImageLike, image_list, read_image
from siamese_verify.model import SiameseModel
from siamese_verify.scoring import Floats
from siamese_verify.verification.fingerprint import FingerprintReader


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
        """Embed images in any form that `read_image` reads."""
        pixels = [read_image(image, self.preprocessing) for image in image_list(images)]
        return self._embed_pixels(np.array(pixels).reshape(-1, *self.preprocessing.shape))

    def embed_pairs(self, pairs: PairDataset) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Embed each image of pairs once.

        Returns:
            Embeddings `(n, size)`, and the rows of the two images of each pair, `(p, 2)`.

        Raises:
            ValueError: If the pairs have another preprocessing.
        """
        if pairs.preprocessing != self.preprocessing:
            raise ValueError(
                "`pairs` must have the preprocessing of the verifier, because its scores hold for "
                "no other. Make the PairDataset with verifier.preprocessing. "
                f"Received: pairs.preprocessing={pairs.preprocessing}, not {self.preprocessing}"
            )
        rows, indices = np.unique(pairs.indices, return_inverse=True)
        return self._embed_pixels(pairs.images[rows]), indices.reshape(pairs.indices.shape)

    def embed_reference(self) -> npt.NDArray[np.float32]:
        """Embed a fixed image, by which galleries of different models are told apart."""
        shape = self.preprocessing.shape
        pixels = np.arange(np.prod(shape)) ** 2 % 251  # An image without symmetry.
        (reference,) = self._embed_pixels(pixels.astype(np.uint8).reshape(1, *shape))
        return np.asarray(reference)

    def _embed_pixels(self, pixels: Pixels) -> Floats:
        embeddings = self.model.embed(pixels)
        if not np.isfinite(embeddings).all():
            raise RuntimeError(
                f"The embeddings of {self.model.tower.name!r} are not finite, because its weights "
                "are too large. Train the model again with a lower learning rate."
            )
        return embeddings


def _check_preprocessing(tower: keras.Model, preprocessing: Any) -> None:
    if not isinstance(preprocessing, Preprocessing):
        raise TypeError(
            "`preprocessing` must be a Preprocessing. "
            f"Received: preprocessing={preprocessing!r} of type {type(preprocessing).__name__}"
        )
    needed, given = getattr(tower, "input_shape", (None,))[1:], preprocessing.shape
    if needed and tuple(size or own for size, own in zip(needed, given, strict=False)) != given:
        raise ValueError(
            f"`preprocessing` must return images of the shape {needed} that the tower "
            f"{tower.name!r} needs. Received: preprocessing={preprocessing}, of shape {given}"
        )
