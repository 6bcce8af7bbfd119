"""Rows of CSV and TSV files: by NumPy, and by `csv` where there are quotation marks."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from siamese_verify.data.table_chunks import Chunk, ListChunk, Numbers, TextChunk
from siamese_verify.data.table_numbers import PADDING, Texts
from siamese_verify.data.table_text import (
    LONGEST_LINE,
    Block,
    TableError,
    read_blocks,
    too_long,
)

_BLOCK = 2**22
"""Number of bytes that are split at once."""
_ROWS = 2**15
"""Number of rows that `csv` reads at once."""


class _Fields(NamedTuple):
    """Places of the fields of lines, `(rows, columns)`."""

    starts: npt.NDArray[Any]
    lengths: npt.NDArray[Any]


class CsvFile:
    """A CSV or TSV file: its columns, and its rows in chunks.

    Args:
        path: Path of the file.
        delimiter: Character between fields.
    """

    def __init__(self, path: str, delimiter: str):
        self.source, self._delimiter = path, delimiter
        self._blocks = read_blocks(path, _BLOCK)
        first = next(self._blocks, Block(b"", 1))
        # A longer start would cost as much memory as the whole block.
        head = first.data[: first.data.find(b"\n", LONGEST_LINE) + 1 or None]
        header = next(_records(path, iter([Block(head, 1)]), delimiter), None)
        if header is None:
            raise TableError(path, "The file is empty. It must hold a header and rows.")
        self.columns, _, line = header
        skipped = itertools.islice(io.StringIO(head.decode(), newline=""), line - 1)
        start = len("".join(skipped).encode())
        self._blocks = itertools.chain([Block(first.data[start:], line)], self._blocks)

    def chunks(self, columns: list[str]) -> Iterator[Chunk]:
        """Read the rows of some columns.

        Raises:
            TableError: If a row does not have one field for each column.
        """
        for block in self._blocks:
            if b'"' in block.data:
                blocks = itertools.chain([block], self._blocks)
                yield from self._quoted(blocks, columns)
                return
            yield from self._plain(block, columns)

    def _plain(self, block: Block, columns: list[str]) -> Iterator[Chunk]:
        """Split lines that hold no quotation mark, all at once."""
        data = block.data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n") + b"\n"
        fields, error = self._fields(data), None
        if fields is not None:
            lines: Numbers = range(block.line, block.line + len(fields.starts))
        else:
            good, lines, error = self._check_lines(data, block.line)
            data = b"\n".join(filter(None, data[:good].split(b"\n"))) + b"\n"
            fields = self._fields(data)
        if fields is not None:
            padded = np.frombuffer(data + PADDING, np.uint8)
            places = {column: self.columns.index(column) for column in columns}
            texts = {
                column: Texts(
                    padded, fields.starts[:, place].copy(), fields.lengths[:, place].copy()
                )
                for column, place in places.items()
            }
            yield TextChunk(texts, lines)
        if error is not None:
            raise error

    def _fields(self, data: bytes) -> _Fields | None:
        """Find the fields of all lines, or return None if a line is blank or bad."""
        characters, n = np.frombuffer(data, np.uint8), len(self.columns)
        stops = np.flatnonzero((characters == 10) | (characters == ord(self._delimiter)))
        if len(stops) % n or len(stops) // n != data.count(b"\n"):
            return None
        starts = np.concatenate([[0], stops[:-1] + 1])
        fields = _Fields(starts.reshape(-1, n), (stops - starts).reshape(-1, n))
        ends = stops[n - 1 :: n]
        is_whole = (characters[ends] == 10).all()
        is_short = (ends - starts[::n] <= LONGEST_LINE).all()
        return fields if is_whole and is_short else None

    def _check_lines(
        self, data: bytes, line: int
    ) -> tuple[int, npt.NDArray[Any], TableError | None]:
        """Return the end and the numbers of the lines before the first bad one, and its error."""
        characters = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(characters == 10)
        lengths = np.diff(ends, prepend=-1) - 1
        before = np.searchsorted(np.flatnonzero(characters == ord(self._delimiter)), ends)
        n_fields = np.diff(before, prepend=0) + 1
        is_bad = ((n_fields != len(self.columns)) & (lengths > 0)) | (lengths > LONGEST_LINE)
        first_bad = int(np.argmax(is_bad)) if is_bad.any() else len(ends)
        lines = line + np.flatnonzero(lengths[:first_bad])
        if first_bad == len(ends):
            return len(data), lines, None
        number = line + first_bad
        if lengths[first_bad] > LONGEST_LINE:
            error = too_long(self.source, number)
        else:
            error = self._ragged(number, int(n_fields[first_bad]))
        return int(ends[first_bad] - lengths[first_bad]), lines, error

    def _ragged(self, line: int, n_fields: int) -> TableError:
        n = len(self.columns)
        column = self.columns[n_fields] if n_fields < n else None
        return TableError(
            self.source,
            "Each row must have one field for each column of the header. Quote fields that hold "
            f"the separator. Received: {n_fields:,} fields for {n:,} columns",
            line,
            column,
        )

    def _quoted(self, blocks: Iterator[Block], columns: list[str]) -> Iterator[Chunk]:
        """Read rows with `csv`."""
        places = [self.columns.index(column) for column in columns]
        records = _records(self.source, blocks, self._delimiter)
        error: TableError | None = None
        while error is None:
            rows, lines = [], []
            try:
                for row, line, _ in itertools.islice(records, _ROWS):
                    if len(row) != len(self.columns):
                        raise self._ragged(line, len(row))
                    rows.append(row)
                    lines.append(line)
            except TableError as raised:
                error = raised
            if rows:
                values = {c: [r[i] for r in rows] for c, i in zip(columns, places, strict=True)}
                yield ListChunk(values, np.array(lines))
            elif error is None:
                return
        raise error


def _records(
    source: str, blocks: Iterator[Block], delimiter: str
) -> Iterator[tuple[list[str], int, int]]:
    """Read records that are not blank, with the numbers of their first and their next line."""
    first: list[int] = []

    def lines() -> Iterator[str]:
        for block in blocks:
            first[:] = first or [block.line]
            for number, line in enumerate(io.StringIO(block.data.decode(), newline="")):
                if len(line) > LONGEST_LINE // 4 and len(line.strip().encode()) > LONGEST_LINE:
                    raise too_long(source, block.line + number)
                yield line

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    start = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TableError(
                source,
                f"The row cannot be read. Close each quotation mark. Received: {error}",
                first[0] + start,
            ) from error
        if row:
            yield row, first[0] + start, first[0] + reader.line_num
        start = reader.line_num
