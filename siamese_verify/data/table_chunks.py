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

    def values(self, column: str) -> list[Any]:
        """Return the values of a column."""
        return self.columns[column]


class ArrowChunk(NamedTuple):
    """Rows of a table as columns of pyarrow."""

    columns: dict[str, Any]
    lines: Numbers
    """Number of each row: its line in a text file, counted from 1."""

    def joined(self, columns: Sequence[str]) -> tuple[Any, Any]:
        """Return the values of columns, one after another.

        Returns:
            The values, and the same values as `large_string`, or None if some are not text.
        """
        arrow = pyarrow()
        pieces = [piece for column in columns for piece in self.columns[column].chunks]
        values = arrow.chunked_array(pieces).combine_chunks()
        is_text = arrow.types.is_string(values.type) or arrow.types.is_large_string(values.type)
        is_complete = is_text and not values.null_count
        return values, values.cast(arrow.large_string()) if is_complete else None

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
