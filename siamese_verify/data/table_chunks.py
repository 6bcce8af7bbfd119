"""Chunks of a table's rows, as bytes of text, lists of Python or columns of pyarrow."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from siamese_verify.data.table_numbers import PADDING, Texts

Numbers = Sequence[int] | npt.NDArray[Any]


class TextChunk(NamedTuple):
    """Rows of a table as texts."""

    columns: dict[str, Texts]
    lines: Numbers
    """Number of each row: its line in a text file, counted from 1."""

    def values(self, column: str) -> list[Any]:
        """Return the values of a column."""
        return list(self.columns[column].decoded(slice(None)))


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

    def texts(self, column: str) -> Texts | None:
        """Return the texts of a column, or None if some values are not text."""
        arrow, values = pyarrow(), self.columns[column]
        is_text = arrow.types.is_string(values.type) or arrow.types.is_large_string(values.type)
        if not is_text or values.null_count:
            return None
        texts = values.cast(arrow.large_string())
        _, offsets, data = texts.buffers()
        # A cast may drop the offset of a part of a column.
        stops = np.frombuffer(offsets, np.int64)[texts.offset :][: len(texts) + 1]
        padded = np.frombuffer((b"" if data is None else data.to_pybytes()) + PADDING, np.uint8)
        return Texts(padded, stops[:-1], np.diff(stops))

    def values(self, column: str) -> list[Any]:
        """Return the values of a column."""
        values: list[Any] = self.columns[column].to_pylist()
        return values


Chunk = TextChunk | ListChunk | ArrowChunk


def pyarrow() -> Any:
    """Return pyarrow, or None if it is not installed."""
    try:
        return importlib.import_module("pyarrow")
    except ImportError:
        return None


def numbered(start: int, n: int) -> Numbers:
    """Return the numbers of `n` rows after the first `start`, counted from 1."""
    return range(start + 1, start + n + 1)
