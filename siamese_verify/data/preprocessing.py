"""`Preprocessing`: the steps from an image file to the pixels that a network receives."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from siamese_verify.checks import is_whole_number, whole_number
from siamese_verify.data import decoding
from siamese_verify.data.decoding import ImageError
from siamese_verify.data.formats import jpeg
from siamese_verify.data.row_blocks import by_rows
from siamese_verify.messages import shown

_BRIGHTNESS = np.array([[19595], [38470], [7471]], np.float32) / np.float32(2**16)
"""Weights of red, green and blue. Sums of 24 bits are exact in float32."""
# Many a mean lies halfway between two levels, up to the rounding of floats. It is rounded up for
# certain, so that another implementation rounds it alike.
_ROUNDING = np.float32(0.5 + 2**-10)
Pixels = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """The steps from an image file to the pixels that a network receives.

    A JPEG, PNG or BMP, or the first frame of a GIF, is decoded and turned upright as its Exif
    header or XMP packet says. Where it is transparent, it is laid on a background. Then it is
    cropped, and resized bilinearly with antialiasing. It is kept as uint8. `scale` and batches
    bring pixels to [0, 1]. A path, bytes, an open file, an array and a PIL image result in the
    same pixels.

    Args:
        image_size: Height and width of the result, in pixels.
        channels: 1 (grey) or 3 (RGB).
        center_crop: Height and width of the middle part to keep, in pixels of the file. By default
            all is kept.
        max_pixels: Largest number of pixels (width times height) that a file may hold. It is
            checked before decoding, so that a small file cannot fill the memory. It also limits a
            file's bytes, to 8 a pixel and 1 MiB for headers.
        background: Colour behind transparent pixels: red, green and blue, each from 0 to 255.

    Raises:
        ValueError: If an argument is out of range.

    Examples:
        >>> preprocessing = Preprocessing(image_size=(2, 2))
        >>> png = tf.io.encode_png(np.full((8, 8, 3), 255, np.uint8)).numpy()
        >>> preprocessing.decode(png).shape
        (2, 2, 1)
    """

    image_size: tuple[int, int] = (105, 105)
    channels: int = 1
    center_crop: tuple[int, int] | None = None
    max_pixels: int = 50_000_000
    background: tuple[int, int, int] = (255, 255, 255)

    def __post_init__(self) -> None:
        for name in ("image_size", "center_crop"):
            size = getattr(self, name)
            if size is None and name == "center_crop":
                continue
            if not (
                isinstance(size, (tuple, list))
                and len(size) == 2
                and all(map(is_whole_number, size))
            ):
                raise ValueError(
                    f"`{name}` must be a height and a width of at least 1 pixel, whole numbers. "
                    f"Received: {name}={shown(repr(size))}"
                )
            object.__setattr__(self, name, (int(size[0]), int(size[1])))
        if not is_whole_number(self.channels) or self.channels not in (1, 3):
            raise ValueError(
                f"`channels` must be 1 or 3. Received: channels={shown(repr(self.channels))}"
            )
        object.__setattr__(self, "channels", int(self.channels))
        object.__setattr__(self, "max_pixels", whole_number("max_pixels", self.max_pixels))
        object.__setattr__(self, "background", _checked_colour(self.background))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the result."""
        return (*self.image_size, self.channels)

    def decode(self, contents: bytes, name: str = "image") -> Pixels:
        """Decode, crop and resize one file, turned upright.

        Args:
            contents: Bytes of a JPEG, PNG, BMP or GIF file.
            name: Name of the file in errors.

        Returns:
            uint8 array `(height, width, channels)`.

        Raises:
            ImageError: If the file is empty, damaged, of another format, larger than `max_pixels`
                or smaller than `center_crop`.
            MemoryError: If the memory does not suffice.
        """
        decoded = decoding.decode(contents, name, self.max_pixels, self.background)
        return self.prepare(decoded, name)

    def prepare(self, colours: npt.NDArray[np.uint8], name: str = "image") -> Pixels:
        """Crop and resize RGB pixels, uint8 `(height, width, 3)`, and make them grey if need be.

        Raises:
            ImageError: If there are fewer pixels than `center_crop`.
            MemoryError: If the memory does not suffice.
        """
        if self.center_crop is not None:
            colours = _center_crop(colours, self.center_crop, name)
        pixels = colours if self.channels == 3 else _grey(colours)
        if pixels.shape == self.shape:
            return np.ascontiguousarray(pixels)
        try:
            return _resized(pixels, *self.image_size)
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            raise MemoryError(f"The memory does not suffice to resize {shown(name)}.") from error


