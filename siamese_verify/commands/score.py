"""`siamese-verify score`: the scores of many pairs."""

from __future__ import annotations

import contextlib
from argparse import Namespace, _ArgumentGroup
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from siamese_verify.commands import NO, YES
from siamese_verify.commands.arguments import add_json, add_model, add_output, add_pairs
from siamese_verify.commands.inputs import check_root, load_verifier, read_columns
from siamese_verify.commands.outputs import fitted, print_json, write_table
from siamese_verify.commands.values import TABLES
from siamese_verify.data.folders import path_below
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import Sample
from siamese_verify.messages import shown

if TYPE_CHECKING:
    from siamese_verify.verification.verifier import Verifier

EXAMPLE = "siamese-verify score faces.keras pairs.csv --images images -o scores.csv"
EXIT_CODES = "0 all rows scored, 1 some rows could not be scored"
_ADDED = ("score", "same", "probability", "review", "unlike_validation", "problem")


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs)
    add_pairs(inputs)
    add_output(output, *TABLES, metavar="OUT", description="table of scores to write")
    add_json(output)


def run(settings: Namespace) -> int:
    """Score pairs of images, and embed each image once. A row without a score says why."""
    check_root(settings)
    columns, sides = read_columns(settings.pairs, settings.columns)
    if taken := [name for name in _ADDED if name in columns]:
        raise ValueError(
            f"The table has the columns {', '.join(taken)} already, which this command adds. "
            "Rename them."
        )
    kept = fitted(settings.output, columns)
    verifier = load_verifier(settings.model)
    # A value of JSON that is not text, such as a list, names no image.
    paths = ([path if isinstance(path, str) else "" for path in columns[side]] for side in sides)
    rows = list(zip(*paths, strict=True))
    with contextlib.redirect_stdout(settings.terminal):
        added = _decide(verifier, rows, settings.images_root, settings.terminal.isatty())
    write_table(settings.output, {**kept, **added})
    bad = sum(map(bool, added["problem"]))
    counts = {"rows": len(rows), "scored": len(rows) - bad, "not_scored": bad}
    if settings.json:
        print_json(counts)
    else:
        print(f"{shown(settings.output)}: {counts['scored']:,} of {len(rows):,} are scored.")
        if bad:
            print(f"The column problem says why the other {bad:,} are not.")
    return NO if bad else YES


def _decide(
    verifier: Verifier, rows: Sequence[tuple[str, str]], root: str | None, verbose: bool
) -> dict[str, list[Any]]:
    """Make the columns that are added to the table. Rows with a problem have no score."""
    threshold, calibration = verifier.threshold, verifier.calibration
    assert calibration is not None  # `threshold` has raised.
    problems = {path: _problem(path, root) for row in rows for path in row}
    paths = [path for path, problem in problems.items() if not problem]
    place = {path: number for number, path in enumerate(paths)}
    indices = [[place[path] for path in row] for row in rows if all(path in place for path in row)]
    scores: Iterator[float] = iter(())
    unlike: Mapping[str, Sequence[str]] = {}
    if indices:
        samples = [Sample(path, "") for path in paths]
        pairs = PairList.from_columns(samples, np.array(indices), np.zeros(len(indices), np.int32))
        scored = verifier.score(pairs, root, verbose=verbose)
        problems |= {
            path: reason if path in reason else f"{path}: {reason}"
            for path, reason in scored.failures.items()
        }
        scores, unlike = iter(scored.scores.tolist()), scored.unlike_validation
    of_rows = [", ".join(dict.fromkeys(filter(None, map(problems.get, row)))) for row in rows]
    # A row whose image cannot be read has a score too, which is NaN.
    found = [next(scores) if all(path in place for path in row) else None for row in rows]
    kept = [None if problem else score for score, problem in zip(found, of_rows, strict=True)]
    band = calibration.review

    def each(decide: Callable[[float], Any]) -> list[Any]:
        return [None if score is None else decide(score) for score in kept]

    return {
        "score": kept,
        "same": each(lambda score: score >= threshold),
        "probability": each(calibration.probability),
        "review": each(lambda score: band is not None and score in band),
        "unlike_validation": [
            ", ".join(
                f"{side}: {reason}"
                for side, path in zip(("left", "right"), row, strict=True)
                for reason in unlike.get(path, ())
            )
            for row in rows
        ],
        "problem": of_rows,
    }


def _problem(path: str, root: str | None) -> str:
    """Say why a field is not the path of an image. Empty if it may be one."""
    if not path.strip():
        return "a path is empty"
    try:
        path_below(root, Sample(path, ""))
    except ValueError:
        return f"{path}: leads to no file" + ("" if root is None else " in the folder of images")
    return ""
