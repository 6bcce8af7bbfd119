"""`IdentityDataset`: images labelled by identity, in batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np
import tensorflow as tf

from siamese_verify.checks import is_whole_number, whole_number
from siamese_verify.data.batching import Indices, Labels, stream
from siamese_verify.data.folders import locate_files, samples_by_identity
from siamese_verify.data.own_augmentation import Augment
from siamese_verify.data.preprocessing import Pixels, Preprocessing
from siamese_verify.data.samples import Sample, group_by_identity
from siamese_verify.data.store import load_images
from siamese_verify.files import PathLike


class IdentityDataset:
    """Images labelled by identity, for losses on identities such as `MarginSoftmaxLoss`.

    Args:
        samples: The images and their identities. Each image comes once.
        images_root: Folder that the samples' paths start from.
        preprocessing: Preprocessing of the images. By default 105 x 105 pixels, grey.
        cache: Folder in which the decoded pixels are kept for later runs (see `load_images`).
        verbose: Whether to show the progress of decoding.

    Attributes:
        samples: The samples, in the order received.
        identities: Names of all identities, each once, sorted.
        labels: Label of each image, an int32 array `(n,)`: its identity's place in `identities`.
        preprocessing: The `Preprocessing`.
        images: Pixels, a uint8 array `(n, height, width, channels)`.

    Raises:
        TypeError: If something other than a `Sample` is among `samples`.
        ValueError: If there are fewer than two identities, two samples lead to the same file, or
            a path leads out of `images_root`.
        FileNotFoundError: If images are missing. Raised before any image is decoded.
        ImageError: If a file cannot be decoded. Names the file.

    Examples:
        >>> dataset = IdentityDataset.from_folder("lfw/lfw2", verbose=False)
        >>> images, label = next(iter(dataset.batches(8, per_identity=2)))
        >>> images.shape, len(set(label.numpy().tolist()))
        (TensorShape([8, 105, 105, 1]), 4)
    """

    def __init__(
        self,
        samples: Iterable[Sample],
        images_root: PathLike,
        preprocessing: Preprocessing | None = None,
        *,
        cache: PathLike | None = None,
        verbose: bool = True,
    ):
        self.samples = tuple(samples)
        self.identities = tuple(group_by_identity(self.samples))
        if len(self.identities) < 2:
            raise ValueError(
                "The samples must show two identities or more, or there is nothing to tell apart. "
                f"Add samples. Received: {len(self.samples)} images of {len(self.identities)} "
                "identities"
            )
        number = {identity: i for i, identity in enumerate(self.identities)}
        self.labels: Labels = np.array([number[s.identity] for s in self.samples], np.int32)
        self.preprocessing = preprocessing or Preprocessing()
        paths = locate_files(images_root, self.samples)
        if repeated := len(paths) - len(set(paths)):
            raise ValueError(
                "The samples must hold each image once, or an image would be compared with itself. "
                f"Received: {repeated:,} other spellings of paths that lead to the same files"
            )
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
        """Decode all images below a folder that holds one folder for each identity.

        Args:
            images_root: Folder that holds the folders.
            preprocessing: Preprocessing of the images. By default 105 x 105 pixels, grey.
            identities: Names of the identities to keep, in any form of Unicode. By default all.
            cache: Folder in which the decoded pixels are kept for later runs.
            verbose: Whether to show the progress of decoding.

        Raises:
            TypeError: If `identities` is one name.
            FileNotFoundError: If the folder, or one of `identities`, has no image.
            ValueError, ImageError: See the class.

        Warns:
            FolderWarning: If files or folders are passed over. Tells how many of each kind.
        """
        found = samples_by_identity(images_root, identities)
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
        augment: Augment = False,
        *,
        per_identity: int | None = None,
        initial_epoch: int = 0,
    ) -> tf.data.Dataset:
        """Return the images in batches, for `fit`.

        By default, an epoch holds each image once. With `per_identity`, an epoch holds each
        identity once, with `per_identity` images drawn at random. The images of an identity are
        together in a batch: the P x K batches that losses on a batch's embeddings need. An image
        is repeated only where its identity has too few.

        Args:
            batch_size: Number of images in a batch. The last batch may be smaller.
            shuffle: Whether each epoch has its own random order.
            seed: Seed of order, draws and augmentation. The same seed results in the same epochs.
            augment: True for `Augmentation()`, or an `Augmentation`, a Keras layer or a function
                of your own (see `docs/images.md`). For training only.
                Repeated images are changed differently.
            per_identity: Number of images of each identity, at least 2, a divisor of `batch_size`.
            initial_epoch: Epoch of the first iteration, as in `fit`, so that a resumed run has the
                same batches. Each iteration counts as an epoch, even if it ends early. On JAX,
                Keras iterates once before `fit`.

        Returns:
            A `tf.data.Dataset` of `(images, label)`: float32 images in [0, 1] of shape
            `(batch, height, width, channels)` and int32 labels `(batch,)`.

        Raises:
            TypeError: If `augment` is of another type.
            ValueError: If an argument is out of range.

        Reference:
            Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification",
            2017, section 2 (P x K batches).
        """
        batch_size = whole_number("batch_size", batch_size)
        if per_identity is not None and (
            not is_whole_number(per_identity, 2) or batch_size % per_identity
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
        """Draw images of an identity, each equally often or once more than another."""
        (rows,) = np.nonzero(self.labels == identity)
        repeats = -(-count // len(rows))
        return np.concatenate([rng.permutation(rows) for _ in range(repeats)])[:count]
