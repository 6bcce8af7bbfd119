"""Reading of one image from a path, bytes, a file, an array or a PIL image."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from siamese_verify.data.decoding import Colours, ImageError, max_bytes, on_background
from siamese_verify.data.formats import orientation
from siamese_verify.data.formats.pillow import to_colours
from siamese_verify.data.preprocessing import Pixels, Preprocessing, scale
from siamese_verify.files import PathLike, read_regular_file
from siamese_verify.messages import shown

ImageLike: TypeAlias = PathLike | bytes | BinaryIO | npt.NDArray[Any] | Any
"""An image in any form that `read_image` accepts. `Any` stands for PIL's images."""
_CHANNELS = (1, 3, 4)
"""Numbers of channels of grey, RGB and RGBA arrays."""
_PATHS, _CONTENTS = (str, os.PathLike), (bytes, bytearray, memoryview)


def read_image(image: ImageLike, preprocessing: Preprocessing) -> Pixels:
    """Read an image as the pixels that a network receives.

    Every route leads to the same pixels. So an array is cropped and resized as a file is, also if
    it has the shape of `preprocessing`.

    Args:
        image: Path, bytes of a file, open file, array or PIL image. An array has the shape
            `(height, width)` or `(height, width, channels)`. It is grey, RGB or RGBA, in uint8 or
            floats in [0, 1], and upright.
        preprocessing: Background, cropping, size and channels of the result.

    Returns:
        uint8 array `(height, width, channels)` of the shape of `preprocessing`.

    Raises:
        ImageError: If a file cannot be decoded, is larger than its limit, or is not a regular
            file. Also if an array or a PIL image has another type, shape or range.
        TypeError: If `image` has another type.
        OSError: If the path cannot be read.
        MemoryError: If the memory does not suffice.

    Examples:
        >>> read_image(np.zeros((60, 40, 3), np.uint8), Preprocessing((8, 8))).shape
        (8, 8, 1)
    """
    if isinstance(image, _PATHS):
        return preprocessing.decode(read_image_file(image, preprocessing), os.fspath(image))
    if isinstance(image, _CONTENTS):
        return preprocessing.decode(bytes(image))
    if isinstance(image, np.ndarray):
        return preprocessing.prepare(_from_array(image, preprocessing), "An array")
    if _is_pil(image):
        return preprocessing.prepare(_from_pil(image, preprocessing), "A PIL image")
    if hasattr(image, "read"):
        # One byte more than the limit shows that a file is too large.
        contents = _read(image, max_bytes(preprocessing.max_pixels) + 1)
        return preprocessing.decode(contents, str(getattr(image, "name", "image")))
    raise TypeError(
        "An image must be a path, bytes, a file, an array or a PIL image. "
        f"Received: {type(image).__name__}"
    )


def read_image_file(path: PathLike, preprocessing: Preprocessing) -> bytes:
    """Read the contents of an image file, which is a regular one of limited size.

    Raises:
        ImageError: If it is not a regular file, or is too large.
        OSError: If the path cannot be read.
    """
    try:
        return read_regular_file(path, max_bytes(preprocessing.max_pixels))
    except ValueError as error:
        raise ImageError(f"{shown(path)} cannot be read as an image. {error}") from error


def _read(file: Any, most: int) -> bytes:
    """Read a file to its end, or `most` bytes. A pipe or a socket returns a part at a time."""
    contents = bytearray()
    while len(contents) < most:
        part = file.read(most - len(contents))
        if not isinstance(part, bytes):
            raise TypeError(
                "A file must be opened in binary mode, such as open(path, 'rb'). "
                f"Received: {type(part).__name__} from its read()"
            )
        if not part:
            break
        contents += part
    return bytes(contents)


def _is_pil(image: Any) -> bool:
    """Tell whether it is a PIL image, without PIL, which need not be installed."""
    return hasattr(image, "convert") and hasattr(image, "getbands")


def _from_pil(image: Any, preprocessing: Preprocessing) -> Colours:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise ImageError(
            "A PIL image must have 8 bits a channel, since PIL cuts off larger values. Pass the "
            "path of the file instead, or an array of floats in [0, 1]. "
            f"Received: mode {image.mode}"
        )
    if not image.width or not image.height:
        raise ImageError(f"A PIL image has no pixels. Received: {image.width} x {image.height}")
    if image.width * image.height > preprocessing.max_pixels:
        raise ImageError(
            f"A PIL image is over-large. Received: {image.width * image.height:,} pixels where "
            f"max_pixels={preprocessing.max_pixels:,}"
        )
    try:
        image.load()  # Some files have their Exif header after the pixels.
        noted = image.getexif().get(orientation.TAG, 1)
        pixels = to_colours(image)
    except (OSError, SyntaxError, TypeError, ValueError) as error:  # Pillow raises several types.
        raise ImageError(f"A PIL image cannot be used. {shown(error)}") from error
    return orientation.upright(on_background(pixels, preprocessing.background), noted)


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


def _from_array(array: npt.NDArray[Any], preprocessing: Preprocessing) -> Colours:
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
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    return on_background(pixels, preprocessing.background)
