"""First frame of a GIF (version 89a).

TensorFlow decodes all frames, whatever their sizes, and does not tell which pixels are transparent.
So a decoder gets a file of the first frame alone, with a palette of greys. The greys are the
numbers of the colours, which this module looks up.
"""

from __future__ import annotations

import dataclasses
import struct

import numpy as np
import numpy.typing as npt

from siamese_verify.data.formats.decoders import decoder
from siamese_verify.data.formats.header import Header
from siamese_verify.data.formats.palette import look_up

SIGNATURE = b"GIF8"
_EXTENSION, _IMAGE, _END = b"!", b",", b";"
_GRAPHIC_CONTROL = 0xF9
_IS_INTERLACED, _HAS_PALETTE = 0x40, 0x80
_GREYS = np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes()


@dataclasses.dataclass(frozen=True)
class GifHeader(Header):
    """Header of a GIF and its first frame.

    Args:
        frame: Left, top, width and height of the frame in the image.
        is_interlaced: Whether its rows are stored in four passes.
        palette: Bytes of its colours, three each.
        transparent: Number of the transparent colour, or None.
        data: Compressed data.
    """

    frame: tuple[int, int, int, int] = (0, 0, 0, 0)
    is_interlaced: bool = False
    palette: bytes = b""
    transparent: int | None = None
    data: bytes = b""


def read_header(contents: bytes) -> GifHeader:
    """Read the header of the first frame, and check that the file is whole."""
    width, height, flags = struct.unpack_from("<HHB", contents, 6)
    palette, position = _palette(contents, 13, flags)
    transparent = None
    while (kind := contents[position : position + 1]) == _EXTENSION:
        if contents[position + 1] == _GRAPHIC_CONTROL and contents[position + 3] & 1:
            transparent = contents[position + 6]
        position = _after_blocks(contents, position + 2)
    if kind != _IMAGE:
        raise ValueError("a GIF without image")
    frame = left, top, frame_width, frame_height = struct.unpack_from("<4H", contents, position + 1)
    flags = contents[position + 9]
    own_palette, start = _palette(contents, position + 10, flags)
    end = _after_blocks(contents, start + 1)
    _check_is_whole(contents, end)
    # A frame may be larger than the image says, which then grows.
    return GifHeader(
        max(width, left + frame_width),
        max(height, top + frame_height),
        has_alpha=transparent is not None,
        frame=frame,
        is_interlaced=bool(flags & _IS_INTERLACED),
        palette=own_palette or palette or _GREYS,
        transparent=transparent,
        data=contents[start:end],
    )


def decode(contents: bytes, header: GifHeader) -> npt.NDArray[np.uint8]:
    """Decode to RGB or RGBA. Outside of the frame, pixels are transparent or of colour 0."""
    numbers = np.full((header.height, header.width), header.transparent or 0, np.uint8)
    left, top, width, height = header.frame
    numbers[top : top + height, left : left + width] = decoder().gif(_one_frame(header))
    alphas = b"" if header.transparent is None else header.transparent * b"\xff" + b"\0"
    return look_up(numbers, header.palette, alphas, 4 if header.has_alpha else 3)


def _one_frame(header: GifHeader) -> bytes:
    """Write a GIF of the frame alone, whose colours are their numbers."""
    size = header.frame[2:]
    screen = struct.pack("<HHBBB", *size, _HAS_PALETTE | 7, 0, 0)
    flags = _IS_INTERLACED if header.is_interlaced else 0
    frame = struct.pack("<4HB", 0, 0, *size, flags)
    return b"GIF89a" + screen + _GREYS + _IMAGE + frame + header.data + _END


def _palette(contents: bytes, position: int, flags: int) -> tuple[bytes, int]:
    """Read a palette, empty if the flags tell of none, and where it ends."""
    end = position + (3 << (flags & 7) + 1 if flags & _HAS_PALETTE else 0)
    return contents[position:end], end


def _after_blocks(contents: bytes, position: int) -> int:
    """Find the end of a chain of data blocks."""
    while length := contents[position]:
        position += 1 + length
    return position + 1


def _check_is_whole(contents: bytes, position: int) -> None:
    """Follow the other frames to the end of the file."""
    while (kind := contents[position : position + 1]) != _END:
        if kind == _IMAGE:
            position = _palette(contents, position + 10, contents[position + 9])[1] + 1
        elif kind == _EXTENSION:
            position += 2
        else:
            raise ValueError("truncated: the GIF has no end")
        position = _after_blocks(contents, position)
