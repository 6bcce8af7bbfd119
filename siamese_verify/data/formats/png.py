"""PNG (ISO/IEC 15948)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from siamese_verify.data.formats.decoders import decoder
from siamese_verify.data.formats.header import Header
from siamese_verify.data.formats.orientation import read_orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WITH_ALPHA = (4, 6)
"""Colour types of grey with alpha and of RGBA. Other types are transparent by a chunk `tRNS`."""
_XMP_KEYWORD, _EXIF_KEYWORD = b"XML:com.adobe.xmp", b"Raw profile type exif"
_LONGEST_TEXT = 2**20
"""Largest number of bytes to which a compressed text is inflated."""


def read_header(contents: bytes) -> Header:
    """Read the size, the orientation, and whether there is transparency."""
    width, height, _, colour_type = struct.unpack_from(">IIBB", contents, 16)
    has_alpha, exif, texts = colour_type in _WITH_ALPHA, None, {}
    for kind, chunk in _chunks(contents):
        if kind == b"tRNS":
            has_alpha = True
        elif kind == b"eXIf":
            exif = chunk
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, _, rest = chunk.partition(b"\0")
            if keyword in (_XMP_KEYWORD, _EXIF_KEYWORD):
                texts[keyword] = _text(kind, rest)
    if exif is None and _EXIF_KEYWORD in texts:
        exif = _exif_in_text(texts[_EXIF_KEYWORD])
    return Header(width, height, read_orientation(exif, texts.get(_XMP_KEYWORD)), has_alpha)


def decode(contents: bytes, header: Header) -> npt.NDArray[np.uint8]:
    """Decode to RGB or RGBA."""
    pixels: npt.NDArray[np.uint8] = decoder().png(contents, 4 if header.has_alpha else 3)
    return pixels


def _chunks(contents: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Find the chunks up to the end of the image, without the pixels."""
    position = len(SIGNATURE)
    kind = b""
    while position + 8 <= len(contents) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", contents, position)
        position += 8
        if kind != b"IDAT":
            yield kind, contents[position : position + length]
        position += length + 4


def _text(kind: bytes, rest: bytes) -> bytes:
    """Read what follows the keyword in a chunk of text."""
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return _inflated(rest[1:])
    is_compressed = rest[:1] == b"\1"
    text = rest[2:].split(b"\0", 2)[-1]
    return _inflated(text) if is_compressed else text


def _inflated(text: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(text, _LONGEST_TEXT)
    except zlib.error:
        return b""


def _exif_in_text(text: bytes) -> bytes | None:
    """Read the hexadecimal digits that ImageMagick writes after three lines."""
    try:
        return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:]))
    except ValueError:
        return None
