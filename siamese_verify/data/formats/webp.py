"""WebP (RFC 9649).

TensorFlow 2.21 writes beyond its memory where it decodes an animation, so only Pillow decodes
animations. Both use libwebp, so the pixels are the same.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from siamese_verify.data.formats import pillow
from siamese_verify.data.formats.decoders import decoder
from siamese_verify.data.formats.header import Header
from siamese_verify.data.formats.orientation import read_orientation

SIGNATURE = b"RIFF"
_SIDE = 0x3FFF
"""Largest side, which fills 14 bits."""
_IS_ANIMATION = 2


@dataclasses.dataclass(frozen=True)
class WebpHeader(Header):
    """Header of a WebP.

    Args:
        is_animation: Whether it holds frames.
    """

    is_animation: bool = False


def read_header(contents: bytes) -> WebpHeader:
    """Read the size and the orientation, and check that the file is whole."""
    (length,) = struct.unpack_from("<I", contents, 4)
    if contents[8:12] != b"WEBP":
        raise ValueError("a RIFF file that is not a WebP")
    if len(contents) < length + 8:
        raise ValueError("truncated")
    width = height = flags = 0
    texts: dict[bytes, bytes] = {}
    for kind, chunk in _chunks(contents[: length + 8]):
        if kind == b"VP8X":
            flags = chunk[0]
            size = [int.from_bytes(chunk[start : start + 3], "little") + 1 for start in (4, 7)]
        elif kind == b"VP8 ":
            size = [side & _SIDE for side in struct.unpack_from("<HH", chunk, 6)]
        elif kind == b"VP8L":
            (bits,) = struct.unpack_from("<I", chunk, 1)
            size = [(bits & _SIDE) + 1, (bits >> 14 & _SIDE) + 1]
        else:
            texts.setdefault(kind, chunk)
            continue
        width, height = max(width, size[0]), max(height, size[1])
    orientation = read_orientation(texts.get(b"EXIF"), texts.get(b"XMP "))
    is_animation = bool(flags & _IS_ANIMATION) or not {b"ANIM", b"ANMF"}.isdisjoint(texts)
    return WebpHeader(width, height, orientation, is_animation=is_animation)


def decode(contents: bytes, header: WebpHeader) -> npt.NDArray[np.uint8]:
    """Decode the first frame to RGB or RGBA."""
    if header.is_animation:
        return pillow.decode_as_stored(pillow.read_header(contents))
    pixels: npt.NDArray[np.uint8] = decoder().webp(contents)
    return pixels


def _chunks(contents: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Find the chunks, each of which ends at an even place."""
    position = 12
    while position + 8 <= len(contents):
        kind, length = struct.unpack_from("<4sI", contents, position)
        yield kind, contents[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
