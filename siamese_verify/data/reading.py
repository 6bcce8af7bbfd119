"""Reading of one image from a path, bytes, a file, an array or a PIL image."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from siamese_verify.data import decoding
from siamese_verify.data.decoding import ImageError
from siamese_verify.data.preprocessing import Pixels, Preprocessing, scale
from siamese_verify.files import PathLike

ImageLike: TypeAlias = PathLike | bytes | BinaryIO | npt.NDArray[Any] | Any
"""An image in any form that `read_image` accepts. `Any` stands for PIL's images."""
_CHANNELS = (1, 3, 4)
"""Numbers of channels of grey, RGB and RGBA arrays."""
_PATHS, _CONTENTS = (str, os.PathLike), (bytes, bytearray, memoryview)


def read_image(image: ImageLike, preprocessing: Preprocessing) -> Pixels:
    """Read an image as the pixels that a network receives.

    Args:
        image: Path, bytes of a file, open file, array or PIL image. An array has the shape
            `(height, width)` or `(height, width, channels)`. It is grey, RGB or RGBA, in uint8 or
            floats in [0, 1]. If it has the shape of `preprocessing`, it is neither cropped nor
            resized.
        preprocessing: Cropping, size and channels of the result.

    Returns:
        uint8 array `(height, width, channels)` of the shape of `preprocessing`.

    Raises:
        ImageError: If a file cannot be decoded, or an array has another type, shape or range.
        TypeError: If `image` has another type.
        OSError: If the path cannot be read.

    Examples:
        >>> read_image(np.zeros((60, 40, 3), np.uint8), Preprocessing((8, 8))).shape
        (8, 8, 1)
    """
    if isinstance(image, _PATHS):
        return preprocessing.decode(Path(image).read_bytes(), os.fspath(image))
    if isinstance(image, _CONTENTS):
        return preprocessing.decode(bytes(image))
    if isinstance(image, np.ndarray):
        return _from_array(image, preprocessing)
    if _is_pil(image):
        return _from_array(_from_pil(image, preprocessing.channels), preprocessing)
    if hasattr(image, "read"):
        contents = image.read()
        if not isinstance(contents, bytes):
            raise TypeError(
                "A file must be opened in binary mode, such as open(path, 'rb'). "
                f"Received: {type(contents).__name__} from its read()"
            )
        return preprocessing.decode(contents, str(getattr(image, "name", "image")))
    raise TypeError(
        "An image must be a path, bytes, a file, an array or a PIL image. "
        f"Received: {type(image).__name__}"
    )


def _is_pil(image: Any) -> bool:
    """Tell whether it is a PIL image, without PIL, which need not be installed."""
    return hasattr(image, "convert") and hasattr(image, "getbands")


def _from_pil(image: Any, channels: int) -> Pixels:
    from PIL import ImageOps

    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise ImageError(
            "A PIL image must have 8 bits a channel, since PIL cuts off larger values. Pass the "
            "path of the file instead, or an array of floats in [0, 1]. "
            f"Received: mode {image.mode}"
        )
    upright = ImageOps.exif_transpose(image)
    return np.asarray(upright.convert("L" if channels == 1 else "RGB"))


def image_list(images: Iterable[ImageLike]) -> Iterable[ImageLike]:
    """Return `images`, unless they are one image, whose rows or bytes would count as images.

    Raises:
        TypeError: If `images` is one image.
    """
    if (
        _is_one_array(images)
        or isinstance(images, (*_PATHS, *_CONTENTS))
        or _is_pil(images)
        or hasattr(images, "read")
    ):
        raise TypeError(
            "Images must be in a list, even a single image: write [image]. "
            f"Received: {type(images).__name__}"
        )
    return images


def _is_one_array(images: Any) -> bool:
    """Tell an image from a stack of grey images, which are rarely 1, 3 or 4 pixels wide."""
    if not isinstance(images, np.ndarray):
        return False
    return images.ndim == 2 or (images.ndim == 3 and images.shape[2] in _CHANNELS)


def _from_array(array: npt.NDArray[Any], preprocessing: Preprocessing) -> Pixels:
    pixels = array[..., None] if array.ndim == 2 else array
    if pixels.ndim != 3 or pixels.shape[2] not in _CHANNELS or not pixels.size:
        raise ImageError(
            "An array must have the shape (height, width) or (height, width, channels), with 1 "
            f"(grey), 3 (RGB) or 4 (RGBA) channels. Received: shape {array.shape}"
        )
    if pixels.dtype != np.uint8:
        try:
            pixels = np.round(scale(pixels) * 255).astype(np.uint8)
        except ValueError as error:
            raise ImageError(f"An array cannot be used as an image. {error}") from error
    if pixels.shape == preprocessing.shape:
        return pixels
    try:
        # Transparency is dropped, as when a file is decoded.
        colour = tf.constant(pixels[:, :, :3])
        if colour.shape[2] == 3 and preprocessing.channels == 1:
            colour = tf.image.rgb_to_grayscale(colour)
        elif colour.shape[2] == 1 and preprocessing.channels == 3:
            colour = tf.image.grayscale_to_rgb(colour)
        resized: Pixels = preprocessing.crop_and_resize(colour).numpy()
    except tf.errors.OpError as error:
        raise ImageError(decoding.explain("An image", error)) from error
    return resized
