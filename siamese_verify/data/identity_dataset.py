"""`IdentityDataset`: images labelled by identity, in batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from siamese_verify.checks import whole_number
from siamese_verify.data.batching import Indices, check_per_identity, stream
from siamese_verify.data.labelled_images import LabelledImages
from siamese_verify.data.own_augmentation import Augment
from siamese_verify.data.pair_dataset import PairDataset
from siamese_verify.data.pairs import PairList
from siamese_verify.data.shuffling import drawn_rows
from siamese_verify.lazy_tensorflow import tf


class IdentityDataset(LabelledImages):
    """Images labelled by identity, for losses on identities such as `MarginSoftmaxLoss`.

    Args:
        samples: The images and their identities. Each image comes once.
        images_root: Folder that the samples' paths start from. By default the paths are used as
            they are.
        preprocessing: Preprocessing of the images. By default 105 x 105 pixels, grey.
        cache: Folder or `ImageCache` that keeps the decoded images for later runs. The images may
            then be larger than the memory.
        on_error: `"raise"`, or `"skip"` to leave out images that are missing or cannot be read.
        verbose: Whether to show the progress of decoding.

    Attributes:
        samples: The samples, in the order received.
        identities: Names of all identities, each once, sorted.
        labels: Label of each image, an int32 array `(n,)`: its identity's place in `identities`.
        preprocessing: The `Preprocessing`.
        images: Pixels, a uint8 array `(n, height, width, channels)`, or with `cache` and after a
            split `StoredImages`, which are indexed alike.
        training_identities: Identities that a model is trained on, a frozenset, for the parts after
            the first that `split` returns. None otherwise.
        skipped: The images that were left out, a tuple of `Skipped(path, reason)`.

    Raises:
        TypeError: If something other than a `Sample` is among `samples`.
        ValueError: If there are fewer than two identities, two samples lead to the same file, or
            a path leads out of `images_root`.
        FileNotFoundError: If images are missing. Raised before any image is decoded.
        ImageError: If files cannot be decoded. Names the first ten.

    Warns:
        UserWarning: If images are left out. Tells how many.

    Examples:
        >>> dataset = IdentityDataset.from_folder("lfw/lfw2", verbose=False)
        >>> images, label = next(iter(dataset.batches(8, per_identity=2)))
        >>> images.shape, len(set(label.numpy().tolist()))
        (TensorShape([8, 105, 105, 1]), 4)
    """

    def pairs(self, size: int | None = None, *, seed: int = 0, **kwargs: Any) -> PairDataset:
        """Draw pairs of these images, as `PairList.sample` does. They share the pixels.

        Args:
            size: Number of pairs, as for `PairList.sample`.
            seed: Seed of the draws.
            **kwargs: Further arguments of `PairList.sample`.

        Returns:
            A `PairDataset`. It knows the `training_identities` of this data set.

        Raises:
            ValueError: If so many pairs are not possible.

        Examples:
            >>> images = np.zeros((20, 16, 16), np.uint8)
            >>> data = IdentityDataset.from_arrays(images, list(range(10)) * 2)
            >>> data.pairs(12)
            PairDataset(PairList(6 same, 6 different), image_size=(16, 16))
        """
        drawn = PairList.sample(self.samples, size, seed=seed, **kwargs)
        row_of = {sample.path: row for row, sample in enumerate(self.samples)}
        return PairDataset.of_images(
            drawn,
            self.images,
            [row_of[path] for path in drawn.samples.paths],
            self.preprocessing,
            training_identities=self.training_identities,
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
        check_per_identity(per_identity, batch_size)

        # The rows of each identity, in their order.
        starts = np.cumsum(np.bincount(self.labels))[:-1]
        rows_of = np.split(np.argsort(self.labels, kind="stable"), starts)

        def order(rng: np.random.Generator) -> Indices:
            n = len(self) if per_identity is None else len(self.identities)
            drawn = rng.permutation(n) if shuffle else np.arange(n)
            if per_identity is None:
                return drawn
            return np.concatenate([drawn_rows(rows_of[who], per_identity, rng) for who in drawn])

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
