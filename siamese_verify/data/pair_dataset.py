"""`PairDataset`: pairs and pixels, handed out in batches."""

from __future__ import annotations

import copy
from typing import Literal, Self

import numpy as np
import tensorflow as tf

from siamese_verify.data.augmentation import Augmentation
from siamese_verify.data.batching import Indices, Labels, stream
from siamese_verify.data.folders import find_files
from siamese_verify.data.pairs import PairList
from siamese_verify.data.preprocessing import Pixels, Preprocessing
from siamese_verify.data.samples import Sample
from siamese_verify.data.store import load_images
from siamese_verify.files import PathLike


class PairDataset:
    """Pairs of images, decoded and ready for `fit`, `evaluate` and `predict`.

    Each image is decoded once, however many pairs it is in, and kept as uint8.

    Args:
        pairs: Who is compared with whom.
        images_root: The folder that holds a folder of images for each identity.
        preprocessing: How images are decoded; by default the report's 105 x 105, grey.
        cache: Folder in which the decoded pixels are kept for later runs; see `load_images`.
        verbose: Whether to show the progress of decoding.

    Attributes:
        pairs: The `PairList`.
        labels: int32 array `(n,)`: 1 = same, 0 = different.
        preprocessing: The `Preprocessing`.
        images: uint8 array `(images, height, width, channels)`. The parts of a split share
            it, so that it may hold images of other pairs too.
        indices: int64 array `(n, 2)`: which of `images` are each pair's left and right.
        training_identities: Of a part that was split off: the identities of the rest, with which a model
            is trained, as a frozenset; None otherwise.

    Raises:
        ValueError: If `pairs` is empty.
        TypeError: If `pairs` is no `PairList`.
        FileNotFoundError: If images are missing; names them, before any is decoded.
        ImageError: If a file cannot be decoded; names it.
    """

    def __init__(
        self,
        pairs: PairList,
        images_root: PathLike,
        preprocessing: Preprocessing | None = None,
        *,
        cache: PathLike | None = None,
        verbose: bool = True,
    ):
        if not isinstance(pairs, PairList):
            raise TypeError(f"`pairs` must be a PairList. Received: {type(pairs).__name__}")
        if not len(pairs):
            raise ValueError("`pairs` is empty: there is nothing to compare.")
        samples = pairs.samples
        self.preprocessing = preprocessing or Preprocessing()
        self.images: Pixels = load_images(
            find_files(images_root, samples), self.preprocessing, cache=cache, verbose=verbose
        )
        self._samples = samples
        self.training_identities: frozenset[str] | None = None
        self._set_pairs(pairs)

    def _set_pairs(self, pairs: PairList) -> None:
        row = {sample: i for i, sample in enumerate(self._samples)}
        self.pairs = pairs
        self.labels = pairs.labels
        self.indices: Indices = np.array([(row[p.left], row[p.right]) for p in pairs], np.int64)

    @classmethod
    def from_lfw(
        cls,
        pairs_file: PathLike,
        images_root: PathLike,
        image_size: tuple[int, int] = (105, 105),
        *,
        channels: int = 1,
        center_crop: tuple[int, int] | None = None,
        max_pixels: int = Preprocessing.max_pixels,
        cache: PathLike | None = None,
        verbose: bool = True,
    ) -> Self:
        """Reads a pair file in LFW's format and the images that it names.

        Args:
            pairs_file: See `PairList.from_lfw`.
            images_root: The folder that holds a folder of images for each identity.
            image_size: Height and width to which images are resized.
            channels: 1 (grey) or 3 (RGB).
            center_crop: Height and width of the part of each file to keep; by default all.
            max_pixels: The most pixels that a file may hold.
            cache: Folder in which the decoded pixels are kept for later runs.
            verbose: Whether to show the progress of decoding.

        Returns:
            The data set, in the order of the file.

        Raises:
            PairFileError: If the pair file cannot be read.
            ValueError, FileNotFoundError, ImageError: See the class.

        Examples:
            >>> train = PairDataset.from_lfw("lfw/pairsDevTrain.txt", "lfw/lfw2", verbose=False)
            >>> (left, right), label = next(iter(train.batches(4)))
            >>> left.shape, left.dtype, label.shape
            (TensorShape([4, 105, 105, 1]), tf.float32, TensorShape([4]))
        """
        preprocessing = Preprocessing(image_size, channels, center_crop, max_pixels)
        pairs = PairList.from_lfw(pairs_file)
        return cls(pairs, images_root, preprocessing, cache=cache, verbose=verbose)

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        return f"PairDataset({self.pairs!r}, image_size={self.preprocessing.image_size})"

    def split(
        self, fraction: float, *, seed: int = 0, by: Literal["pair", "identity"] = "pair"
    ) -> tuple[Self, Self]:
        """Splits off a part, such as the validation pairs, without decoding anything again.

        Args:
            fraction: Share of the pairs to split off.
            seed: The same seed gives the same split.
            by: `"pair"` or `"identity"`; see `PairList.split`.

        Returns:
            The rest and the part.
        """
        rest, part = self.pairs.split(fraction, seed=seed, by=by)
        kept, split_off = self._with_pairs(rest), self._with_pairs(part)
        # A part of a part still knows whom the first split trained on.
        split_off.training_identities = frozenset(rest.identities) | (
            self.training_identities or frozenset()
        )
        return kept, split_off

    def _with_pairs(self, pairs: PairList) -> Self:
        other = copy.copy(self)
        other._set_pairs(pairs)
        return other

    def distinct_images(self) -> tuple[Pixels, list[Sample]]:
        """The images of these pairs, each once: their pixels, and whose they are."""
        rows = np.unique(self.indices)
        return self.images[rows], [self._samples[row] for row in rows.tolist()]

    def batches(
        self,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        augment: bool | Augmentation = False,
        buffer: int | None = None,
        *,
        initial_epoch: int = 0,
    ) -> tf.data.Dataset:
        """The pairs in batches, for `fit`, `evaluate` and `predict`.

        Args:
            batch_size: Pairs in a batch; the last one may be smaller.
            shuffle: Whether each epoch has its own random order.
            seed: Of order and augmentation; the same seed gives the same epochs.
            augment: For training only: True for `Augmentation()`, or one of your own. Each image
                of a pair is changed on its own.
            buffer: Shuffle as `tf.data` does with a buffer of so many pairs, as in the report
                (1,000). By default the whole list is shuffled. With a smaller buffer, pairs stay
                near their place: a list in LFW's order, same pairs first, then gives batches of
                mostly one label, from which a network learns little.
            initial_epoch: The epoch with which the first iteration starts, as in `fit`, so that a
                resumed run sees the batches that an uninterrupted one would. Each iteration counts,
                also one for a look at a batch, and the one that Keras makes on JAX before `fit`.

        Returns:
            A `tf.data.Dataset` of `((left, right), label)`: float32 images in [0, 1] of shape
            `(batch, height, width, channels)` and int32 labels `(batch,)`.

        Raises:
            ValueError: If an argument is out of range.
        """
        if buffer is not None and (buffer < 1 or not shuffle):
            raise ValueError(
                "`buffer` must be at least 1 and goes with shuffle=True. "
                f"Received: buffer={buffer}, shuffle={shuffle}"
            )

        def order(rng: np.random.Generator) -> Indices:
            return _order(len(self), buffer or len(self), rng) if shuffle else np.arange(len(self))

        def choose(chosen: Indices) -> tuple[Indices, Labels]:
            # The left images, then the right ones, so that one call prepares them all.
            return self.indices[chosen].T.ravel(), self.labels[chosen]

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
        augment: bool | Augmentation = False,
        initial_epoch: int = 0,
    ) -> tf.data.Dataset:
        """The images of shuffled pairs, for losses on labelled embeddings.

        Images that same pairs link, directly or through others, have one label; those that
        nothing links are taken to be of different identities. So nothing is used but the pairs and
        their labels. Among thousands of identities, what is taken for granted is seldom wrong: of
        LFW's 1,100 same pairs, 885 groups are made, of 788 identities.

        Args:
            batch_size: Pairs in a batch, each of two images; the last one may be smaller.
            seed: Of order and augmentation; the same seed gives the same epochs.
            augment: As for `batches`.
            initial_epoch: As for `batches`.

        Returns:
            A `tf.data.Dataset` of `(images, label)`: float32 images in [0, 1] of shape
            `(2 batch, height, width, channels)` and int32 labels `(2 batch,)`, the left
            images first.

        Raises:
            ValueError: If `batch_size` is below 1, or same pairs link the images of a
                different pair.

        Examples:
            >>> train = PairDataset.from_lfw("lfw/pairsDevTrain.txt", "lfw/lfw2", verbose=False)
            >>> images, label = next(iter(train.image_batches(4)))
            >>> images.shape, label.shape
            (TensorShape([8, 105, 105, 1]), TensorShape([8]))
        """
        group = _linked(self.indices[self.labels == 1], len(self.images))
        linked = group[self.indices[:, 0]] == group[self.indices[:, 1]]
        contradicted = np.flatnonzero(linked & (self.labels == 0))
        if len(contradicted):
            left, right, _ = self.pairs[int(contradicted[0])]
            raise ValueError(
                "A pair is said to be different, but same pairs link its images: "
                f"{left.path} and {right.path}. Mend the list of pairs."
            )

        def choose(chosen: Indices) -> tuple[Indices, Labels]:
            images = self.indices[chosen].T.ravel()
            return images, group[images]

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


def _order(n: int, buffer: int, rng: np.random.Generator) -> Indices:
    """A random order: of all at once, or of a stream through a buffer as `tf.data` shuffles."""
    if buffer >= n:
        return rng.permutation(n)
    held = np.arange(buffer)
    order = np.empty(n, np.int64)
    slots = rng.integers(buffer, size=n - buffer)
    for i, slot in enumerate(slots.tolist()):
        order[i] = held[slot]
        held[slot] = buffer + i
    order[n - buffer :] = rng.permutation(held)
    return order


def _linked(pairs: Indices, n: int) -> Labels:
    """Of each of n items, the lowest of those that pairs link it with, be it through others."""
    lowest = np.arange(n, dtype=np.int32)
    while True:
        of_pair = lowest[pairs].min(axis=1, keepdims=True)
        if (lowest[pairs] == of_pair).all():
            return lowest
        np.minimum.at(lowest, pairs, of_pair)


def _as_pairs(
    images: tf.Tensor, labels: tf.Tensor
) -> tuple[tuple[tf.Tensor, tf.Tensor], tf.Tensor]:
    n = tf.shape(labels)[0]
    return (images[:n], images[n:]), labels
