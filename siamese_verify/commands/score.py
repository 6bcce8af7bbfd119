"""`siamese-verify score`: the scores of many pairs."""

from __future__ import annotations

import contextlib
from argparse import Namespace, _ArgumentGroup
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from siamese_verify.commands import NO, YES
from siamese_verify.commands.arguments import TABLES, add_json, add_model, add_output, add_pairs
from siamese_verify.commands.inputs import check_root, load_verifier, read_pairs
from siamese_verify.commands.outputs import print_json, write_table
from siamese_verify.data.pairs import PairList
from siamese_verify.messages import shown

if TYPE_CHECKING:
    from siamese_verify.data.loading import LoadedSamples
    from siamese_verify.verification.verifier import Verifier

EXAMPLE = "siamese-verify score faces.keras pairs.csv -o scores.csv"
EXIT_CODES = "0 all rows scored, 1 some rows could not be scored"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs)
    add_pairs(inputs)
    add_output(output, *TABLES, metavar="OUT", description="table of scores to write")
    add_json(output)


def run(settings: Namespace) -> int:
    """Score pairs of images, each image embedded once. Rows without a score say why."""
    check_root(settings)
    verifier = load_verifier(settings.model)
    _ = verifier.threshold  # It raises an error now rather than after the work.
    pairs = read_pairs(settings.pairs)
    from siamese_verify.data.loading import load_samples

    terminal = settings.terminal
    with contextlib.redirect_stdout(terminal):
        loaded = load_samples(
            pairs.samples,
            settings.images_root,
            verifier.preprocessing,
            None,
            "skip",
            terminal.isatty(),
        )
    columns = _score(verifier, pairs, loaded)
    write_table(settings.output, columns)
    scored = sum(score is not None for score in columns["score"])
    counts = {"rows": len(pairs), "scored": scored, "not_scored": len(pairs) - scored}
    if settings.json:
        print_json(counts)
    else:
        print(f"{shown(settings.output)}: {scored:,} of {len(pairs):,} pairs are scored.")
        if counts["not_scored"]:
            print(f"The column problem says why the other {counts['not_scored']:,} are not.")
    return NO if counts["not_scored"] else YES


def _score(verifier: Verifier, pairs: PairList, loaded: LoadedSamples) -> Mapping[str, Any]:
    """Make the columns of the table."""
    rows = loaded.rows[pairs.indices]
    (good,) = np.nonzero((rows >= 0).all(axis=1))
    scores = verifier.model.score(loaded.images, rows[good]).tolist() if len(good) else []
    calibration, threshold = verifier.calibration, verifier.threshold
    assert calibration is not None  # `threshold` has raised.
    band = calibration.review
    decided = {
        "score": scores,
        "same": [score >= threshold for score in scores],
        "probability": [calibration.probability(score) for score in scores],
        "review": [band is not None and score in band for score in scores],
    }
    reasons = {one.path: one.reason for one in loaded.skipped}
    paths = pairs.samples.paths
    left, right = ([paths[i] for i in side] for side in pairs.indices.T.tolist())
    return {
        "left": left,
        "right": right,
        "label": pairs.labels.tolist(),
        **{name: _spread(values, good, len(pairs)) for name, values in decided.items()},
        "problem": [
            "; ".join(f"{path}: {reasons[path]}" for path in two if path in reasons)
            for two in zip(left, right, strict=True)
        ],
    }


def _spread(values: Sequence[Any], rows: Any, n: int) -> list[Any]:
    """Put values into their rows, and None into the others."""
    spread: list[Any] = [None] * n
    for row, value in zip(rows.tolist(), values, strict=True):
        spread[row] = value
    return spread
