"""Epochs of labelled images as `tf.data`: shared by batches of pairs and of identities."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from siamese_verify.checks import whole_number
from siamese_verify.data.augmentation import Augmentation
from siamese_verify.data.store import without_autotuning
from siamese_verify.data.stored_images import Images
from siamese_verify.messages import shown

Indices = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
# Function that draws the order of an epoch from a random generator.
Order = Callable[[np.random.Generator], Indices]
# Function from a batch of that order to the rows of its images, and to their labels.
Choose = Callable[[Indices], tuple[Indices, Labels]]

# Number of images that are hashed to tell one set of pixels from another.
_IMAGES_IN_FINGERPRINT = 64
_serial_numbers = itertools.count()
_live: weakref.WeakSet[Stream] = weakref.WeakSet()


@dataclasses.dataclass(eq=False)
class Stream:
    """Source of the epochs of a `tf.data.Dataset`, which lives at least as long as the dataset."""

    images: Images
    order: Order
    choose: Choose
    length: int
    batch_size: int
    seed: int
    augmentation: Augmentation | None
    next_epoch: int
    """Number of the epoch that the next iteration draws."""
    is_complete: bool = True
    """Whether the latest iteration has drawn its last batch."""
    serial_number: int = dataclasses.field(default_factory=lambda: next(_serial_numbers))

    def __post_init__(self) -> None:
        _live.add(self)

    def draw_epoch(self) -> Iterator[tuple[Any, ...]]:
        """Yield the batches of the next epoch: pixels, labels, and a seed for the augmentation."""
        rng = np.random.default_rng((self.seed, self.next_epoch))
        self.next_epoch += 1
        self.is_complete = False
        epoch = self.order(rng)
        for start in range(0, self.length, self.batch_size):
            rows, labels = self.choose(epoch[start : start + self.batch_size])
            seed = rng.integers(2**31, size=2, dtype=np.int32)
            self.is_complete = start + self.batch_size >= self.length
            yield self.images[rows], labels, seed

    @functools.cached_property
    def fingerprint(self) -> str:
        """Digest an epoch's rows and labels, the settings, and some of the images."""
        settings = (self.images.shape, self.batch_size, self.seed, self.augmentation)
        digest = hashlib.sha256(repr(settings).encode())
        rows, labels = self.choose(self.order(np.random.default_rng((self.seed, 0))))
        step = max(1, len(self.images) // _IMAGES_IN_FINGERPRINT)
        for values in (rows, labels, self.images[::step]):
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()[:16]


def live_streams() -> list[Stream]:
    """Return the streams of this process, in the order of their creation.

    TensorFlow decides when to release the stream of a dataset that is no longer used.
    """
    return sorted(_live, key=lambda stream: stream.serial_number)


def stream(
    images: Images,
    order: Order,
    choose: Choose,
    length: int,
    batch_size: int,
    *,
    seed: int,
    augment: bool | Augmentation = False,
    initial_epoch: int = 0,
    arrange: Callable[[tf.Tensor, tf.Tensor], Any] = lambda images, labels: (images, labels),
) -> tf.data.Dataset:
    """Return batches of images with their labels. Each iteration is one epoch.

    Args:
        images: uint8 images `(n, height, width, channels)`.
        order: Function that draws the order of an epoch from a random generator.
        choose: Function from a batch of the order to the rows of its images, and to their labels.
        length: Length of the order.
        batch_size: Number of entries of the order in a batch. The last batch may be smaller.
        seed: Seed of order and augmentation. The same seed results in the same epochs.
        augment: True for `Augmentation()`, or an `Augmentation` of your own.
        initial_epoch: Number of the epoch that the first iteration draws.
        arrange: Function from a batch's float32 images in [0, 1] and its labels to an element of
            the dataset.

    Raises:
        ValueError: If `batch_size`, `seed` or `initial_epoch` is out of range.
        TypeError: If `augment` has another type.
    """
    batch_size = whole_number("batch_size", batch_size)
    seed = whole_number("seed", seed, 0)
    initial_epoch = whole_number("initial_epoch", initial_epoch, 0)
    if not isinstance(augment, (bool, Augmentation)):
        raise TypeError(
            f"`augment` must be a bool or an Augmentation. Received: augment={shown(repr(augment))}"
        )
    augmentation = Augmentation() if augment is True else augment or None
    source = Stream(images, order, choose, length, batch_size, seed, augmentation, initial_epoch)
    signature = (
        tf.TensorSpec((None, *images.shape[1:]), tf.uint8),
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((2,), tf.int32),
    )
    prepare = functools.partial(_prepare, augmentation=augmentation, arrange=arrange)
    return without_autotuning(
        tf.data.Dataset.from_generator(source.draw_epoch, output_signature=signature)
        .map(prepare, 2)
        .apply(tf.data.experimental.assert_cardinality(-(-length // batch_size)))
        .prefetch(1)
    )


def _prepare(
    pixels: tf.Tensor,
    labels: tf.Tensor,
    seed: tf.Tensor,
    augmentation: Augmentation | None,
    arrange: Callable[[tf.Tensor, tf.Tensor], Any],
) -> Any:
    images = tf.cast(pixels, tf.float32) / 255
    if augmentation is not None:
        images = tf.ensure_shape(augmentation(images, seed), pixels.shape)
    return arrange(images, labels)
