"""The steps of `Preprocessing` for a JPEG as a graph of TensorFlow, without Python as it runs.

Threads that run Python wait for each other. The graph computes the same pixels bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from siamese_verify.data.formats.by_tensorflow import jpeg_in_graph
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.resizing import BRIGHTNESS, ROUNDING
from siamese_verify.lazy_tensorflow import tf


@functools.lru_cache(maxsize=16)
def jpeg_graph(preprocessing: Preprocessing) -> Callable[[tf.Tensor], tf.Tensor]:
    """Build the steps of `Preprocessing.decode` for an upright JPEG, without `align`."""

    def decode(contents: tf.Tensor) -> tf.Tensor:
        image = jpeg_in_graph(contents)
        if preprocessing.center_crop is not None:
            image = _middle(image, preprocessing.center_crop)
        if preprocessing.channels == 1:
            grey = tf.tensordot(tf.cast(image, tf.float32), BRIGHTNESS, 1) + 0.5
            image = tf.cast(grey, tf.uint8)
        return tf.ensure_shape(_resize(image, preprocessing), preprocessing.shape)

    graph: Callable[[tf.Tensor], tf.Tensor] = tf.function(
        decode, input_signature=[tf.TensorSpec((), tf.string)], autograph=False
    )
    return graph


def _resize(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    goal = np.array(preprocessing.image_size, np.int64)
    if preprocessing.resize == "letterbox":
        return _framed(_squash(image, _largest(_size(image), goal)), goal, preprocessing.fill)
    if preprocessing.resize == "crop":
        image = _middle(image, _largest(goal, _size(image)))
    return _squash(image, goal)


def _size(image: tf.Tensor) -> tf.Tensor:
    """Read height and width as int64 `(2,)`, which are known only as the graph runs."""
    return tf.shape(image, tf.int64)[:2]


def _middle(image: tf.Tensor, crop: Any) -> tf.Tensor:
    top, left = ((_size(image)[axis] - crop[axis]) // 2 for axis in (0, 1))
    return image[top : top + crop[0], left : left + crop[1]]


def _largest(shape: Any, within: Any) -> tf.Tensor:
    rounded = (2 * shape * within[::-1] + shape[::-1]) // (2 * shape[::-1])
    return tf.clip_by_value(rounded, 1, within)


def _squash(image: tf.Tensor, goal: Any) -> tf.Tensor:
    """Resize as `tf.image.resize` does with more overhead, whatever the aspect ratio."""
    resized = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=tf.cast(goal, tf.int32),
        scale=tf.cast(goal, tf.float32) / tf.cast(_size(image), tf.float32),
        translation=np.zeros(2, np.float32),
        kernel_type="triangle",
        antialias=True,
    )
    return tf.cast(resized[0] + ROUNDING, tf.uint8)


def _framed(image: tf.Tensor, goal: Any, fill: Any) -> tf.Tensor:
    space = goal - _size(image)
    padding = tf.concat([tf.stack([space // 2, space - space // 2], axis=1), [[0, 0]]], axis=0)
    outside = tf.pad(tf.zeros_like(image), padding, constant_values=1)
    return tf.pad(image, padding) + outside * fill
