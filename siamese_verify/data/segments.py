"""Files of decoded images, to which segments are added and in which nothing is ever changed.

A segment holds some images with a checksum. A file is a row of segments. It is mapped into memory,
so that images are read as they are needed, and a mapping outlives its file. A killed run leaves the
beginning of a segment at the end of a file, which is ignored and later overwritten.
"""

from __future__ import annotations

import io
import math
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from siamese_verify.data.preprocessing import Pixels
from siamese_verify.files import lock, open_regular_file

Keys = npt.NDArray[np.bytes_]
"""Digests of the contents of image files, an array of `|S16`."""
KEY = np.dtype("S16")

_HEADER = struct.Struct("<8sII")
_MAGIC = b"SVIMAGE1"


class Segment(NamedTuple):
    """Decoded images in a file that is mapped into memory."""

    path: Path
    keys: Keys
    """Key of each image, an array `(n,)`."""
    pixels: Pixels
    """Pixels of each image, a read-only array `(n, height, width, channels)`."""
    checksum: int

    def is_undamaged(self) -> bool:
        """Read all of it, and tell whether the checksum is right."""
        return _checksum(self.keys, self.pixels) == self.checksum


def segment_size(count: int, image_bytes: int) -> int:
    """Compute the bytes of a segment of so many images."""
    return _HEADER.size + count * (KEY.itemsize + image_bytes)


def read_segments(path: Path, shape: tuple[int, ...]) -> list[Segment]:
    """Map the segments of a file of images of this shape. Any other file has none."""
    try:
        with open_regular_file(path) as file:
            return _read(file, path, shape)[0]
    except (OSError, ValueError):  # It was removed meanwhile, or is not a regular file.
        return []


def _read(file: BinaryIO, path: Path, shape: tuple[int, ...]) -> tuple[list[Segment], int]:
    """Return the segments of an open file, and where the last one ends."""
    segments, end, size = [], 0, os.fstat(file.fileno()).st_size
    mapped = np.memmap(file, np.uint8, "r") if size else np.empty(0, np.uint8)
    while end + _HEADER.size <= size:
        magic, count, checksum = _HEADER.unpack(mapped[end : end + _HEADER.size].tobytes())
        first = end + _HEADER.size + count * KEY.itemsize
        last = first + count * math.prod(shape)
        if magic != _MAGIC or not count or last > size:
            break
        # A copy, since a search would read pages from all over the file.
        keys = np.frombuffer(mapped[end + _HEADER.size : first].tobytes(), KEY)
        pixels = mapped[first:last].view(np.ndarray).reshape(count, *shape)
        segments.append(Segment(path, keys, pixels, checksum))
        end = last
    return segments, end


class SegmentFile:
    """File that is open for further segments. It is locked until it is closed.

    Args:
        path: Path of the file, which may be new.
        shape: Height, width and channels of an image.

    Raises:
        OSError: If it cannot be opened, or is locked.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]):
        self.path, self._shape = path, shape
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0))
        self._file = io.FileIO(descriptor, "r+b")
        try:
            self.end = self._lock_and_read()
        except BaseException:
            self._file.close()
            raise

    def _lock_and_read(self) -> int:
        try:
            is_mine = lock(self._file.fileno())
        except OSError:  # Without locks, a writer uses new files only.
            is_mine = not os.fstat(self._file.fileno()).st_size
        if not is_mine:
            raise BlockingIOError
        return _read(self._file, self.path, self._shape)[1]

    def append(self, keys: Sequence[bytes], pixels: Sequence[Pixels]) -> None:
        """Write a segment.

        Raises:
            OSError: If the disk is full. The file has not changed then.
        """
        all_keys, all_pixels = np.array(keys, KEY), np.stack(pixels)
        header = _HEADER.pack(_MAGIC, len(keys), _checksum(all_keys, all_pixels))
        self._file.truncate(self.end)
        self._file.seek(self.end)
        try:
            for part in (header, all_keys.tobytes(), all_pixels.data):
                _write(self._file, part)
        except OSError as error:
            self._file.truncate(self.end)
            raise OSError(error.errno, error.strerror, os.fspath(self.path)) from error
        self.end = self._file.tell()

    def close(self) -> list[Segment]:
        """Close the file, and return the segments that it has got."""
        if not self.end:
            self.path.unlink(missing_ok=True)
        # A mapping of this descriptor would keep the lock.
        self._file.close()
        return read_segments(self.path, self._shape)


def _write(file: BinaryIO, part: bytes | memoryview) -> None:
    rest = memoryview(part).cast("B")
    while rest:
        rest = rest[file.write(rest) :]


def _checksum(keys: Keys, pixels: Pixels) -> int:
    return zlib.crc32(pixels.data, zlib.crc32(keys.data))
