"""Answers of the commands: JSON, and numbers in words."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from siamese_verify.data.skipping import SKIPPED
from siamese_verify.evaluation.report import Evaluation
from siamese_verify.files import replacing
from siamese_verify.messages import shown


def print_json(content: Any) -> None:
    """Print an answer as JSON."""
    print(json.dumps(content, indent=2))


def print_shards(folder: Path, counts: Mapping[str, int], images: str, as_json: bool) -> None:
    """Tell what a folder of shards holds.

    Args:
        folder: The folder.
        counts: Numbers by name, among them `files` and `skipped`.
        images: The numbers of images, and maybe of identities, in words.
        as_json: Whether to print the numbers alone.
    """
    if as_json:
        print_json(counts)
        return
    files = f"{counts['files']:,} file{'s' if counts['files'] > 1 else ''}"
    print(f"{shown(folder)} holds {images} in {files}.")
    if counts["skipped"]:
        print(f"{shown(folder / SKIPPED)} lists {counts['skipped']:,} images that are left out.")


def fitted(path: Path, columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Convert columns to what a table can hold, before work whose result it could not keep.

    Raises:
        ValueError: If a Parquet file cannot hold a column.
    """
    ending = path.suffix.lower()
    if ending == ".parquet":
        return {name: _as_arrow(name, values) for name, values in columns.items()}
    if ending == ".jsonl":
        return dict(columns)
    return {name: [_as_field(value) for value in values] for name, values in columns.items()}


def _as_field(value: Any) -> Any:
    return json.dumps(value, default=str) if isinstance(value, (list, dict)) else value


def _as_arrow(name: str, values: Sequence[Any]) -> Any:
    import pyarrow
    from pyarrow import parquet

    try:
        column = pyarrow.array(values)
        parquet.write_table(pyarrow.table({name: column}), pyarrow.BufferOutputStream())
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"A Parquet file cannot hold the column {shown(repr(name))}, whose values must be of "
            "one type, and text in Unicode. Write a .jsonl file, or correct the column. "
            f"Received: {shown(error)}"
        ) from error
    return column


def write_table(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write a table in the format of its ending, whole or not at all. None is an empty field."""
    ending = path.suffix.lower()
    with replacing(path) as unfinished:
        if ending == ".parquet":
            from pyarrow import parquet, table

            parquet.write_table(table(dict(columns)), unfinished)
            return
        rows = zip(*columns.values(), strict=True)
        # A path that is not text is written with escapes.
        with unfinished.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            if ending == ".jsonl":
                names = list(columns)
                # A column of the user's may hold dates or other values that JSON does not know.
                file.writelines(
                    json.dumps(dict(zip(names, row, strict=True)), default=str) + "\n"
                    for row in rows
                )
            else:
                writer = csv.writer(file, delimiter="\t" if ending == ".tsv" else ",")
                writer.writerow(columns)
                writer.writerows(rows)


def need_matplotlib(flag: str) -> None:
    """Raise an error if matplotlib is missing, before the work whose plot would need it."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(
            f'{flag} draws with matplotlib, which is missing: pip install "siamese-verify[plot]"'
        )


def accuracy_in_words(report: Evaluation) -> str:
    """Say how good a verifier is.

    Examples:
        >>> import numpy as np
        >>> from siamese_verify.evaluation.report import evaluate_scores
        >>> labels = np.repeat([1, 0], 500)
        >>> scores = np.random.default_rng(0).normal(2.0 * labels)
        >>> accuracy_in_words(evaluate_scores(scores, labels, threshold=1.0))
        'right on 85.1% of 1,000 unseen pairs, 95% interval 82.8 to 87.2'
    """
    accuracy = report.accuracy
    return (
        f"right on {accuracy:.1%} of {report.n_same + report.n_different:,} unseen pairs, "
        f"95% interval {100 * accuracy.low:.1f} to {100 * accuracy.high:.1f}"
    )
