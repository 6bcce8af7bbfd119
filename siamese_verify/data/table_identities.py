"""Identities of the images in a table of pairs: listed, or linked by same pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from siamese_verify.data.linking import lowest_linked
from siamese_verify.data.sample_list import Rows
from siamese_verify.data.table_numbers import RowNumbers
from siamese_verify.data.table_text import TableError
from siamese_verify.messages import shown
from siamese_verify.names import normalized


def linked_identities(paths: Sequence[str], same: Rows) -> tuple[list[str], Rows]:
    """Name the identity of each image after the first image that same pairs link with it.

    Returns:
        The names, and the place among them of each image's.
    """
    first, codes = np.unique(lowest_linked(same, len(paths)), return_inverse=True)
    names = [normalized(paths[lowest]) for lowest in first.tolist()]
    return names, codes.astype(np.int32).reshape(-1)


def listed_identities(
    source: str,
    paths: Sequence[str],
    ends: Rows,
    names: Sequence[str],
    codes: Rows,
    columns: Sequence[str],
    lines: RowNumbers,
) -> tuple[list[str], Rows]:
    """Find the identity of each image, which must be the same in all rows.

    Args:
        source: The table.
        paths: Paths of the images.
        ends: Places in `paths` of the two images of each row, `(n, 2)`.
        names: Names of identities.
        codes: Places in `names` of the identities of each row, `(n, 2)`, or `(n, 1)` for a column
            that names the identity of both images.
        columns: Names of the one or two columns.
        lines: Number of each row in the table.

    Returns:
        The names, and the place among them of each image's.
    """
    place = {name: i for i, name in enumerate(dict.fromkeys(names))}
    codes = np.array([place[name] for name in names], np.int32)[np.broadcast_to(codes, ends.shape)]
    distinct = list(place)
    identity_of = np.zeros(len(paths), np.int32)
    identity_of[ends[::-1].reshape(-1)] = codes[::-1].reshape(-1)
    differs = identity_of[ends] != codes
    if differs.any():
        row = int(np.argmax(differs.any(axis=1)))
        side = int(np.argmax(differs[row]))
        path = paths[int(ends[row, side])]
        first, second = distinct[identity_of[ends[row, side]]], distinct[codes[row, side]]
        raise TableError(
            source,
            "An image must have one identity in all rows. "
            f"Received: {shown(repr(path))} as {shown(repr(first))} and {shown(repr(second))}",
            lines[row],
            columns[-1] if side else columns[0],
        )
    return distinct, identity_of
