"""BMP. Files of plain colours or greys are decoded by TensorFlow or Pillow.

TensorFlow reads files with other palettes, masks or compression as other pixels than the pixels
they hold. Only Pillow decodes them.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from siamese_verify.data.formats import pillow
from siamese_verify.data.formats.decoders import decoder
from siamese_verify.data.formats.header import Header

SIGNATURE = b"BM"
_HEADER_SIZES = (40, 52, 56, 64, 108, 124)
_PLAIN, _BY_MASKS = 0, 3
_BLUE_FIRST = (0xFF0000, 0xFF00, 0xFF)
"""Masks of red, green and blue in the order of bytes that the decoder expects."""
_ALPHA = 0xFF000000


def read_header(contents: bytes) -> Header:
    """Read the size, by Pillow if TensorFlow cannot read the pixels."""
    (header_size,) = struct.unpack_from("<I", contents, 14)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", contents, 18)
    red, green, blue, alpha = struct.unpack_from("<4I", contents.ljust(70, b"\0"), 54)
    if header_size < 56:  # A shorter header has no mask of alpha.
        alpha = 0
    if compression == _BY_MASKS:
        is_plain = bits == 32 and (red, green, blue) == _BLUE_FIRST and alpha in (0, _ALPHA)
    else:
        alpha = 0  # A fourth byte is filling.
        is_grey = bits == 8 and _is_grey(contents[14 + header_size :][:1024])
        is_plain = compression == _PLAIN and (bits in (24, 32) or is_grey)
    if header_size not in _HEADER_SIZES or not is_plain:
        return pillow.read_header(contents)
    # A BMP that is stored from its top has a negative height.
    return Header(width, abs(height), has_alpha=alpha == _ALPHA)


def decode(contents: bytes, header: Header) -> npt.NDArray[np.uint8]:
    """Decode to RGB or RGBA."""
    if isinstance(header, pillow.PillowHeader):
        return pillow.decode(contents, header)
    pixels: npt.NDArray[np.uint8] = decoder().bmp(contents)
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    return pixels if header.has_alpha else pixels[..., :3]


def _is_grey(palette: bytes) -> bool:
    """Tell whether the colours of a palette are the greys of their numbers."""
    return palette[0::4] == palette[1::4] == palette[2::4] == bytes(range(256))
