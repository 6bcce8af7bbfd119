"""`Column`: an array that grows in amortized constant time."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

Kind = TypeVar("Kind", bound=np.generic)


class Column(Generic[Kind]):
    """Array with room for more rows, which doubles when it is full.

    Args:
        rows: First rows, which are copied before the first append.
    """

    def __init__(self, rows: npt.NDArray[Kind]):
        self._buffer, self._n = rows, len(rows)

    @property
    def rows(self) -> npt.NDArray[Kind]:
        """All rows, as a view."""
        return self._buffer[: self._n]

    def reserve(self, n: int) -> None:
        """Make room for `n` more rows."""
        n += self._n
        if n > len(self._buffer):
            buffer = np.empty((max(n, 2 * self._n), *self._buffer.shape[1:]), self._buffer.dtype)
            buffer[: self._n] = self.rows
            self._buffer = buffer

    def append(self, rows: npt.NDArray[Kind]) -> None:
        """Add rows."""
        if not len(rows):  # The first rows may be read-only.
            return
        self.reserve(len(rows))
        self._buffer[self._n : self._n + len(rows)] = rows
        self._n += len(rows)
