"""`IdentityDataset`: images and whose they are, handed out in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
import tensorflow as tf

from siamese_verify.checks import is_whole, whole
from siamese_verify.data.augmentation import Augmentation
from siamese_verify.data.batching import Indices, Labels, stream
from siamese_verify.data.folders import find_files, find_samples
from siamese_verify.data.preprocessing import Pixels, Preprocessing
from siamese_verify.data.samples import Sample
from siamese_verify.data.store import load_images
from siamese_verify.files import PathLike


class IdentityDataset:
    """Images labelled by identity, for losses on identities such as `MarginSoftmaxLoss`.

    Args:
        samples: The images, each once.
        images_root: The folder that holds a folder of images for each identity.
        preprocessing: How images are decoded; by default the report's 105 x 105, grey.
        cache: Folder in which the decoded pixels are kept for later runs; see `load_images`.
        verbose: Whether to show the progress of decoding.

    Attributes:
        samples: The images.
        identities: The names of all identities, each once, sorted.
        labels: int32 array `(n,)`: which of `identities` is on each image.
        preprocessing: The `Preprocessing`.
        images: uint8 array `(n, height, width, channels)`.

    Raises:
        TypeError: If `samples` are no `Sample`s.
        ValueError: If there are fewer than two identities, or an image is there twice.
        FileNotFoundError: If images are missing; names them, before any is decoded.
        ImageError: If a file cannot be decoded; names it.

    Examples:
        >>> images = IdentityDataset.from_folder("lfw/lfw2", verbose=False)
        >>> images, label = next(iter(images.batches(8, per_identity=2)))
        >>> images.shape, len(set(label.numpy().tolist()))
        (TensorShape([8, 105, 105, 1]), 4)
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        images_root: PathLike,
        preprocessing: Preprocessing | None = None,
        *,
        cache: PathLike | None = None,
        verbose: bool = True,
    ):
        self.samples = tuple(samples)
        for sample in self.samples:
            if not isinstance(sample, Sample):
                raise TypeError(
                    "`samples` must be `Sample`s, or see `from_folder`. "
                    f"Received: {sample!r} among them"
                )
        self.identities = tuple(sorted({sample.identity for sample in self.samples}))
        if len(self.identities) < 2:
            raise ValueError(
                "There must be images of two identities or more to tell apart. "
                f"Received: {len(self.samples)} images of {len(self.identities)} identities"
            )
        twice = [sample for sample, count in Counter(self.samples).items() if count > 1]
        if twice:
            raise ValueError(
                f"`samples` must hold each image once. Received: {len(twice)} several times, "
                f"such as {twice[0].path}"
            )
        number = {identity: i for i, identity in enumerate(self.identities)}
        self.labels: Labels = np.array([number[p.identity] for p in self.samples], np.int32)
        self.preprocessing = preprocessing or Preprocessing()
        paths = find_files(images_root, self.samples)
        self.images: Pixels = load_images(paths, self.preprocessing, cache=cache, verbose=verbose)

    @classmethod
    def from_folder(
        cls,
        images_root: PathLike,
        preprocessing: Preprocessing | None = None,
        *,
        identities: Iterable[str] | None = None,
        cache: PathLike | None = None,
        verbose: bool = True,
    ) -> Self:
        """All images in a folder that holds a folder for each identity.

        Args:
            images_root: The folder.
            preprocessing: How images are decoded.
            identities: The names of those to take; by default all.
            cache: Folder in which the decoded pixels are kept for later runs.
            verbose: Whether to show the progress of decoding.

        Raises:
            TypeError: If `identities` is one name.
            FileNotFoundError: If the folder holds no images, or none of an identity in `identities`.
            ValueError, ImageError: See the class.
        """
        found = find_samples(images_root, identities)
        samples = [sample for samples in found.values() for sample in samples]
        return cls(samples, images_root, preprocessing, cache=cache, verbose=verbose)

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        return (
            f"IdentityDataset({len(self):,} images of {len(self.identities):,} identities, "
            f"image_size={self.preprocessing.image_size})"
        )

    def batches(
        self,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        augment: bool | Augmentation = False,
        *,
        per_identity: int | None = None,
        initial_epoch: int = 0,
    ) -> tf.data.Dataset:
        """The images in batches, for `fit`.

        By default, an epoch holds each image once. With `per_identity`, it holds each identity
        once, with so many images drawn at random, and identities are together in a batch: the
        P x K batches that losses on the embeddings of a batch need. Of an identity with fewer, some
        come several times, which with `augment` are not alike.

        Args:
            batch_size: Images in a batch; the last one may be smaller.
            shuffle: Whether each epoch has its own random order.
            seed: Of order, choice and augmentation; the same seed gives the same epochs.
            augment: For training only: True for `Augmentation()`, or one of your own.
            per_identity: Images of each identity, at least 2; a divisor of `batch_size`.
            initial_epoch: The epoch with which the first iteration starts, as in `fit`, so that a
                resumed run sees the batches that an uninterrupted one would. Each iteration counts,
                also one for a look at a batch, and the one that Keras makes on JAX before `fit`.

        Returns:
            A `tf.data.Dataset` of `(images, label)`: float32 images in [0, 1] of shape
            `(batch, height, width, channels)` and int32 labels `(batch,)`.

        Raises:
            ValueError: If an argument is out of range.

        Reference:
            Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Identity Re-Identification",
            2017, section 2 (P x K batches).
        """
        batch_size = whole("batch_size", batch_size)
        if per_identity is not None and (
            not is_whole(per_identity, 2) or batch_size % per_identity
        ):
            raise ValueError(
                "`per_identity` must be a whole number, at least 2, and divide `batch_size`. "
                f"Received: per_identity={per_identity}, batch_size={batch_size}"
            )

        def order(rng: np.random.Generator) -> Indices:
            n = len(self) if per_identity is None else len(self.identities)
            drawn = rng.permutation(n) if shuffle else np.arange(n)
            if per_identity is None:
                return drawn
            return np.concatenate([self._draw(who, per_identity, rng) for who in drawn])

        return stream(
            self.images,
            order,
            lambda rows: (rows, self.labels[rows]),
            len(self) if per_identity is None else per_identity * len(self.identities),
            batch_size,
            seed=seed,
            augment=augment,
            initial_epoch=initial_epoch,
        )

    def _draw(self, identity: int, count: int, rng: np.random.Generator) -> Indices:
        """Images of an identity, each as often as any other, but for one time."""
        (rows,) = np.nonzero(self.labels == identity)
        repeats = -(-count // len(rows))
        return np.concatenate([rng.permutation(rows) for _ in range(repeats)])[:count]
