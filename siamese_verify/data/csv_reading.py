"""Rows of CSV and TSV files: by pyarrow where it is installed, by NumPy and `csv` otherwise."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.data.table_chunks import ArrowChunk, Chunk, ListChunk, pyarrow
from siamese_verify.data.table_text import (
    LONGEST_LINE,
    Block,
    TableError,
    read_blocks,
    too_long,
)

_BLOCK = 2**21
"""Number of bytes that are split at once. Python's texts need ten times as much memory."""
_ARROW_BLOCK = 2**23
_ROWS = 2**15
"""Number of rows that `csv` reads at once."""


class CsvFile:
    """A CSV or TSV file: its columns, and its rows in chunks.

    Args:
        path: Path of the file.
        delimiter: Character between fields.
    """

    def __init__(self, path: str, delimiter: str):
        self.source, self._delimiter = path, delimiter
        self._arrow = pyarrow()
        self._blocks = read_blocks(path, _BLOCK if self._arrow is None else _ARROW_BLOCK)
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
        good, lines, error = self._check_lines(data, block.line)
        if len(lines):
            data = data[:good]
            if lines[-1] - lines[0] >= len(lines):
                data = b"\n".join(filter(None, data.split(b"\n"))) + b"\n"
            places = [self.columns.index(column) for column in columns]
            if self._arrow is not None:
                yield ArrowChunk(self._arrow_columns(data.lstrip(b"\n"), places, columns), lines)
            else:
                n = len(self.columns)
                text = data.decode().strip("\n")
                fields = text.replace("\n", self._delimiter).split(self._delimiter)
                of = zip(columns, places, strict=True)
                yield ListChunk({column: fields[place::n] for column, place in of}, lines)
        if error is not None:
            raise error

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

    def _arrow_columns(self, data: bytes, places: list[int], columns: list[str]) -> dict[str, Any]:
        from pyarrow import csv as arrow_csv

        text, names = self._arrow.large_string(), [f"f{place}" for place in places]
        table = arrow_csv.read_csv(
            self._arrow.BufferReader(data),
            arrow_csv.ReadOptions(autogenerate_column_names=True, block_size=2**23),
            arrow_csv.ParseOptions(delimiter=self._delimiter, quote_char=False),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, text),
                include_columns=names,
                strings_can_be_null=False,
            ),
        )
        return {column: table[name] for column, name in zip(columns, names, strict=True)}

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
