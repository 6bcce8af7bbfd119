"""Epochs of labelled images as `tf.data`: shared by batches of pairs and of identities."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import is_whole_number, whole_number
from siamese_verify.data.augmentation import Augmentation
from siamese_verify.data.file_decoding import without_autotuning
from siamese_verify.data.own_augmentation import Augment, OwnAugmentation, as_augmentation
from siamese_verify.data.shares import WHOLE, Share
from siamese_verify.data.stored_images import Images
from siamese_verify.lazy_tensorflow import tf
from siamese_verify.messages import shown

Indices = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
# Function that draws the order of an epoch from a random generator.
Order = Callable[[np.random.Generator], Indices]
# Function from a batch of that order to the rows of its images, and to their labels.
Choose = Callable[[Indices], tuple[Indices, Labels]]
# Function that draws the batches of an epoch from a random generator: images, the rows that the
# batch shows of them, and labels.
Draw = Callable[[np.random.Generator], Iterator[tuple[Images, Indices, Labels]]]
# Function from a batch's float32 images and its labels to an element of the dataset.
Arrange: TypeAlias = "Callable[[tf.Tensor, tf.Tensor], Any]"

# Number of images that are hashed to tell one set of pixels from another.
_IMAGES_IN_FINGERPRINT = 64
# TensorFlow's names of the transformations after which each batch stands in its place of the epoch.
_IN_PLACE = {
    "_AssertCardinalityDataset",
    "_MapDataset",
    "_OptionsDataset",
    "_ParallelMapDataset",
    "_PrefetchDataset",
    "_TakeDataset",
    "_ZipDataset",
}
_serial_numbers = itertools.count()
_live: weakref.WeakSet[Stream] = weakref.WeakSet()


@dataclasses.dataclass(eq=False)
class Stream:
    """Source of the epochs of a `tf.data.Dataset`, which lives at least as long as the dataset."""

    draw: Draw
    length: int
    """Number of entries in an epoch: pairs, or images."""
    batch_size: int
    """Number of entries in a batch. The last batch may be smaller."""
    describe: Callable[[], Iterable[bytes]]
    """Function that describes the data and the settings, to tell them from others."""
    seed: int
    augmentation: Augmentation | OwnAugmentation | None
    next_epoch: int
    """Number of the epoch that the next iteration draws."""
    is_complete: bool = True
    """Whether the latest iteration has drawn its last batch."""
    share: Share = WHOLE
    """Part of each batch that the next iteration reads."""
    serial_number: int = dataclasses.field(default_factory=lambda: next(_serial_numbers))

    def __post_init__(self) -> None:
        _live.add(self)

    @property
    def n_batches(self) -> int:
        """Number of batches in an epoch."""
        return -(-self.length // self.batch_size)

    def entries(self, number: int) -> int:
        """Return the number of entries of a batch, which is counted from 0."""
        return min(self.batch_size, self.length - number * self.batch_size)

    def draw_epoch(self) -> Iterator[tuple[Any, ...]]:
        """Yield the share of each batch of the next epoch.

        It has pixels, labels, a seed for the augmentation, the number of images in the whole batch,
        and the places of these images among them.
        """
        rng, share = np.random.default_rng((self.seed, self.next_epoch)), self.share
        self.next_epoch += 1
        self.is_complete = False
        for number, (images, rows, labels) in enumerate(self.draw(rng)):
            seed = rng.integers(2**31, size=2, dtype=np.int32)
            n = self.entries(number)
            self.is_complete = number + 1 == self.n_batches
            places, own_labels = share.rows(len(rows), n), share.rows(len(labels), n)
            pixels: Any = images[rows[places]]
            if isinstance(self.augmentation, OwnAugmentation):
                # Each share has random numbers of its own.
                number_of_share = share.number if share.divides(n) else 0
                pixels = self.augmentation(pixels, seed ^ np.array([0, number_of_share], np.int32))
            yield pixels, labels[own_labels], seed, len(rows), places

    @functools.cached_property
    def fingerprint(self) -> str:
        """Digest of the data and the settings."""
        digest = hashlib.sha256()
        for part in self.describe():
            digest.update(part)
        return digest.hexdigest()[:16]


def live_streams() -> list[Stream]:
    """Return the streams of this process, in the order of their creation.

    TensorFlow decides when to release the stream of a dataset that is no longer used.
    """
    return sorted(_live, key=lambda stream: stream.serial_number)


def check_per_identity(per_identity: int | None, batch_size: int) -> None:
    """Raise a `ValueError` unless P x K batches of this size are possible."""
    if per_identity is not None and (
        not is_whole_number(per_identity, 2) or batch_size % per_identity
    ):
        raise ValueError(
            "`per_identity` must be a whole number, at least 2, and divide `batch_size`. "
            f"Received: per_identity={shown(repr(per_identity))}, batch_size={batch_size}"
        )


def check_buffer(buffer: int | None, shuffle: bool) -> None:
    """Raise a `ValueError` unless images can be shuffled in a buffer of this size."""
    if buffer is not None and (not is_whole_number(buffer) or not shuffle):
        raise ValueError(
            "`buffer` must be a whole number, at least 1, and requires shuffle=True. "
            f"Received: buffer={shown(repr(buffer))}, shuffle={shuffle}"
        )


def _unchanged(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return images, labels


def stream(
    images: Images,
    order: Order,
    choose: Choose,
    length: int,
    batch_size: int,
    *,
    seed: int,
    augment: Augment = False,
    initial_epoch: int = 0,
    arrange: Arrange = _unchanged,
) -> tf.data.Dataset:
    """Return batches of images with their labels. Each iteration is one epoch.

    Args:
        images: uint8 images `(n, height, width, channels)`.
        order: Function that draws the order of an epoch from a random generator.
        choose: Function from a batch of the order to the rows of its images, and to their labels.
        length: Length of the order.
        batch_size: Number of entries of the order in a batch. The last batch may be smaller.
        seed: Seed of order and augmentation. The same seed results in the same epochs.
        augment: True for `Augmentation()`, an `Augmentation` of your own, a Keras layer or a
            function. They get float32 images `(n, height, width, channels)` in [0, 1], and return
            such images. A function with a parameter `seed` also gets two integers, an int32 array
            `(2,)`. The random generators of a Keras layer are set from `seed`. Any other randomness
            is up to the function.
        initial_epoch: Number of the epoch that the first iteration draws.
        arrange: Function from a batch's float32 images in [0, 1] and its labels to an element of
            the dataset.

    Raises:
        ValueError: If `batch_size`, `seed` or `initial_epoch` is out of range.
        TypeError: If `augment` has another type.
    """
    batch_size = whole_number("batch_size", batch_size)
    augmentation = as_augmentation(augment)

    def draw(rng: np.random.Generator) -> Iterator[tuple[Images, Indices, Labels]]:
        epoch = order(rng)
        for start in range(0, length, batch_size):
            yield images, *choose(epoch[start : start + batch_size])

    def describe() -> Iterator[bytes]:
        yield repr((images.shape, batch_size, int(seed), augmentation)).encode()
        rows, labels = choose(order(np.random.default_rng((seed, 0))))
        step = max(1, len(images) // _IMAGES_IN_FINGERPRINT)
        for values in (rows, labels, images[::step]):
            yield np.ascontiguousarray(values).tobytes()

    return dataset_of(
        draw,
        length,
        batch_size,
        images.shape[1:],
        describe,
        seed=seed,
        augmentation=augmentation,
        initial_epoch=initial_epoch,
        arrange=arrange,
    )


def dataset_of(
    draw: Draw,
    length: int,
    batch_size: int,
    shape: tuple[int, ...],
    describe: Callable[[], Iterable[bytes]],
    *,
    seed: int,
    augmentation: Augmentation | OwnAugmentation | None,
    initial_epoch: int,
    arrange: Arrange = _unchanged,
) -> tf.data.Dataset:
    """Return the batches that a function draws as `stream` does.

    Args:
        draw: Function that draws the batches of an epoch from a random generator. A batch has uint8
            images, the rows that it shows of them, and labels.
        length: Number of entries in an epoch.
        batch_size: Number of entries in a batch.
        shape: Shape of an image.
        describe: Function that describes the data and the settings, to tell them from others.
        seed: As for `stream`.
        augmentation: The augmentation, checked.
        initial_epoch: As for `stream`.
        arrange: As for `stream`.

    Raises:
        ValueError: If `seed` or `initial_epoch` is out of range.
    """
    seed = whole_number("seed", seed, 0)
    initial_epoch = whole_number("initial_epoch", initial_epoch, 0)
    source = Stream(draw, length, batch_size, describe, seed, augmentation, initial_epoch)
    dtype = tf.float32 if isinstance(augmentation, OwnAugmentation) else tf.uint8
    signature = (
        tf.TensorSpec((None, *shape), dtype),
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((2,), tf.int32),
        tf.TensorSpec((), tf.int32),
        tf.TensorSpec((None,), tf.int32),
    )
    prepare = functools.partial(_prepare, augmentation=augmentation, arrange=arrange)
    drawn = tf.data.Dataset.from_generator(source.draw_epoch, output_signature=signature)
    drawn.siamese_verify_stream = source  # `streams_of` finds it.
    return without_autotuning(
        drawn.map(prepare, 2)
        .apply(tf.data.experimental.assert_cardinality(source.n_batches))
        .prefetch(1)
    )


def streams_of(dataset: tf.data.Dataset) -> list[Stream]:
    """Return the streams whose batches a dataset has, each in its place of the epoch.

    There are none if batches are made, left out or moved in another way, such as by `.shuffle()`.
    """
    own = getattr(dataset, "siamese_verify_stream", None)
    if own is not None:
        return [own]
    sources = [streams_of(source) for source in dataset._inputs()]
    if type(dataset).__name__ not in _IN_PLACE or not all(sources):
        return []
    return list(itertools.chain(*sources))


def _prepare(
    pixels: tf.Tensor,
    labels: tf.Tensor,
    seed: tf.Tensor,
    n: tf.Tensor,
    places: tf.Tensor,
    augmentation: Augmentation | OwnAugmentation | None,
    arrange: Arrange,
) -> Any:
    if isinstance(augmentation, OwnAugmentation):
        return arrange(pixels, labels)
    images = tf.cast(pixels, tf.float32) / 255
    if augmentation is not None:
        images = tf.ensure_shape(augmentation.change(images, seed, n, places), pixels.shape)
    return arrange(images, labels)
