"""Chunks of a table's rows, as lists of Python or columns of pyarrow."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]


class ListChunk(NamedTuple):
    """Rows of a table as lists of Python."""

    columns: dict[str, list[Any]]
    lines: Numbers
    """Number of each row: its line in a text file, counted from 1."""

    def distinct(self, columns: Sequence[str]) -> tuple[list[Any], None]:
        """Return the values of columns, one after another."""
        return [value for column in columns for value in self.columns[column]], None

    def values(self, column: str) -> list[Any]:
        """Return the values of a column."""
        return self.columns[column]


class ArrowChunk(NamedTuple):
    """Rows of a table as columns of pyarrow."""

    columns: dict[str, Any]
    lines: Numbers
    """Number of each row: its line in a text file, counted from 1."""

    def distinct(self, columns: Sequence[str]) -> tuple[list[Any], Numbers]:
        """Return the distinct values of columns, and the place among them of each value."""
        arrow = pyarrow()
        pieces = [piece for column in columns for piece in self.columns[column].chunks]
        encoded = arrow.chunked_array(pieces).combine_chunks().dictionary_encode("encode")
        return encoded.dictionary.to_pylist(), encoded.indices.to_numpy()

    def values(self, column: str) -> list[Any]:
        """Return the values of a column."""
        values: list[Any] = self.columns[column].to_pylist()
        return values


Chunk = ListChunk | ArrowChunk


def pyarrow() -> Any:
    """Return pyarrow, or None if it is not installed."""
    try:
        return importlib.import_module("pyarrow")
    except ImportError:
        return None


def numbered(start: int, n: int) -> Numbers:
    """Return the numbers of `n` rows after the first `start`, counted from 1."""
    return np.arange(start + 1, start + n + 1)
