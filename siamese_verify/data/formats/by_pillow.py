"""Decoding by Pillow, to the pixels that TensorFlow decodes.

The plugins are called directly. `Image.open` would import all of them, and has a limit of its own.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.data.formats import pillow
from siamese_verify.data.formats.palette import look_up
from siamese_verify.data.row_blocks import by_rows

Pixels = npt.NDArray[np.uint8]
_PNG_START = 8
_GREY, _PALETTE = 0, 3
"""Colour types of PNG."""


def jpeg(contents: bytes) -> Pixels:
    """Decode a JPEG to RGB."""
    from PIL.JpegImagePlugin import JpegImageFile

    stored = _decoded(JpegImageFile, contents)
    if stored.ndim == 2:
        return np.repeat(stored[..., None], 3, axis=2)
    return by_rows(_print_to_rgb, stored, 3) if stored.shape[2] == 4 else stored


def png(contents: bytes, channels: int) -> Pixels:
    """Decode a PNG to RGB or RGBA."""
    from PIL.PngImagePlugin import PngImageFile

    bits, colour_type = contents[24:26]
    needed, palette, transparent = _pixel_chunks(contents)
    stored = _decoded(PngImageFile, needed)
    if colour_type == _PALETTE:
        return look_up(stored, palette, transparent, channels)
    if stored.ndim == 3 and stored.shape[2] == 4:
        return stored
    if stored.ndim == 3 and stored.shape[2] == 2:
        return stored.take([0, 0, 0, 1], axis=2)
    return _with_transparent(stored, bits, transparent)


def bmp(contents: bytes) -> Pixels:
    """Decode a plain BMP to RGB or RGBA."""
    from PIL.BmpImagePlugin import BmpImageFile

    stored = _decoded(BmpImageFile, contents)
    return stored[..., None] if stored.ndim == 2 else stored


def gif(contents: bytes) -> Pixels:
    """Decode a GIF of one frame, whose palette are the greys, to `(height, width)`."""
    from PIL.GifImagePlugin import GifImageFile

    return _decoded(GifImageFile, contents)


def webp(contents: bytes) -> Pixels:
    """Decode a WebP of one frame to RGB or RGBA."""
    from PIL.WebPImagePlugin import WebPImageFile

    return _decoded(WebPImageFile, contents)


def _decoded(plugin: Any, contents: bytes) -> npt.NDArray[Any]:
    """Decode a file to the values that it stores."""
    with pillow.as_value_errors():
        return np.asarray(plugin(io.BytesIO(contents), ""))


def _print_to_rgb(stored: Pixels) -> npt.NDArray[np.uint16]:
    """Convert the colours of print, which Pillow has inverted, with TensorFlow's rounding."""
    light = (255 - stored).astype(np.uint16)
    return light[..., :3] * light[..., 3:] // 255


def _pixel_chunks(contents: bytes) -> tuple[bytes, bytes, bytes]:
    """Reduce a PNG to the chunks that hold its pixels. Read its palette and what is transparent.

    Pillow checks neither the sums of the pixels nor the end of the file. It raises errors for long
    texts, and plays animations.
    """
    parts, palette, transparent, kind = [contents[:_PNG_START]], b"", b"", b""
    position = _PNG_START
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", contents, position)
        end = position + 12 + length
        if kind == b"tRNS" and len(parts) < 4:
            transparent = contents[position + 8 : end - 4]
        elif kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            (given,) = struct.unpack_from(">I", contents, end - 4)
            if zlib.crc32(memoryview(contents)[position + 4 : end - 4]) != given:
                raise ValueError(f"damaged: a wrong sum of {kind.decode()}")
            if kind == b"PLTE":
                palette = contents[position + 8 : end - 4]
            parts.append(contents[position:end])
        position = end
    return b"".join(parts), palette, transparent


def _with_transparent(stored: npt.NDArray[Any], bits: int, transparent: bytes) -> Pixels:
    """Bring greys or colours to RGB, or to RGBA if one of them is transparent."""
    values = stored[..., None] if stored.ndim == 2 else stored
    n = values.shape[2]
    alpha = None
    if len(transparent) >= 2 * n:
        if bits == 16 and n == 3:
            raise ValueError(
                "a PNG of 16 bits with a transparent colour, which Pillow brings to 8 bits. Save "
                "it with 8 bits, or decode it by TensorFlow"
            )
        key = np.array(struct.unpack_from(f">{n}H", transparent)) & (1 << bits) - 1
        # Pillow has spread the values of 2 and 4 bits over 8 bits.
        factor = 255 // ((1 << bits) - 1) if 1 < bits < 8 else 1
        alpha = np.where((values == key * factor).all(axis=2, keepdims=True), 0, 255)
    if values.dtype == bool:
        values = values * np.uint8(255)
    elif bits == 16 and n == 1:
        values = values >> 8
    colours = np.repeat(values, 3, axis=2) if n == 1 else values
    together = [colours] if alpha is None else [colours, alpha]
    return np.concatenate(together, axis=2, dtype=np.uint8, casting="unsafe")
