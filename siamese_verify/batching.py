"""Epochs of labelled photographs as `tf.data`: what batches of pairs and of people share."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from siamese_verify.augmentation import Augmentation
from siamese_verify.images import untuned
from siamese_verify.preprocessing import Pixels

Indices = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
# Of an epoch, for each batch: which images, and the labels.
Epoch = Callable[[np.random.Generator], Iterator[tuple[Indices, Labels]]]


def stream(
    images: Pixels,
    epoch: Epoch,
    n_batches: int,
    *,
    seed: int,
    augment: bool | Augmentation = False,
    initial_epoch: int = 0,
    arrange: Callable[[tf.Tensor, tf.Tensor], Any] = lambda images, labels: (images, labels),
) -> tf.data.Dataset:
    """Batches of images, with labels; each iteration is one epoch.

    Args:
        images: uint8 array `(n, height, width, channels)`.
        epoch: Gives the batches of an epoch, from random numbers of its own.
        n_batches: How many there are.
        seed: Of order and augmentation; the same seed gives the same epochs.
        augment: True for `Augmentation()`, or one of your own.
        initial_epoch: The epoch with which the first iteration starts.
        arrange: From the float32 images in [0, 1] of a batch and its labels to what comes out.
    """
    augmentation = Augmentation() if augment is True else augment or None
    epochs = itertools.count(initial_epoch)

    def one_epoch() -> Iterator[tuple[Any, ...]]:
        rng = np.random.default_rng((seed, next(epochs)))
        for rows, labels in epoch(rng):
            yield images[rows], labels, rng.integers(2**31, size=2, dtype=np.int32)

    signature = (
        tf.TensorSpec((None, *images.shape[1:]), tf.uint8),
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((2,), tf.int32),
    )
    prepare = functools.partial(_prepare, augmentation=augmentation, arrange=arrange)
    return untuned(
        tf.data.Dataset.from_generator(one_epoch, output_signature=signature)
        .map(prepare, 2)
        .apply(tf.data.experimental.assert_cardinality(n_batches))
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


def check_batch_size(batch_size: int) -> None:
    """Raises a ValueError if it is below 1."""
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}")
