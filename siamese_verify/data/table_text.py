"""Text of tables in bounded blocks of whole lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from siamese_verify.files import PathLike, open_regular_file
from siamese_verify.messages import shown

LONGEST_LINE = 131_072
"""Largest number of bytes of a line, and of characters of a field in `csv`."""


class TableError(ValueError):
    """Error in a table. Its text names the table, the line or row, and the column.

    Attributes:
        source: Path of the file, or the kind of table, such as "DataFrame".
        row: Number of the line in a text file, or of the row in another table, from 1. None if the
            error is not in a row.
        column: Name of the column, or None if the error is not in a column.
    """

    def __init__(
        self, source: str, problem: str, row: int | None = None, column: str | None = None
    ):
        unit = "line" if is_text(source) else "row"
        place = [shown(source)]
        place += [] if row is None else [f"{unit} {row:,}"]
        place += [] if column is None else [f"column {shown(repr(column))}"]
        super().__init__(f"{', '.join(place)}: {problem}")
        self.source, self.row, self.column = source, row, column


def is_text(source: str) -> bool:
    """Tell whether a table is a text file, whose rows have line numbers."""
    return source.lower().endswith((".csv", ".tsv", ".jsonl"))


class Block(NamedTuple):
    """Whole lines of a file, in UTF-8."""

    data: bytes
    line: int
    """Number of the first line, from 1."""


def read_blocks(path: PathLike, size: int) -> Iterator[Block]:
    """Read a text file in blocks of whole lines, each of about `size` bytes.

    Lines may end in LF, CRLF or CR. A byte order mark is passed over.

    Raises:
        TableError: If a line is too long, is not UTF-8 or holds a null character. The lines before
            it are read first.
    """
    source, line = os.fspath(path), 1
    with open_regular_file(path) as file:
        rest = file.read(3).removeprefix(b"\xef\xbb\xbf")
        while read := file.read(size):
            data = rest + read
            # A carriage return at the end may be the first half of a line end.
            cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
            data, rest = data[:cut], data[cut:]
            yield from _checked(source, Block(data, line))
            if len(rest) > LONGEST_LINE:
                raise too_long(source, line + count_lines(data))
            line += count_lines(data)
        yield from _checked(source, Block(rest, line))


def count_lines(data: bytes) -> int:
    """Count line ends."""
    n = data.count(b"\n")
    return n + data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else n


def _checked(source: str, block: Block) -> Iterator[Block]:
    problem = None
    data, bad = block.data, block.data.find(b"\0")
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            bad, problem = error.start, "The text is not UTF-8"
            if 0 <= (null := data.find(b"\0")) < bad:
                bad, problem = null, None
    if bad < 0:
        if data:
            yield block
        return
    problem = problem or "The text holds a null character"
    cut = max(data.rfind(b"\n", 0, bad), data.rfind(b"\r", 0, bad)) + 1
    if cut:
        yield Block(data[:cut], block.line)
    raise TableError(
        source,
        f"{problem}. Save the table as UTF-8. Received: {shown(repr(data[cut : bad + 1][-50:]))}",
        block.line + count_lines(data[:cut]),
    )


def too_long(source: str, line: int) -> TableError:
    """Return the error for a line that is too long."""
    return TableError(
        source, f"A line must have at most {LONGEST_LINE:,} bytes. Received: a longer line", line
    )
