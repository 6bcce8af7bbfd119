"""`open_table`: a table's columns and rows, whatever it is kept in."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sized
from typing import Any, Protocol

import numpy as np

from siamese_verify.data.csv_reading import CsvFile
from siamese_verify.data.table_chunks import ArrowChunk, Chunk, ListChunk, numbered, pyarrow
from siamese_verify.data.table_text import LONGEST_LINE, TableError, read_blocks, too_long
from siamese_verify.messages import listed, shown

_ROWS = 2**16
_BLOCK = 2**21


class Table(Protocol):
    """A table that is being read."""

    source: str
    columns: list[str]

    def chunks(self, columns: list[str]) -> Iterator[Chunk]:
        """Read the rows of some columns."""


def open_table(source: Any) -> Table:
    """Open a CSV, TSV, JSON lines or Parquet file, a DataFrame, or a mapping of columns.

    Raises:
        TypeError: If `source` is something else.
        TableError: If the table is empty, or has two columns of one name.
    """
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        ending = os.path.splitext(path)[1].lower()
        if ending not in _OPENERS:
            raise ValueError(
                "A table must be a file that ends in .csv, .tsv, .jsonl or .parquet. "
                f"Received: {shown(repr(path))}"
            )
        table = _OPENERS[ending](path)
    elif isinstance(source, Mapping) or hasattr(source, "columns"):
        table = _Frame(source)
    else:
        raise TypeError(
            "A table must be the path of a file, a DataFrame of pandas or polars, or a mapping "
            f"from names to columns. Received: {shown(repr(source))}"
        )
    repeated = [name for name, count in Counter(table.columns).items() if count > 1 and name]
    if repeated:
        raise TableError(
            table.source,
            "Each column must have a name of its own. Rename or remove columns. "
            f"Received: {listed(repeated)} more than once",
            column=repeated[0],
        )
    return table


class _JsonLines:
    """A file with a JSON object on each line. The first one has the columns."""

    def __init__(self, path: str):
        self.source = path
        first = next(self._records(), None)
        if first is None:
            raise TableError(path, "The file is empty. It must hold an object on each line.")
        self.columns = list(first[1])

    def chunks(self, columns: list[str]) -> Iterator[Chunk]:
        rows: list[list[Any]] = []
        lines: list[int] = []
        known = set(self.columns)
        error: TableError | None = None
        try:
            for line, record in self._records():
                if record.keys() != known:
                    raise self._other_columns(line, record)
                rows.append([record[column] for column in columns])
                lines.append(line)
                if len(rows) == _ROWS:
                    yield _from_rows(columns, rows, lines)
                    rows, lines = [], []
        except TableError as raised:
            error = raised
        if rows:
            yield _from_rows(columns, rows, lines)
        if error is not None:
            raise error

    def _records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for block in read_blocks(self.source, _BLOCK):
            data = block.data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            for line, text in enumerate(data.split(b"\n"), start=block.line):
                if len(text) > LONGEST_LINE:
                    raise too_long(self.source, line)
                if text.strip():
                    yield line, self._parse(line, text)

    def _parse(self, line: int, text: bytes) -> dict[str, Any]:
        try:
            record = json.loads(text, object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError) as error:
            raise TableError(
                self.source,
                "Each line must be a JSON object with each name once. "
                f"Received: {shown(str(error))} in {shown(text)}",
                line,
            ) from error
        if not isinstance(record, dict):
            raise TableError(
                self.source,
                "Each line must be a JSON object, such as "
                f'{{"left": "1.png", "right": "2.png", "label": 1}}. Received: {shown(text)}',
                line,
            )
        return record

    def _other_columns(self, line: int, record: dict[str, Any]) -> TableError:
        missing = [column for column in self.columns if column not in record]
        others = missing or [column for column in record if column not in self.columns]
        return TableError(
            self.source,
            "Each line must have the same columns as the first. "
            f"Received: a line {'without' if missing else 'with'} {listed(others)}",
            line,
            others[0],
        )


def _without_repeats(items: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(items)
    if len(record) < len(items):
        raise ValueError("a name comes twice")
    return record


def _from_rows(columns: list[str], rows: list[list[Any]], lines: list[int]) -> ListChunk:
    return ListChunk(
        {column: [row[i] for row in rows] for i, column in enumerate(columns)}, np.array(lines)
    )


class _Parquet:
    """A Parquet file, which pyarrow reads."""

    def __init__(self, path: str):
        arrow = pyarrow()
        if arrow is None:
            raise ImportError(
                "A Parquet file is read by pyarrow, which is not installed. "
                "Run: pip install 'siamese-verify[tables]'"
            )
        from pyarrow import parquet

        self.source, self._arrow = path, arrow
        try:
            self._file = parquet.ParquetFile(path, memory_map=True)
        except (OSError, arrow.ArrowException) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # An error of the system names the file.
            raise self._unreadable(error) from error
        self.columns: list[str] = list(self._file.schema_arrow.names)

    def chunks(self, columns: list[str]) -> Iterator[Chunk]:
        start = 0
        batches = self._file.iter_batches(2**19, columns=columns)
        while True:
            try:
                batch = next(batches, None)
            except (OSError, self._arrow.ArrowException) as error:
                raise self._unreadable(error) from error
            if batch is None:
                return
            yield ArrowChunk(
                {column: self._plain(batch[column]) for column in columns},
                numbered(start, len(batch)),
            )
            start += len(batch)

    def _plain(self, column: Any) -> Any:
        is_encoded = self._arrow.types.is_dictionary(column.type)
        return column.cast(column.type.value_type) if is_encoded else column

    def _unreadable(self, error: Exception) -> TableError:
        return TableError(
            self.source, f"The Parquet file cannot be read. Received: {shown(str(error))}"
        )


class _Frame:
    """A DataFrame of pandas or polars, or a mapping of columns."""

    def __init__(self, frame: Any):
        is_mapping = isinstance(frame, Mapping)
        self.source = "mapping of columns" if is_mapping else type(frame).__name__
        names = list(frame if is_mapping else frame.columns)
        self.columns = list(map(str, names))
        self._frame, self._names = frame, dict(zip(self.columns, names, strict=True))

    def chunks(self, columns: list[str]) -> Iterator[Chunk]:
        # A DataFrame without a header has numbers as names.
        series = {column: self._frame[self._names[column]] for column in columns}
        for column, values in series.items():
            if isinstance(values, (str, bytes)) or not isinstance(values, Sized):
                raise TableError(
                    self.source,
                    "A column must be a list or an array, with a value for each row. "
                    f"Received: {shown(repr(values))}",
                    column=column,
                )
        lengths = {column: len(values) for column, values in series.items()}
        if len(set(lengths.values())) > 1:
            raise TableError(
                self.source, f"All columns must have the same length. Received: {shown(lengths)}"
            )
        for start in range(0, max(lengths.values()), _ROWS):
            part = {c: _as_list(values, start, start + _ROWS) for c, values in series.items()}
            yield ListChunk(part, numbered(start, len(part[columns[0]])))


def _as_list(values: Any, start: int, stop: int) -> list[Any]:
    part = getattr(values, "iloc", values)[start:stop]
    return part.tolist() if hasattr(part, "tolist") else list(part)


_OPENERS: dict[str, Any] = {
    ".csv": lambda path: CsvFile(path, ","),
    ".tsv": lambda path: CsvFile(path, "\t"),
    ".jsonl": _JsonLines,
    ".parquet": _Parquet,
}
