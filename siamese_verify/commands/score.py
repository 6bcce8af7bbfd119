"""`siamese-verify score`: the scores of many pairs."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import numpy.typing as npt

from siamese_verify.commands import NO, YES
from siamese_verify.commands.arguments import TABLES, add_json, add_model, add_output, add_pairs
from siamese_verify.commands.inputs import check_root, load_verifier, read_columns
from siamese_verify.commands.outputs import print_json, write_table
from siamese_verify.data.folders import path_below
from siamese_verify.data.samples import Sample
from siamese_verify.messages import shown

if TYPE_CHECKING:
    from siamese_verify.verification.verifier import Verifier

EXAMPLE = "siamese-verify score faces.keras pairs.csv -o scores.csv"
EXIT_CODES = "0 all rows scored, 1 some rows could not be scored"
_BLOCK = 2_048
"""Number of images that are in memory at a time."""
_ADDED = ("score", "same", "probability", "review", "problem")


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
    verifier = load_verifier(settings.model)
    paths = list(dict.fromkeys(value for side in sides for value in columns[side]))
    embeddings, problems = _embed(verifier, paths, settings.images_root, settings.terminal)
    place = {path: row for row, path in enumerate(paths)}
    indices = np.array([[place[value] for value in columns[side]] for side in sides]).T
    added = _decide(verifier, embeddings, indices, problems)
    write_table(settings.output, {**columns, **added})
    bad = sum(map(bool, added["problem"]))
    counts = {"rows": len(indices), "scored": len(indices) - bad, "not_scored": bad}
    if settings.json:
        print_json(counts)
    else:
        print(f"{shown(settings.output)}: {counts['scored']:,} of {len(indices):,} are scored.")
        if bad:
            print(f"The column problem says why the other {bad:,} are not.")
    return NO if bad else YES


def _embed(
    verifier: Verifier, paths: Sequence[Any], root: str | None, terminal: TextIO
) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Embed the images that can be read, block by block.

    Returns:
        An embedding for each path, zeros where there is none, and what is wrong with each path.
    """
    import keras

    from siamese_verify.data.loading import load_samples

    problems = [_problem(path, root) for path in paths]
    embeddings = np.zeros((len(paths), verifier.model.embedding_size), np.float32)
    progress = keras.utils.Progbar(len(paths), unit_name="image") if terminal.isatty() else None
    for start in range(0, len(paths), _BLOCK):
        rows = [i for i in range(start, min(start + _BLOCK, len(paths))) if not problems[i]]
        samples = [Sample(paths[i], "") for i in rows]
        loaded = load_samples(samples, root, verifier.preprocessing, None, "skip", False)
        reasons = {one.path: one.reason for one in loaded.skipped}
        for row in rows:
            problems[row] = reasons.get(paths[row], "")
        if len(loaded.images):
            good = loaded.rows >= 0
            made = verifier.model.embed(loaded.images)
            embeddings[np.array(rows)[good]] = made[loaded.rows[good]]
        if progress:
            progress.update(min(start + _BLOCK, len(paths)))
    return embeddings, problems


def _problem(path: Any, root: str | None) -> str:
    """Say why a field is not the path of an image. Empty if it may be one."""
    if not isinstance(path, str) or not path.strip():
        return "the path is empty" if path is None or path == "" else "the path is not text"
    if root is not None:
        try:
            path_below(root, Sample(path, ""))
        except ValueError:
            return "the path leads out of the folder of images"
    return "" if PurePath(path).name else "the path is not a file"


def _decide(
    verifier: Verifier,
    embeddings: npt.NDArray[np.float32],
    indices: npt.NDArray[np.int64],
    problems: Sequence[str],
) -> dict[str, list[Any]]:
    """Make the columns that are added to the table. Rows with a problem have no score."""
    from siamese_verify.scoring import score_pairs

    threshold, calibration = verifier.threshold, verifier.calibration
    assert calibration is not None  # `threshold` has raised.
    of_rows = [
        ", ".join(dict.fromkeys(filter(None, (problems[i] for i in two))))
        for two in indices.tolist()
    ]
    scores = score_pairs(verifier.model.head, embeddings, indices).tolist()
    kept = [None if problem else score for score, problem in zip(scores, of_rows, strict=True)]
    band = calibration.review

    def each(decide: Any) -> list[Any]:
        return [None if score is None else decide(score) for score in kept]

    return {
        "score": kept,
        "same": each(lambda score: score >= threshold),
        "probability": each(calibration.probability),
        "review": each(lambda score: band is not None and score in band),
        "problem": of_rows,
    }
