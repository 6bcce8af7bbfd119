"""Greys, crops and sizes, written once for arrays and for the graph of JPEGs."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

ResizeMode: TypeAlias = Literal["squash", "letterbox", "crop"]
RESIZE_MODES: tuple[ResizeMode, ...] = ("squash", "letterbox", "crop")
# Weights of red, green and blue (ITU-R BT.601). Sums of 24 bits are exact in float32.
_BRIGHTNESS = np.array([[19595], [38470], [7471]], np.float32) / np.float32(2**16)
# Many a mean lies halfway between two levels, up to the rounding of floats. It is rounded up for
# certain, so that another implementation rounds it alike.
_ROUNDING = np.float32(0.5 + 2**-10)


def brightness(colours: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Compute the brightness `(..., 1)` of colours, to be cut off, as Pillow rounds it."""
    return colours.astype(np.float32) @ _BRIGHTNESS + 0.5


def brightness_in_graph(colours: tf.Tensor) -> tf.Tensor:
    """Compute the brightness as uint8 `(..., 1)`."""
    return tf.cast(tf.tensordot(tf.cast(colours, tf.float32), _BRIGHTNESS, 1) + 0.5, tf.uint8)


def middle(image: Any, crop: Any) -> Any:
    """Keep the middle of an array or a tensor: `crop` is its height and width."""
    top, left = ((_size(image)[axis] - crop[axis]) // 2 for axis in (0, 1))
    return image[top : top + crop[0], left : left + crop[1]]


def resize(
    image: Any, mode: ResizeMode, image_size: tuple[int, int], fill: npt.NDArray[np.uint8]
) -> tf.Tensor:
    """Resize bilinearly with antialiasing.

    Args:
        image: uint8 array or tensor `(height, width, channels)`.
        mode: Treatment of another aspect ratio.
        image_size: Height and width of the result.
        fill: Colour `(channels,)` around an image in a letterbox.

    Returns:
        uint8 tensor `(*image_size, channels)`.
    """
    goal = np.array(image_size, np.int64)
    if mode == "letterbox":
        return _framed(_squash(image, _largest(_size(image), goal)), goal, fill)
    if mode == "crop":
        image = middle(image, _largest(goal, _size(image)))
    return _squash(image, goal)


def _size(image: Any) -> Any:
    """Read height and width as int64 `(2,)`, which a graph knows only as it runs."""
    if tf.is_tensor(image):
        return tf.shape(image, tf.int64)[:2]
    return np.array(image.shape[:2], np.int64)


def _largest(shape: Any, within: Any) -> Any:
    """Find the largest size of the aspect ratio of `shape` that lies within another size."""
    # Rounded to whole pixels, where a half is rounded up.
    rounded = (2 * shape * within[::-1] + shape[::-1]) // (2 * shape[::-1])
    return tf.clip_by_value(rounded, 1, within)


def _squash(image: Any, goal: Any) -> tf.Tensor:
    """Resize as `tf.image.resize` does with more overhead, whatever the aspect ratio."""
    resized = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=tf.cast(goal, tf.int32),
        scale=tf.cast(goal, tf.float32) / tf.cast(_size(image), tf.float32),
        translation=np.zeros(2, np.float32),
        kernel_type="triangle",
        antialias=True,
    )
    return tf.cast(resized[0] + _ROUNDING, tf.uint8)


def _framed(image: tf.Tensor, goal: Any, fill: npt.NDArray[np.uint8]) -> tf.Tensor:
    """Put an image in the middle of a filled frame. An odd row is below, an odd column right."""
    space = goal - _size(image)
    padding = tf.concat([tf.stack([space // 2, space - space // 2], axis=1), [[0, 0]]], axis=0)
    outside = tf.pad(tf.zeros_like(image), padding, constant_values=1)
    return tf.pad(image, padding) + outside * fill
