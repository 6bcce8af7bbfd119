"""`Column` and `TextColumn`: arrays and texts that grow in amortized constant time."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from siamese_verify.files import PathLike

Kind = TypeVar("Kind", bound=np.generic)


class Column(Generic[Kind]):
    """Array with room for more rows, which doubles when it is full.

    Args:
        rows: First rows, which are copied before the first append.
        folder: Folder for a file without a name that holds the rows, which the system then moves
            between memory and disk. It ends with the process. None for rows in memory.
    """

    def __init__(self, rows: npt.NDArray[Kind], folder: PathLike | None = None):
        self._buffer, self._n, self._folder = rows, len(rows), folder

    @property
    def rows(self) -> npt.NDArray[Kind]:
        """All rows, as a view."""
        return self._buffer[: self._n]

    def reserve(self, n: int) -> None:
        """Make room for `n` more rows."""
        n += self._n
        if n > len(self._buffer):
            buffer = self._empty((max(n, 2 * self._n), *self._buffer.shape[1:]))
            buffer[: self._n] = self.rows
            self._buffer = buffer

    def _empty(self, shape: tuple[int, ...]) -> npt.NDArray[Kind]:
        if self._folder is None:
            return np.empty(shape, self._buffer.dtype)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            if sys.platform == "linux":  # Where the disk is full, a write to memory ends Python.
                _allocate(file.fileno(), math.prod(shape) * self._buffer.itemsize, self._folder)
            return np.memmap(file, self._buffer.dtype, "w+", shape=shape)

    def append(self, rows: npt.NDArray[Kind]) -> None:
        """Add rows."""
        if not len(rows):  # The first rows may be read-only.
            return
        self.reserve(len(rows))
        self._buffer[self._n : self._n + len(rows)] = rows
        self._n += len(rows)


def _allocate(descriptor: int, size: int, folder: PathLike) -> None:
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(folder)) from error


class TextColumn:
    """Texts without an object of Python for each, which would need 50 bytes more.

    Args:
        texts: First texts.
    """

    def __init__(self, texts: Sequence[str]):
        self._bytes = Column(np.empty(0, np.uint8))
        self._ends = Column(np.empty(0, np.int64))
        self.extend(texts)

    def __getitem__(self, row: int) -> str:
        start = self._ends.rows[row - 1] if row else 0
        contents = self._bytes.rows[start : self._ends.rows[row]].tobytes()
        return contents.decode(errors="surrogatepass")

    def extend(self, texts: Sequence[str]) -> None:
        """Add texts."""
        contents = [text.encode(errors="surrogatepass") for text in texts]
        start = len(self._bytes.rows)
        self._ends.append(start + np.cumsum([*map(len, contents)], dtype=np.int64))
        self._bytes.append(np.frombuffer(b"".join(contents), np.uint8))
