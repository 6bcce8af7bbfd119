"""Pairs and samples from tables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from siamese_verify.data.groups import Groups
from siamese_verify.data.questionable_pairs import warn_of_questionable
from siamese_verify.data.sample_list import Rows, SampleList, ranks
from siamese_verify.data.table_checks import check_distinct, check_present
from siamese_verify.data.table_columns import (
    Codes,
    fold_codes,
    group_codes,
    identity_codes,
    label_codes,
    path_codes,
)
from siamese_verify.data.table_identities import linked_identities, listed_identities
from siamese_verify.data.table_numbers import RowNumbers
from siamese_verify.data.table_sources import Table, open_table
from siamese_verify.data.table_text import TableError
from siamese_verify.files import PathLike
from siamese_verify.messages import shown

Root = PathLike | Sequence[PathLike] | None


class PairColumns(NamedTuple):
    """The columns of a pair list."""

    samples: SampleList
    rows: Rows
    labels: npt.NDArray[np.int32]
    folds: npt.NDArray[np.int32] | None
    groups: Groups | None


def is_table(source: Any) -> bool:
    """Tell a table of images, in a file or in memory, from a folder and from samples."""
    if isinstance(source, (str, os.PathLike)):
        return os.path.isfile(source)
    return isinstance(source, Mapping) or hasattr(source, "columns")


def read_samples(
    source: Any, *, path: str = "path", identity: str = "identity", root: PathLike | None = None
) -> SampleList:
    """Read images and their identities from a table.

    Args:
        source: Path of a .csv, .tsv, .jsonl or .parquet file, a DataFrame of pandas or polars, or
            a mapping from names to columns.
        path: Name of the column of paths.
        identity: Name of the column of identities. An identity is any text, kept as written.
        root: Folder that is joined before the paths.

    Returns:
        The samples, sorted by identity and path.

    Raises:
        TableError: If the table is not as described, or holds an image twice. Names the row and
            the column.

    Examples:
        >>> samples = read_samples({"path": ["2.png", "1.png"], "identity": ["Bob", "Ada"]})
        >>> samples.paths, samples.identities
        (('1.png', '2.png'), ('Ada', 'Bob'))
    """
    table = open_table(source)
    check_present(table, [path, identity])
    check_distinct(table, [path, identity])
    columns: dict[tuple[str, ...], Codes] = {
        (path,): path_codes(root),
        (identity,): identity_codes(),
    }
    rows, lines = _read(table, columns)
    paths, identities = columns[path,].parsed, columns[identity,].parsed
    # Two texts may be spellings of one path.
    _, firsts = np.unique(ranks(paths)[1][rows[path]], return_index=True)
    if len(firsts) < len(rows[path]):
        again = int(np.setdiff1d(np.arange(len(rows[path])), firsts)[0])
        raise TableError(
            table.source,
            "Each image must be listed once. "
            f"Received: {shown(repr(paths[rows[path][again]]))} again",
            lines[again],
            path,
        )
    return SampleList.of_columns(paths, [identities[code] for code in rows[identity].tolist()])[0]


def read_pairs(
    source: Any, required: Sequence[str], optional: dict[str, str], root: Root
) -> PairColumns:
    """Read a pair list (see `PairList.from_table`).

    Args:
        source: The table.
        required: Names of the columns of left paths, right paths and labels.
        optional: Names of the columns that may be absent, by parameter.
        root: Folder that is joined before the paths, or one for each side.
    """
    table = open_table(source)
    check_present(table, required)
    left, right, label = required
    given = _present(table, optional, required)
    # One column may name the identity of both images.
    names = tuple(
        dict.fromkeys(given[key] for key in ("left_identity", "right_identity") if key in given)
    )
    check_distinct(table, [*required, *names, *(given[k] for k in ("fold", "group") if k in given)])
    is_one = not isinstance(root, Sequence) or isinstance(root, str)
    roots: list[Any] = [root, root] if is_one else list(cast("Sequence[PathLike]", root))
    if len(roots) != 2:
        raise ValueError(f"`root` must be one folder or two. Received: root={shown(repr(root))}")
    labels, folds, groups = label_codes(), fold_codes(), group_codes()
    left_paths = path_codes(roots[0])
    columns: dict[tuple[str, ...], Codes] = {}
    if roots[0] == roots[1]:
        columns[left, right] = left_paths
    else:
        columns[left,], columns[right,] = left_paths, path_codes(roots[1])
    columns[label,] = labels
    if names:
        columns[names] = identity_codes()
    if "fold" in given:
        columns[given["fold"],] = folds
    if "group" in given:
        columns[given["group"],] = groups
    rows, lines = _read(table, columns)
    paths = left_paths.parsed
    if roots[0] != roots[1]:
        rows[right] += len(paths)
        paths = paths + columns[right,].parsed
    paths, rank = ranks(paths)
    ends = rank[_stacked([rows.pop(left), rows.pop(right)])]
    label_of = np.array(labels.parsed, np.int32)[rows.pop(label)]
    if names:
        codes = _stacked([rows.pop(name) for name in names])
        identities, of_path = listed_identities(
            table.source, paths, ends, columns[names].parsed, codes, names, lines
        )
    else:
        identities, of_path = linked_identities(paths, ends[label_of == 1])
    fold_of = np.array(folds.parsed, np.int32)[rows[given["fold"]]] if "fold" in given else None
    group_of = None
    if "group" in given:
        group_of = Groups.of(np.array(groups.parsed, str)).take(rows[given["group"]])
    samples, places = SampleList.of_sorted(paths, identities, of_path)
    ends = places[ends]
    pairs = PairColumns(samples, ends, label_of, fold_of, group_of)
    warn_of_questionable(table.source, lines, samples, pairs.rows, label_of, is_linked=not names)
    return pairs


def _present(table: Table, optional: dict[str, str], required: Sequence[str]) -> dict[str, str]:
    """Return the columns that the table has, by parameter."""
    # A column that the user names must be there.
    check_present(table, [name for key, name in optional.items() if name != key])
    # A column of labels may be called "group".
    given = {
        key: name
        for key, name in optional.items()
        if name in table.columns and (name != key or name not in required)
    }
    sides = [optional["left_identity"], optional["right_identity"]]
    if any(key in given for key in ("left_identity", "right_identity")):
        check_present(table, sides)
    return given


def _read(
    table: Table, columns: dict[tuple[str, ...], Codes]
) -> tuple[dict[str, npt.NDArray[np.int32]], RowNumbers]:
    """Read the numbers of the values of each column, and the number of each row."""
    parts: dict[str, list[npt.NDArray[np.int32]]] = {n: [] for names in columns for n in names}
    lines = []
    for chunk in table.chunks(list(parts)):
        errors = []
        for names, codes in columns.items():
            try:
                encoded = codes.encode(table.source, chunk, names)
            except TableError as error:
                errors.append(error)
                continue
            for name, part in zip(names, encoded, strict=True):
                parts[name].append(part)
        if errors:
            raise min(errors, key=lambda error: error.row or 0)
        lines.append(chunk.lines)
    for codes in columns.values():
        codes.forget()
    if not lines:
        raise TableError(table.source, "The table holds no rows, only names of columns.")
    return {name: np.concatenate(parts.pop(name)) for name in list(parts)}, RowNumbers(lines)


def _stacked(columns: list[npt.NDArray[np.int32]]) -> Rows:
    """Return columns as one array `(n, columns)`, and free each once it is copied."""
    stacked = np.empty((len(columns[0]), len(columns)), np.int32)
    for place in reversed(range(len(columns))):
        stacked[:, place] = columns.pop()
    return stacked
