"""`read_sample_blocks`: a table of images, block by block, for tables larger than memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from siamese_verify.data.table_checks import check_distinct, check_present
from siamese_verify.data.table_chunks import Chunk
from siamese_verify.data.table_columns import Codes, identity_codes, path_codes
from siamese_verify.data.table_sources import open_table
from siamese_verify.data.table_text import TableError

_IDENTITY = "identity"


class SampleBlock(NamedTuple):
    """Rows of a table of images, in its order."""

    number: int
    """Number of the block, counted from 0."""
    paths: list[str]
    identities: list[str] | None
    """Name of each identity, or None if the table has no such column."""

    def digest(self) -> str:
        """Compute a digest of the rows."""
        rows = json.dumps([self.paths, self.identities]).encode()
        return hashlib.blake2b(rows, digest_size=16).hexdigest()


def read_sample_blocks(
    source: Any, size: int, *, path: str = "path", identity: str = _IDENTITY
) -> Iterator[SampleBlock]:
    """Read the images of a table, and their identities if it has them, block by block.

    One block and a chunk of the table are in memory. The rows keep their order, and an image may be
    listed twice.

    Args:
        source: Table, as for `read_samples`.
        size: Number of rows of each block but the last.
        path: Name of the column of paths.
        identity: Name of the column of identities. The table may lack it under its default name.

    Raises:
        TableError: If the table is not as described. Names the row and the column.

    Examples:
        >>> blocks = read_sample_blocks({"path": ["2.png", "1.png", "3.png"]}, 2)
        >>> [block.paths for block in blocks]
        [['2.png', '1.png'], ['3.png']]
    """
    table = open_table(source)
    is_named = identity in table.columns or identity != _IDENTITY
    columns = [path, identity] if is_named else [path]
    check_present(table, columns)
    check_distinct(table, columns)
    waiting: list[list[str]] = [[] for _ in columns]
    number = 0
    for chunk in table.chunks(columns):
        for values, column in zip(waiting, columns, strict=True):
            codes = path_codes(None) if column == path else identity_codes()
            values += _values(table.source, chunk, column, codes)
        while len(waiting[0]) >= size:
            yield _block(number, [values[:size] for values in waiting])
            waiting, number = [values[size:] for values in waiting], number + 1
    if waiting[0]:
        yield _block(number, waiting)
    elif not number:
        raise TableError(table.source, "The table holds no rows, only names of columns.")


def _values(source: str, chunk: Chunk, column: str, codes: Codes) -> list[str]:
    (numbers,) = codes.encode(source, chunk, [column])
    return [codes.parsed[number] for number in numbers.tolist()]


def _block(number: int, columns: list[list[str]]) -> SampleBlock:
    return SampleBlock(number, columns[0], columns[1] if len(columns) > 1 else None)
