"""Greys, crops and sizes. The graph of JPEGs computes the same (see `jpeg_graph`)."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from siamese_verify.data.decoding import ImageError
from siamese_verify.messages import shown

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
ResizeMode: TypeAlias = Literal["squash", "letterbox", "crop"]
RESIZE_MODES: tuple[ResizeMode, ...] = ("squash", "letterbox", "crop")
# Weights of red, green and blue (ITU-R BT.601). Sums of 24 bits are exact in float32.
BRIGHTNESS = np.array([[19595], [38470], [7471]], np.float32) / np.float32(2**16)
# Many a mean lies halfway between two levels, up to the rounding of floats. It is rounded up for
# certain, so that another implementation rounds it alike.
ROUNDING = np.float32(0.5 + 2**-10)
_CACHED = 2**17
"""Number of sums that stay in the processor's cache while rows are added."""


def brightness(colours: Pixels) -> npt.NDArray[Any]:
    """Compute the brightness `(..., 1)` of colours, to be cut off, as Pillow rounds it."""
    return colours.astype(np.float32) @ BRIGHTNESS + 0.5


def center_crop(colours: Pixels, crop: tuple[int, int], name: str) -> Pixels:
    """Keep the middle of colours.

    Raises:
        ImageError: If there are fewer pixels. Names the image.
    """
    height, width, _ = colours.shape
    if height < crop[0] or width < crop[1]:
        raise ImageError(
            f"{shown(name)} cannot be read as an image: smaller than the centre crop. Received: "
            f"{height} x {width} pixels, center_crop={crop}"
        )
    return _middle(colours, crop)


def resize(image: Pixels, mode: ResizeMode, image_size: tuple[int, int], fill: Pixels) -> Pixels:
    """Resize bilinearly with antialiasing, as `tf.image.resize` does.

    Args:
        image: uint8 array `(height, width, channels)`.
        mode: Treatment of another aspect ratio.
        image_size: Height and width of the result.
        fill: Colour `(channels,)` around an image in a letterbox.

    Returns:
        uint8 array `(*image_size, channels)`.
    """
    if mode == "squash":
        return _squash(image, image_size)
    if mode == "crop":
        return _squash(_middle(image, _largest(image_size, image.shape)), image_size)
    resized = _squash(image, _largest(image.shape, image_size))
    frame = np.empty((*image_size, image.shape[2]), np.uint8)
    frame[:] = fill
    _middle(frame, resized.shape)[:] = resized
    return frame


def _middle(image: Pixels, size: tuple[int, ...]) -> Pixels:
    """View the middle of an image. An odd row more is below it, an odd column right of it."""
    top, left = ((image.shape[axis] - size[axis]) // 2 for axis in (0, 1))
    return image[top : top + size[0], left : left + size[1]]


def _largest(shape: tuple[int, ...], within: tuple[int, ...]) -> tuple[int, int]:
    """Find the largest size of the aspect ratio of `shape` that lies within another size."""
    (height, width), (most_high, most_wide) = shape[:2], within[:2]
    # Rounded to whole pixels, where a half is rounded up.
    high = (2 * height * most_wide + width) // (2 * width)
    wide = (2 * width * most_high + height) // (2 * height)
    return min(max(high, 1), most_high), min(max(wide, 1), most_wide)


def _squash(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize whatever the aspect ratio: first the height, and then the width."""
    # If the memory does not suffice for the result, it is found before any work.
    resized = np.empty((*size, image.shape[2]), np.uint8)
    rows = _weighted_sums(image, size[0])
    columns = _weighted_sums(rows.swapaxes(0, 1), size[1])
    np.add(columns.swapaxes(0, 1), ROUNDING, out=resized, casting="unsafe")
    return resized


def _weighted_sums(image: npt.NDArray[Any], n: int) -> Floats:
    """Compute `n` rows as weighted sums of rows, in the order in which TensorFlow adds."""
    sums = np.zeros((n, *image.shape[1:]), np.float32)
    starts, weights = _triangles(len(image), n)
    step = max(1, _CACHED // image[0].size)
    for start in range(0, n, step):
        block = slice(start, start + step)
        for place in range(weights.shape[1]):
            rows = np.minimum(starts[block] + place, len(image) - 1)
            sums[block] += image[rows] * weights[block, place, None, None]
    return sums


def _triangles(n_before: int, n: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Compute the weights of a triangle around each new row, to the bits of TensorFlow's.

    Returns:
        The first row of each triangle `(n,)`, and the weights of the rows from there `(n, m)`.
    """
    one, half = np.float32(1), np.float32(0.5)
    step = np.float32(1 / float(np.float32(n) / np.float32(n_before)))
    reach = max(step, one)
    middles = (np.arange(n, dtype=np.float32) + half) * step
    starts, ends = np.ceil(middles - reach - half), np.floor(middles + reach - half)
    starts, ends = (np.clip(rows, 0, n_before - 1).astype(np.int64) for rows in (starts, ends))
    rows = starts[:, None] + np.arange((ends - starts).max() + 1)
    distances = np.abs(rows.astype(np.float32) + half - middles[:, None]) * (one / reach)
    weights = np.where(rows <= ends[:, None], np.maximum(one - distances, 0), np.float32(0))
    # A cumulative sum adds one by one, where a sum may add in another order.
    return starts, np.asarray(weights * (one / weights.cumsum(axis=1)[:, -1:]), np.float32)
