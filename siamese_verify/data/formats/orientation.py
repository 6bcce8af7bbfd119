"""Orientation. A camera may store pixels sideways, and note how to turn them.

The note is the tag Orientation of an Exif header (CIPA DC-008, "Exif", section 4.6.4). A file
without this tag may have it in an XMP packet instead (ISO 16684-1).
"""

from __future__ import annotations

import contextlib
import re
import struct

import numpy as np
import numpy.typing as npt

TAG = 0x0112
_BYTE_ORDERS = {b"II*\0": "<", b"II\0*": "<", b"MM\0*": ">", b"MM*\0": ">"}
_ENTRY_BYTES = 12
"""Length of a directory entry: tag (2 bytes), type (2), count (4), and value or its place (4)."""
_FORMATS = {
    **{3: "H", 4: "I", 5: "2I", 6: "b", 8: "h", 9: "i", 10: "2i", 11: "f", 12: "d"},
    **{13: "I", 16: "Q"},
}
"""Formats in `struct` of TIFF's types of numbers. Two numbers are a fraction."""
_IN_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def read_orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """Read the orientation, 1 to 8, of an image with these headers.

    Args:
        exif: Exif header, which is a TIFF file, or None.
        xmp: XMP packet, or None. It counts if the Exif header does not have the tag.

    Returns:
        The orientation. Without the tag, or with an undefined value, it is 1: upright.
    """
    found = _in_exif(exif) if exif else None
    if found is None and xmp and (match := _IN_XMP.search(xmp)):
        found = int(match[1])
    return int(found) if found is not None and found in range(1, 9) else 1


def upright(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Turn pixels `(height, width, channels)`. A quarter turn swaps height and width.

    An undefined orientation turns nothing.
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in (3, 4, 7, 8) else pixels


def _in_exif(exif: bytes) -> float | None:
    """Read the tag from the first directory, or return None. A damaged directory ends early."""
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    found = None
    if order := _BYTE_ORDERS.get(exif[:4]):
        with contextlib.suppress(struct.error):
            (start,) = struct.unpack_from(f"{order}I", exif, 4)
            (count,) = struct.unpack_from(f"{order}H", exif, start)
            for entry in range(start + 2, start + 2 + count * _ENTRY_BYTES, _ENTRY_BYTES):
                if struct.unpack_from(f"{order}H", exif, entry) == (TAG,):
                    found = _value(exif, entry, order)
    return found


def _value(exif: bytes, entry: int, order: str) -> float | None:
    """Read the first value of a directory entry. A text or single bytes are not a number: 0."""
    kind, count = struct.unpack_from(f"{order}HI", exif, entry + 2)
    if not count:
        return None
    if kind not in _FORMATS:
        return 0
    form, place = order + _FORMATS[kind], entry + 8
    if struct.calcsize(form) * count > 4:
        (place,) = struct.unpack_from(f"{order}I", exif, place)
    value, *divisor = struct.unpack_from(form, exif, place)
    return value / divisor[0] if divisor and divisor[0] else value
