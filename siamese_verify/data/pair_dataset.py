"""`PairDataset`: pairs of images with their pixels, in batches."""

from __future__ import annotations

import numpy as np

from siamese_verify.data.batching import Indices, Labels, check_buffer, stream
from siamese_verify.data.decoded_pairs import DecodedPairs
from siamese_verify.data.linking import label_images
from siamese_verify.data.own_augmentation import Augment
from siamese_verify.data.shuffling import shuffled
from siamese_verify.lazy_tensorflow import tf


class PairDataset(DecodedPairs):
    """Pairs of images, decoded and ready for `fit`, `evaluate` and `predict`.

    Each image is decoded once, however many pairs it is in, and kept as uint8.

    Args:
        pairs: Pairs to compare.
        images_root: Folder that the samples' paths start from. By default the paths are used as
            they are.
        preprocessing: Preprocessing of the images. By default 105 x 105 pixels, grey.
        cache: Folder or `ImageCache` that keeps the decoded images for later runs. The images may
            then be larger than the memory.
        on_error: `"raise"`, or `"skip"` to leave out the pairs of images that are missing or
            cannot be read.
        verbose: Whether to show the progress of decoding.

    Attributes:
        pairs: The `PairList`.
        labels: Label of each pair, an int32 array `(n,)`: 1 = same, 0 = different.
        preprocessing: The `Preprocessing`.
        images: Pixels, a uint8 array `(images, height, width, channels)`, or with `cache`
            `StoredImages`, which are indexed alike. The rest and the part of a split share them,
            so they may hold images of other pairs too.
        indices: Rows of `images`, an int32 array `(n, 2)`: the left and the right image of each
            pair.
        training_identities: Identities that a model is trained on, a frozenset, for the part that
            `split` returns. None otherwise.
        skipped: The images that were left out, a tuple of `Skipped(path, reason)`.

    Raises:
        TypeError: If `pairs` is not a `PairList`.
        ValueError: If `pairs` is empty, or a path leads out of `images_root`.
        FileNotFoundError: If images are missing. Raised before any image is decoded.
        ImageError: If files cannot be decoded. Names the first ten.

    Warns:
        UserWarning: If images are left out. Tells how many.

    Examples:
        >>> pairs = PairList.sample("lfw/lfw2", 8)
        >>> data = PairDataset(pairs, "lfw/lfw2", verbose=False)
        >>> (left, right), label = next(iter(data.batches(4)))
        >>> left.shape, left.dtype, label.shape
        (TensorShape([4, 105, 105, 1]), tf.float32, TensorShape([4]))
    """

    def batches(
        self,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        augment: Augment = False,
        buffer: int | None = None,
        *,
        initial_epoch: int = 0,
    ) -> tf.data.Dataset:
        """Return the pairs in batches, for `fit`, `evaluate` and `predict`.

        Args:
            batch_size: Number of pairs in a batch. The last batch may be smaller.
            shuffle: Whether each epoch has its own random order. Pass `shuffle=False` to `fit`,
                which cannot shuffle a `tf.data.Dataset` and warns of it.
            seed: Seed of order and augmentation. The same seed results in the same epochs.
            augment: True for `Augmentation()`, or an `Augmentation`, a Keras layer or a function
                of your own (see `docs/images.md`). For training only.
                Each image of a pair is changed on its own.
            buffer: Number of pairs among which to shuffle, as `tf.data` does. By default all are
                shuffled. In LFW's order, same pairs first, a smaller buffer makes batches of
                mostly one label, from which a network learns little.
            initial_epoch: Epoch of the first iteration, as in `fit`, so that a resumed run has the
                same batches. Each iteration counts as an epoch, even if it ends early. On JAX,
                Keras iterates once before `fit`.

        Returns:
            A `tf.data.Dataset` of `((left, right), label)`: float32 images in [0, 1] of shape
            `(batch, height, width, channels)` and int32 labels `(batch,)`.

        Raises:
            TypeError: If `augment` is of another type.
            ValueError: If an argument is out of range.
        """
        check_buffer(buffer, shuffle)

        def order(rng: np.random.Generator) -> Indices:
            n = len(self)
            return shuffled(n, buffer or n, rng) if shuffle else np.arange(n)

        def choose(chosen: Indices) -> tuple[Indices, Labels]:
            # The left images come first, so that one call prepares both sides.
            return self.indices[chosen].T.ravel().astype(np.int64), self.labels[chosen]

        return stream(
            self.images,
            order,
            choose,
            len(self),
            batch_size,
            seed=seed,
            augment=augment,
            initial_epoch=initial_epoch,
            arrange=_as_pairs,
        )

    def image_batches(
        self,
        batch_size: int,
        *,
        seed: int = 0,
        augment: Augment = False,
        initial_epoch: int = 0,
    ) -> tf.data.Dataset:
        """Return the images of shuffled pairs in batches, for losses on labelled embeddings.

        Images that same pairs link, directly or through other pairs, share a label. All others
        count as different identities. Among many identities this is rarely wrong: LFW's 1,100 same
        pairs form 885 groups of 788 identities.

        Args:
            batch_size: Number of pairs in a batch. The last batch may be smaller.
            seed: Seed of order and augmentation. The same seed results in the same epochs.
            augment: As for `batches`.
            initial_epoch: As for `batches`.

        Returns:
            A `tf.data.Dataset` of `(images, label)`: float32 images in [0, 1] of shape
            `(2 batch, height, width, channels)` and int32 labels `(2 batch,)`. The left images
            come first.

        Raises:
            TypeError: If `augment` is of another type.
            ValueError: If an argument is out of range, or same pairs link the images of a
                different pair.

        Examples:
            >>> train = PairDataset.from_lfw("lfw/pairsDevTrain.txt", "lfw/lfw2", verbose=False)
            >>> images, label = next(iter(train.image_batches(4)))
            >>> images.shape, label.shape
            (TensorShape([8, 105, 105, 1]), TensorShape([8]))
        """
        label = label_images(self.pairs, self.indices, len(self.images))

        def choose(chosen: Indices) -> tuple[Indices, Labels]:
            images = self.indices[chosen].T.ravel().astype(np.int64)
            return images, label[images]

        return stream(
            self.images,
            lambda rng: rng.permutation(len(self)),
            choose,
            len(self),
            batch_size,
            seed=seed,
            augment=augment,
            initial_epoch=initial_epoch,
        )


def _as_pairs(
    images: tf.Tensor, labels: tf.Tensor
) -> tuple[tuple[tf.Tensor, tf.Tensor], tf.Tensor]:
    n = tf.shape(labels)[0]
    return (images[:n], images[n:]), labels


def check_pair_dataset(pairs: object) -> None:
    """Raise a `TypeError` unless `pairs` is a `PairDataset`. Tells how to make one."""
    if not isinstance(pairs, PairDataset):
        raise TypeError(
            "`pairs` must be a PairDataset. PairDataset.from_arrays(...) makes one of arrays and "
            "of a tf.data.Dataset, and PairDataset(pairs, images_root) makes one of files. "
            f"Received: pairs of {type(pairs).__name__}"
        )
