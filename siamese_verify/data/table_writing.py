"""Tables of pairs, as files."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from siamese_verify.data.pair_sequence import PairSequence
from siamese_verify.data.table_chunks import pyarrow
from siamese_verify.data.table_columns import LONGEST_GROUP, shortest
from siamese_verify.files import PathLike, replacing
from siamese_verify.messages import listed, shown

_ROWS = 2**16


def write_pairs(pairs: PairSequence, path: PathLike) -> None:
    """Write pairs as a table (see `PairList.to_table`)."""
    ending = os.path.splitext(os.fspath(path))[1].lower()
    if ending not in _WRITERS:
        raise ValueError(
            "A table must be a file that ends in .csv, .tsv, .jsonl or .parquet. "
            f"Received: path={shown(repr(os.fspath(path)))}"
        )
    if not len(pairs):
        raise ValueError("A table must hold at least one pair. Received: an empty list")
    _check_texts(pairs)
    with replacing(path) as unfinished:
        _WRITERS[ending](pairs, unfinished)


def _check_texts(pairs: PairSequence) -> None:
    """Raise a `ValueError` if `from_table` could not read the paths and the names again."""
    named = filter(str.strip, pairs.group_names)  # A pair may have no group.
    for text in chain(pairs.samples.paths, pairs.identities, named):
        if not text.strip() or "\0" in text or not _is_unicode(text):
            raise ValueError(
                "A table can only hold paths and names that are text, not empty and without a "
                f"null character. Received: {shown(repr(text))}"
            )
    for group in pairs.group_names:
        if len(group) > LONGEST_GROUP:
            raise ValueError(
                f"A table can only hold groups of at most {LONGEST_GROUP} characters. "
                f"Received: {shown(repr(group))}"
            )
    paths = [shortest(path) for path in pairs.samples.paths]
    if len(set(paths)) < len(paths):
        path = Counter(paths).most_common(1)[0][0]
        names = [sample.identity for sample in pairs.samples if shortest(sample.path) == path]
        raise ValueError(
            "A table holds one identity of each image. Give each image one identity. "
            f"Received: {shown(repr(path))} of {listed(names)}"
        )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # A name that is not UTF-8 on disk has surrogates.
        return False
    return True


def _columns(pairs: PairSequence) -> Iterator[dict[str, list[Any]]]:
    """Return the columns of the table, for some rows after others."""
    paths, identities = pairs.samples.paths, pairs.identities
    codes, folds, groups = pairs.identity_codes, pairs.folds, pairs.groups
    for start in range(0, len(pairs), _ROWS):
        part = slice(start, start + _ROWS)
        (left, right), (left_code, right_code) = pairs.indices[part].T, codes[part].T
        columns: dict[str, list[Any]] = {
            "left": [paths[row] for row in left.tolist()],
            "right": [paths[row] for row in right.tolist()],
            "label": pairs.labels[part].tolist(),
            "left_identity": [identities[code] for code in left_code.tolist()],
            "right_identity": [identities[code] for code in right_code.tolist()],
        }
        if folds is not None:
            columns["fold"] = folds[part].tolist()
        if groups is not None:
            columns["group"] = groups[part].tolist()
        yield columns


def _write_csv(pairs: PairSequence, path: Path, delimiter: str = ",") -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        # Before Python 3.13, `csv` does not quote a lone carriage return by itself.
        texts = chain(pairs.samples.paths, pairs.identities, pairs.group_names)
        has_returns = any("\r" in text for text in texts)
        writer = csv.writer(
            file,
            delimiter=delimiter,
            lineterminator="\n",
            quoting=csv.QUOTE_ALL if has_returns else csv.QUOTE_MINIMAL,
        )
        for number, columns in enumerate(_columns(pairs)):
            if not number:
                writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))


def _write_json_lines(pairs: PairSequence, path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        for columns in _columns(pairs):
            for row in zip(*columns.values(), strict=True):
                record = dict(zip(columns, row, strict=True))
                file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _write_parquet(pairs: PairSequence, path: Path) -> None:
    arrow = pyarrow()
    if arrow is None:
        raise ImportError(
            "A Parquet file is written by pyarrow, which is not installed. "
            "Run: pip install 'siamese-verify[tables]'"
        )
    from pyarrow import parquet

    writer = None
    for columns in _columns(pairs):
        table = arrow.table(columns)
        writer = writer or parquet.ParquetWriter(path, table.schema, write_page_checksum=True)
        writer.write_table(table)
    if writer is not None:
        writer.close()


_WRITERS: dict[str, Any] = {
    ".csv": _write_csv,
    ".tsv": lambda pairs, path: _write_csv(pairs, path, "\t"),
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
}
