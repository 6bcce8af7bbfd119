"""`ImageCache`: a folder of decoded images, of limited size."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.data.preprocessing import Pixels
from siamese_verify.data.segments import (
    KEY,
    Keys,
    Segment,
    SegmentFile,
    read_segments,
    segment_size,
)
from siamese_verify.files import PathLike

_ENDING = ".images"
_SECONDS = 1.0
"""Seconds of decoding after which a segment is written: the most that a killed run loses."""
_LARGEST_SEGMENT = 2**25
_LARGEST_FILE = 2**29
_FEWEST_FILES = 8
"""Files in a full cache. The smaller they are, the less is removed with the oldest image."""


@dataclasses.dataclass(frozen=True)
class ImageCache:
    """Folder of decoded images, for the argument `cache` of data sets.

    It keeps each image once, by the contents of its file and by the preprocessing. Data sets share
    it, also in several processes. When it is full, the files whose images have not been used for
    the longest time are removed. A path in its place is a cache of the default size.

    Args:
        folder: Path of the folder.
        max_bytes: Largest size of the folder's images on the disk. By default 64 GiB.

    Raises:
        ValueError: If `max_bytes` is not a whole number from 1.

    Examples:
        >>> cache = ImageCache("decoded", max_bytes=2**30)
        >>> pairs = PairList.sample("lfw/lfw2", 8)
        >>> data = PairDataset(pairs, "lfw/lfw2", cache=cache, verbose=False)
    """

    folder: PathLike
    max_bytes: int = 2**36

    def __post_init__(self) -> None:
        whole_number("max_bytes", self.max_bytes)

    def files(self, settings: str = "") -> list[Path]:
        """List the files of images of these settings, or of any, sorted by their names."""
        return sorted(Path(self.folder).glob(f"{settings}*{_ENDING}"))

    def segments(self, settings: str, shape: tuple[int, ...]) -> list[Segment]:
        """Map all segments of images of these settings and this shape."""
        return [one for path in self.files(settings) for one in read_segments(path, shape)]

    def make_room(self, size: int, kept: set[Path]) -> None:
        """Remove the files that were used longest ago, until `size` bytes more have a place.

        Args:
            size: Number of bytes.
            kept: Files to remove last.
        """
        files = []
        for path in self.files():
            with contextlib.suppress(OSError):  # Another process may have removed it.
                status = path.stat()
                files.append((path in kept, status.st_mtime_ns, path, status.st_size))
        total = size + sum(size for *_, size in files)
        for _, _, path, size in sorted(files):
            if total <= self.max_bytes:
                return
            with contextlib.suppress(OSError):  # Windows removes no open file.
                path.unlink(missing_ok=True)
                total -= size


class CacheWriter:
    """Writer of images to a cache, also from several threads. Leaving its block writes the rest.

    Args:
        cache: Cache to write to.
        settings: Name of the settings that the pixels depend on.
        shape: Height, width and channels of an image.
        used: Files to remove last, to make room.

    Attributes:
        segments: The segments of its files, after the block.
    """

    def __init__(self, cache: ImageCache, settings: str, shape: tuple[int, ...], used: set[Path]):
        self.segments: list[Segment] = []
        self._cache, self._settings, self._shape, self._used = cache, settings, shape, used
        self._image_bytes = math.prod(shape)
        part = cache.max_bytes // _FEWEST_FILES
        self._most_images = min(_LARGEST_SEGMENT, part) // (self._image_bytes + KEY.itemsize)
        self._largest_file = min(_LARGEST_FILE, part)
        self._lock = threading.Lock()
        self._file: SegmentFile | None = None
        self._keys: list[bytes] = []
        self._pixels: list[Pixels] = []
        self._since = time.monotonic()
        self._is_closed = False

    def add(self, key: bytes, pixels: Pixels) -> None:
        """Add an image. It is on the disk about a second later."""
        with self._lock:
            if self._is_closed:
                return
            self._keys.append(key)
            self._pixels.append(pixels)
            is_late = time.monotonic() - self._since >= _SECONDS
            if is_late or len(self._keys) >= self._most_images:
                self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_closed = True
            try:
                self._write()
            finally:
                self._close_file()

    def _write(self) -> None:
        # On a full disk, the same images are not written a second time.
        keys, self._keys = self._keys, []
        pixels, self._pixels = self._pixels, []
        if not keys:
            return
        if self._file is None:
            self._file = self._open_file()
        self._cache.make_room(segment_size(len(keys), self._image_bytes), self._used)
        self._file.append(keys, pixels)
        if self._file.end >= self._largest_file:
            self._close_file()
        self._since = time.monotonic()

    def _open_file(self) -> SegmentFile:
        """Open a file that is not full, or a new one."""
        Path(self._cache.folder).mkdir(parents=True, exist_ok=True)
        for path in self._cache.files(self._settings):
            with contextlib.suppress(OSError):  # Another process is writing to it.
                if path.is_file() and path.stat().st_size < self._largest_file:
                    return self._opened(path)
        name = f"{self._settings}-{uuid.uuid4().hex}{_ENDING}"
        return self._opened(Path(self._cache.folder) / name)

    def _opened(self, path: Path) -> SegmentFile:
        file = SegmentFile(path, self._shape)
        self._used.add(path)
        return file

    def _close_file(self) -> None:
        if self._file is not None:
            self.segments += self._file.close()
            self._file = None


def note_use(paths: set[Path]) -> None:
    """Note that images of these files are in use now."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.utime(path)


def find(keys: Keys, segments: Sequence[Segment]) -> tuple[npt.NDArray[np.int32], ...]:
    """Find images by their keys.

    Returns:
        Number of the segment that holds each image, and its row there: int32 arrays `(n,)`. Both
        are -1 where no segment holds the image.
    """
    part = row = np.full(len(keys), -1, np.int32)
    if not segments:
        return part, row
    lengths = [len(segment.keys) for segment in segments]
    all_keys = np.concatenate([segment.keys for segment in segments])
    parts = np.repeat(np.arange(len(segments), dtype=np.int32), lengths)
    rows = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
    order = np.argsort(all_keys, kind="stable")
    at = order[np.searchsorted(all_keys, keys, sorter=order).clip(max=len(order) - 1)]
    is_found = all_keys[at] == keys
    return np.where(is_found, parts[at], part), np.where(is_found, rows[at], row)