def _checked_colour(colour: Any) -> tuple[int, int, int]:
    if not (
        isinstance(colour, (tuple, list))
        and len(colour) == 3
        and all(is_whole_number(level, 0) and level <= 255 for level in colour)
    ):
        raise ValueError(
            "`background` must be red, green and blue, whole numbers from 0 to 255. "
            f"Received: background={shown(repr(colour))}"
        )
    red, green, blue = map(int, colour)
    return red, green, blue


def _center_crop(
    colours: npt.NDArray[np.uint8], crop: tuple[int, int], name: str
) -> npt.NDArray[np.uint8]:
    height, width, _ = colours.shape
    if height < crop[0] or width < crop[1]:
        raise ImageError(
            f"{shown(name)} cannot be read as an image: smaller than the centre crop. Received: "
            f"{height} x {width} pixels, center_crop={crop}"
        )
    return _middle(colours, (height, width), crop)


def _middle(image: Any, size: Any, crop: tuple[int, int]) -> Any:
    """Keep the middle of an array or a tensor of this height and width."""
    top, left = (size[0] - crop[0]) // 2, (size[1] - crop[1]) // 2
    return image[top : top + crop[0], left : left + crop[1]]


def _grey(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Compute the brightness (ITU-R BT.601), rounded as Pillow rounds it."""
    return by_rows(lambda block: block.astype(np.float32) @ _BRIGHTNESS + 0.5, colours, 1)


def _resized(pixels: npt.NDArray[np.uint8], height: int, width: int) -> Pixels:
    # TensorFlow's kernel ends the process where it cannot allocate its buffer. This one raises.
    np.empty((2, height, max(width, pixels.shape[1]), pixels.shape[2]), np.float32)
    resized: Pixels = _resize(
        pixels, np.array(pixels.shape[:2], np.float32), (height, width)
    ).numpy()
    return resized


def _resize(image: Any, size: Any, image_size: tuple[int, int]) -> tf.Tensor:
    """Resize bilinearly with antialiasing, as `tf.image.resize` does with more overhead.

    Args:
        image: uint8 array or tensor `(height, width, channels)`.
        size: Its height and width, in float32.
        image_size: Height and width of the result.
    """
    resized = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=np.array(image_size, np.int32),
        scale=np.array(image_size, np.float32) / size,
        translation=np.zeros(2, np.float32),
        kernel_type="triangle",
        antialias=True,
    )
    return tf.cast(resized[0] + _ROUNDING, tf.uint8)


@functools.lru_cache(maxsize=16)
def jpeg_graph(preprocessing: Preprocessing) -> Callable[[tf.Tensor], tf.Tensor]:
    """Build the steps of `decode` for an upright JPEG as a graph, which needs no Python as it runs.

    Threads that run Python wait for each other. The graph computes the same pixels bit for bit.
    """

    def decode(contents: tf.Tensor) -> tf.Tensor:
        image = jpeg.decode_colours(contents)
        if preprocessing.center_crop is not None:
            image = _middle(image, tf.shape(image), preprocessing.center_crop)
        if preprocessing.channels == 1:
            brightness = tf.tensordot(tf.cast(image, tf.float32), _BRIGHTNESS, 1)
            image = tf.cast(brightness + 0.5, tf.uint8)
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        resized = _resize(image, size, preprocessing.image_size)
        return tf.ensure_shape(resized, preprocessing.shape)

    graph: Callable[[tf.Tensor], tf.Tensor] = tf.function(
        decode, input_signature=[tf.TensorSpec((), tf.string)], autograph=False
    )
    return graph


def scale(pixels: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Scale pixels from uint8 in [0, 255] to float32 in [0, 1], the range of networks' inputs.

    Args:
        pixels: uint8 array, or a floating-point array in [0, 1], whose values stay.

    Returns:
        float32 array of the same shape.

    Raises:
        ValueError: If the array is of another type, or holds a value outside [0, 1].

    Examples:
        >>> scale(np.array([0, 255], np.uint8)).tolist()
        [0.0, 1.0]
    """
    array = np.asarray(pixels)
    check_pixels(array)
    floats = array.astype(np.float32)
    return floats / np.float32(255) if array.dtype == np.uint8 else floats


def check_pixels(pixels: npt.NDArray[Any]) -> None:
    """Raise a `ValueError` unless pixels are uint8, or floating-point in [0, 1]."""
    if pixels.dtype == np.uint8:
        return
    if not (np.issubdtype(pixels.dtype, np.floating) or pixels.dtype.name == "bfloat16"):
        raise ValueError(
            "Pixels must be uint8 in [0, 255] or floating-point in [0, 1]. "
            f"Received: dtype={pixels.dtype}"
        )
    # The comparisons are false for NaN.
    if pixels.size and not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(
            "Floating-point pixels must lie in [0, 1]. Divide pixels by 255. "
            f"Received: values from {pixels.min()} to {pixels.max()}"
        )
