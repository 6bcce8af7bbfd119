"""Checks that a table has the columns that are needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from siamese_verify.data.table_sources import Table
from siamese_verify.data.table_text import TableError
from siamese_verify.messages import listed, shown


def check_present(table: Table, names: Sequence[str]) -> None:
    """Raise an error unless a table has some columns."""
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                "The name of a column must be a str. Pass other arguments by name, such as "
                f"preprocessing=. Received: {shown(repr(name))}"
            )
        if name not in table.columns:
            raise TableError(
                table.source,
                "The table lacks a column that is needed. Rename a column, or name another one. "
                f"{_hint(set(table.columns), names)}Received: columns {listed(table.columns)}",
                column=name,
            )


def check_distinct(table: Table, names: Sequence[str]) -> None:
    """Raise a `TableError` if one column is named for two things."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise TableError(
            table.source,
            "A column holds one thing, but is named for two. Name another column for one of them. "
            f"Received: columns {listed(names)}",
            column=repeated[0],
        )


def _hint(columns: set[str], needed: Sequence[str]) -> str:
    """Say what the table may be, if its columns tell."""
    if len(columns) == 1 and any(separator in next(iter(columns)) for separator in ";\t|"):
        return (
            "Its header is a single column: separate the fields by commas, or by tabs and save the "
            "table as .tsv. "
        )
    if {"left", "right"} <= columns - set(needed):
        return "It is a table of pairs, and a table of images is needed. "
    if {"path", "identity"} <= columns - set(needed):
        return "It is a table of images, and a table of pairs is needed. "
    return ""
