"""Epochs of labelled images as `tf.data`: what batches of pairs and of identities share."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from siamese_verify.checks import whole_number
from siamese_verify.data.augmentation import Augmentation
from siamese_verify.data.preprocessing import Pixels
from siamese_verify.data.store import without_autotuning

Indices = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
# The order of an epoch, from random numbers of its own.
Order = Callable[[np.random.Generator], Indices]
# From a batch of that order to which images it holds, and their labels.
Choose = Callable[[Indices], tuple[Indices, Labels]]


def stream(
    images: Pixels,
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
    """Batches of images, with labels; each iteration is one epoch.

    Args:
        images: uint8 array `(n, height, width, channels)`.
        order: Gives the order of an epoch, from random numbers of its own.
        choose: From a batch of it, gives which images, and the labels.
        length: Of the order.
        batch_size: How much of the order is in a batch; the last one may be smaller.
        seed: Of order and augmentation; the same seed gives the same epochs.
        augment: True for `Augmentation()`, or one of your own.
        initial_epoch: The epoch with which the first iteration starts.
        arrange: From the float32 images in [0, 1] of a batch and its labels to what comes out.

    Raises:
        ValueError: If `batch_size`, `seed` or `initial_epoch` is out of range.
        TypeError: If `augment` is of another type.
    """
    batch_size = whole_number("batch_size", batch_size)
    seed = whole_number("seed", seed, 0)
    initial_epoch = whole_number("initial_epoch", initial_epoch, 0)
    if not isinstance(augment, (bool, Augmentation)):
        raise TypeError(
            f"`augment` must be a bool or an Augmentation. Received: augment={augment!r}"
        )
    augmentation = Augmentation() if augment is True else augment or None
    epochs = itertools.count(initial_epoch)

    def one_epoch() -> Iterator[tuple[Any, ...]]:
        rng = np.random.default_rng((seed, next(epochs)))
        epoch = order(rng)
        for start in range(0, length, batch_size):
            rows, labels = choose(epoch[start : start + batch_size])
            yield images[rows], labels, rng.integers(2**31, size=2, dtype=np.int32)

    signature = (
        tf.TensorSpec((None, *images.shape[1:]), tf.uint8),
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((2,), tf.int32),
    )
    prepare = functools.partial(_prepare, augmentation=augmentation, arrange=arrange)
    return without_autotuning(
        tf.data.Dataset.from_generator(one_epoch, output_signature=signature)
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
