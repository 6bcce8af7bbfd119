"""JPEG (ITU-T T.81), checked by simplejpeg where it is installed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from siamese_verify.data.formats.decoders import decoder
from siamese_verify.data.formats.header import Header
from siamese_verify.data.formats.orientation import read_orientation

SIGNATURE = b"\xff\xd8\xff"
_MOST_SCANS = 32
"""Largest number of scans. Encoders write up to about ten, and each costs time."""
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_APP1, _APP14, _START_OF_SCAN, _END = 0xE1, 0xEE, 0xDA, 0xD9
_ADOBE = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"
"""Segment that says that the four colours of print are stored inverted."""
_UNCHECKED = "Could not determine subsampling"
# Start of frame in all its kinds, except for three markers in this range.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# In the data of a scan, 0xFF stands before a zero, a restart marker or filling.
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")


@dataclasses.dataclass(frozen=True)
class JpegHeader(Header):
    """Header of a JPEG.

    Args:
        lacks_adobe: Whether it has the four colours of print, and no segment of Adobe.
    """

    lacks_adobe: bool = False


def read_header(contents: bytes) -> JpegHeader:
    """Read the size and the orientation, and check the number of scans."""
    size, exif, xmp, n_scans, n_colours, has_adobe = None, b"", None, 0, 0, False
    for marker, start, end in _segments(contents):
        segment = contents[start:end]
        if marker in _FRAMES and size is None:
            size = int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[1:3], "big")
            n_colours = segment[5]
        elif marker == _APP14 and segment.startswith(b"Adobe"):
            has_adobe = True
        elif marker == _APP1 and not n_scans and segment.startswith(_EXIF):
            exif += segment[len(_EXIF) :]  # A long header is continued in the next segment.
        elif marker == _APP1 and not n_scans and segment.startswith(_XMP):
            xmp = segment[len(_XMP) :]
        n_scans += marker == _START_OF_SCAN
        if n_scans > _MOST_SCANS:
            raise ValueError(f"a JPEG of more than {_MOST_SCANS} scans, which would cost much time")
    if size is None:
        raise ValueError("a JPEG without size")
    lacks_adobe = n_colours == 4 and not has_adobe
    return JpegHeader(*size, read_orientation(exif, xmp), lacks_adobe=lacks_adobe)


def decode(contents: bytes, header: JpegHeader) -> npt.NDArray[np.uint8]:
    """Decode to RGB.

    The inverse cosine transform is exact. Grey is computed from colours, since the
    brightness that a file stores is another where a colour is out of range. Colours of print are
    stored inverted, whatever a file says, as Pillow and browsers assume.
    """
    if header.lacks_adobe:
        contents = contents[:2] + _ADOBE + contents[2:]
    check_is_undamaged(contents)
    pixels: npt.NDArray[np.uint8] = decoder().jpeg(contents)
    return pixels


def check_is_undamaged(contents: bytes) -> None:
    """Raise a `ValueError` for damage that a decoder fills with grey, if simplejpeg is there."""
    try:
        import simplejpeg
    except ImportError:
        return
    # The smallest result costs least, and all of the file is read for it.
    smallest = {"min_height": 1, "min_width": 1, "min_factor": 8}
    try:
        simplejpeg.decode_jpeg(contents, "RGB", **smallest, strict=True)
    except ValueError as error:
        # It cannot check every shape of the parts of colours. Such a file is not damaged.
        if _UNCHECKED not in str(error):
            raise


def _segments(contents: bytes) -> Iterator[tuple[int, int, int]]:
    """Find the marker, the start and the end of each segment, up to the end of the image.

    Raises:
        ValueError: If the image has no end, which Pillow would not notice.
    """
    position = 2
    while found := _NEXT_MARKER.search(contents, position):
        if contents[found.end() - 1] == _END:
            return
        start = found.end() + 2
        length = int.from_bytes(contents[found.end() : start], "big")
        position = found.end() + max(length, 2)
        yield contents[found.end() - 1], start, position
    raise ValueError("truncated: the JPEG has no end")
