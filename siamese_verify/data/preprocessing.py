"""`Preprocessing`: the steps from an image file to the pixels that a network receives."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from siamese_verify.checks import is_whole_number, whole_number
from siamese_verify.data import decoding
from siamese_verify.data.decoding import ImageError

Pixels = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """The steps from an image file to the pixels that a network receives.

    A JPEG, PNG or BMP, or the first frame of a GIF, is decoded and cropped. Then it is resized
    bilinearly with antialiasing, and kept as uint8. `scale` and batches bring pixels to [0, 1].

    Args:
        image_size: Height and width of the result, in pixels.
        channels: 1 (grey) or 3 (RGB). Transparency is dropped.
        center_crop: Height and width of the middle part to keep, in pixels of the file. By default
            all is kept.
        max_pixels: Largest number of pixels (width times height) that a file may hold. It is
            checked before decoding, so that a small file cannot fill the memory.

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
                    f"Received: {name}={size}"
                )
            object.__setattr__(self, name, (int(size[0]), int(size[1])))
        if self.channels not in (1, 3):
            raise ValueError(f"`channels` must be 1 or 3. Received: channels={self.channels}")
        whole_number("max_pixels", self.max_pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the result."""
        return (*self.image_size, self.channels)

    def decode(self, contents: bytes, name: str = "image") -> Pixels:
        """Decode, crop and resize one file. A JPEG is turned upright by its Exif header.

        Args:
            contents: Bytes of a JPEG, PNG, BMP or GIF file.
            name: Name of the file in errors.

        Returns:
            uint8 array `(height, width, channels)`.

        Raises:
            ImageError: If the file is empty, damaged, of another format, larger than `max_pixels`
                or smaller than `center_crop`.
        """
        try:
            pixels: Pixels = self.decode_tensor(tf.constant(contents)).numpy()
        except tf.errors.OpError as error:
            raise ImageError(decoding.explain(name, error)) from error
        return pixels

    def decode_tensor(self, contents: tf.Tensor) -> tf.Tensor:
        """Decode as `decode` does, in a graph: from a scalar string to a uint8 tensor."""
        return _decoder(self)(contents)

    def crop_and_resize(self, image: tf.Tensor) -> tf.Tensor:
        """Crop and resize decoded pixels, a uint8 tensor `(height, width, channels)`."""
        if self.center_crop is not None:
            image = decoding.center_crop(image, *self.center_crop)
        image = tf.image.resize(image, self.image_size, method="bilinear", antialias=True)
        # Resized pixels are means of pixels, so none is out of range.
        return tf.ensure_shape(tf.cast(tf.round(image), tf.uint8), self.shape)


@functools.lru_cache(maxsize=16)
def _decoder(preprocessing: Preprocessing) -> Any:
    """Build the graph. It is kept, because building is slower than decoding an image."""
    decode = _graph_before_resizing(preprocessing.channels, preprocessing.max_pixels)
    return tf.function(
        lambda contents: preprocessing.crop_and_resize(decode(contents)),
        [tf.TensorSpec((), tf.string)],
        autograph=False,
    )


@functools.lru_cache(maxsize=16)
def _graph_before_resizing(channels: int, max_pixels: int) -> Any:
    """Build the graph up to resizing, which is the slow part, once for all sizes and crops."""
    return tf.function(
        lambda contents: decoding.decode(contents, channels, max_pixels),
        [tf.TensorSpec((), tf.string)],
        autograph=False,
    )


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
