"""One image, however a user holds it: as a path, bytes, file, array or PIL image."""

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

Image: TypeAlias = PathLike | bytes | BinaryIO | npt.NDArray[Any] | Any  # The last one is PIL's.
_CHANNELS = (1, 3, 4)  # grey, RGB, RGBA
_PATHS, _CONTENTS = (str, os.PathLike), (bytes, bytearray, memoryview)


def read_image(image: Image, preprocessing: Preprocessing) -> Pixels:
    """Brings an image to the pixels that a network sees.

    Args:
        image: A path; the bytes of a file, or an open one; an array `(height, width)` or
            `(height, width, channels)` of grey, RGB or RGBA, uint8 or floats in [0, 1]; or a PIL
            image. An array of the shape of `preprocessing` is taken as it is.
        preprocessing: What is done to it.

    Returns:
        uint8 array of the shape of `preprocessing`.

    Raises:
        ImageError: If the file cannot be decoded, or an array is of another type, shape or range.
        TypeError: If it is none of these.
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
                f"A file must be opened in binary mode. Received: {type(contents).__name__} read"
            )
        return preprocessing.decode(contents, str(getattr(image, "name", "image")))
    raise TypeError(
        "An image is a path, bytes, a file, an array or a PIL image. "
        f"Received: {type(image).__name__}"
    )


def _is_pil(image: Any) -> bool:
    """Without PIL, which need not be installed."""
    return hasattr(image, "convert") and hasattr(image, "getbands")


def _from_pil(image: Any, channels: int) -> Pixels:
    from PIL import ImageOps

    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise ImageError(
            "A PIL image has 8 bits a channel: others tell no range, and PIL would cut them off. "
            f"Received: mode {image.mode}. Give the file, or an array of floats in [0, 1]."
        )
    upright = ImageOps.exif_transpose(image)
    return np.asarray(upright.convert("L" if channels == 1 else "RGB"))


def listed(images: Iterable[Image]) -> Iterable[Image]:
    """The images themselves, unless they are one, whose rows or characters would be taken.

    Raises:
        TypeError: If they are one image.
    """
    if (
        _is_one_array(images)
        or isinstance(images, (*_PATHS, *_CONTENTS))
        or _is_pil(images)
        or hasattr(images, "read")
    ):
        raise TypeError(
            f"Images come in a list, also a single one. Received: {type(images).__name__}"
        )
    return images


def _is_one_array(images: Any) -> bool:
    """Unlike a stack of grey images, of which few are 1, 3 or 4 pixels wide."""
    if not isinstance(images, np.ndarray):
        return False
    return images.ndim == 2 or (images.ndim == 3 and images.shape[2] in _CHANNELS)


def _from_array(array: npt.NDArray[Any], preprocessing: Preprocessing) -> Pixels:
    pixels = array[..., None] if array.ndim == 2 else array
    if pixels.ndim != 3 or pixels.shape[2] not in _CHANNELS or not pixels.size:
        raise ImageError(
            "An image is an array of shape (height, width), or with 1 (grey), 3 (RGB) or 4 (RGBA) "
            f"channels at the end. Received: shape {array.shape}"
        )
    if pixels.dtype != np.uint8:
        try:
            pixels = np.round(scale(pixels) * 255).astype(np.uint8)
        except ValueError as error:
            raise ImageError(f"An image cannot be used: {error}") from error
    if pixels.shape == preprocessing.shape:
        return pixels
    try:
        # As of a file, where transparency is dropped.
        colour = tf.constant(pixels[:, :, :3])
        if colour.shape[2] == 3 and preprocessing.channels == 1:
            colour = tf.image.rgb_to_grayscale(colour)
        elif colour.shape[2] == 1 and preprocessing.channels == 3:
            colour = tf.image.grayscale_to_rgb(colour)
        fitted: Pixels = preprocessing.fit(colour).numpy()
    except tf.errors.OpError as error:
        raise ImageError(decoding.explain("An image", error)) from error
    return fitted
