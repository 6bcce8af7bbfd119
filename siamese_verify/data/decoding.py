"""Decoding: from the contents of an image file to colours, upright and opaque."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.data.formats import bmp, gif, jpeg, pillow, png, webp
from siamese_verify.data.formats.header import Header
from siamese_verify.data.formats.orientation import upright
from siamese_verify.data.row_blocks import by_rows
from siamese_verify.messages import shown

Colours = npt.NDArray[np.uint8]
"""RGB pixels `(height, width, 3)`."""
_FORMATS = (jpeg, png, gif, bmp, webp, pillow)
"""Formats in the order in which a file is tried. The last one accepts any file."""
_BYTES_PER_PIXEL = 8
"""Bytes of an uncompressed pixel of RGBA with 16 bits, the largest."""
_OTHER_BYTES = 2**20
"""Bytes that headers may need in a file without many pixels."""
_TENSOR_BYTES = 2**31 - 1


class ImageError(ValueError):
    """Error for a file that cannot be used as an image. Its text names the file and the reason."""


def max_bytes(max_pixels: int) -> int:
    """Return the largest number of bytes that a file of `max_pixels` pixels may have."""
    return min(_BYTES_PER_PIXEL * max_pixels + _OTHER_BYTES, _TENSOR_BYTES)


def decode(
    contents: bytes, name: str, max_pixels: int, background: tuple[int, int, int]
) -> Colours:
    """Decode an image file, or the first frame of an animation.

    Args:
        contents: Contents of the file.
        name: Name of the file in errors.
        max_pixels: Largest number of pixels that the file may hold.
        background: Colour behind transparent pixels.

    Returns:
        uint8 array `(height, width, 3)`, turned upright by the file's Exif header or XMP packet.

    Raises:
        ImageError: If the file has another format, is damaged, or exceeds the limit.
        MemoryError: If the memory does not suffice.
    """
    with _naming(name):
        format_, header = _read_header(contents, max_pixels)
        pixels = format_.decode(contents, header)
    return upright(on_background(pixels, background), header.orientation)


def upright_jpeg(contents: bytes, name: str, max_pixels: int) -> Header | None:
    """Check a file, and return its header if a graph can decode it (see `jpeg_graph`).

    Returns:
        The header, or None if the file has another format or is not upright.

    Raises:
        ImageError: If the file has another format, is damaged, or exceeds the limit.
    """
    with _naming(name):
        format_, header = _read_header(contents, max_pixels)
        if format_ is not jpeg or header.orientation != 1 or header.lacks_adobe:
            return None
        jpeg.check_is_undamaged(contents)
    return header


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Let errors name the file and the reason."""
    try:
        yield
    except MemoryError as error:
        raise MemoryError(f"The memory does not suffice to decode {shown(name)}.") from error
    except (ValueError, IndexError, struct.error) as error:
        raise ImageError(f"{shown(name)} cannot be read as an image: {_reason(error)}") from error


def on_background(pixels: npt.NDArray[np.uint8], background: tuple[int, int, int]) -> Colours:
    """Lay RGB or RGBA pixels on a background, so that no pixel is transparent."""
    if pixels.shape[2] == 3:
        return pixels
    behind = np.array(background, np.uint16)

    def mixed(block: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        alpha = block[..., 3:].astype(np.uint16)
        total = block[..., :3] * alpha + behind * (255 - alpha) + np.uint16(128)
        # A rounded division by 255, without a slow division. No sum exceeds 16 bits.
        return (total + (total >> 8)) >> 8

    return by_rows(mixed, pixels, 3)


def _read_header(contents: bytes, max_pixels: int) -> tuple[ModuleType, Any]:
    format_ = _find_format(contents)
    header = format_.read_header(contents)
    _check_size(header, len(contents), max_pixels)
    return format_, header


def _find_format(contents: bytes) -> ModuleType:
    if not contents:
        raise ValueError("the file is empty")
    return next(format_ for format_ in _FORMATS if contents.startswith(format_.SIGNATURE))


def _check_size(header: Header, n_bytes: int, max_pixels: int) -> None:
    if header.width < 1 or header.height < 1:
        raise ValueError("an image without size")
    if header.width * header.height > max_pixels:
        n_pixels = header.width * header.height
        raise ValueError(f"over-large: {n_pixels:,} pixels where max_pixels={max_pixels:,}")
    if n_bytes > max_bytes(max_pixels):
        limit = max_bytes(max_pixels)
        raise ValueError(f"over-large: {n_bytes:,} bytes, where {limit:,} suffice for any image")


def _reason(error: Exception) -> str:
    return "truncated" if isinstance(error, (IndexError, struct.error)) else shown(error)
