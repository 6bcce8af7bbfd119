"""`siamese-verify score`: the scores of many pairs."""

from __future__ import annotations

from argparse import Namespace, _ArgumentGroup

from siamese_verify.commands import YES
from siamese_verify.commands.arguments import TABLES, add_json, add_model, add_output, add_pairs

EXAMPLE = "siamese-verify score faces.keras pairs.csv -o scores.csv"
EXIT_CODES = "0 all rows scored, 1 rows could not be scored"


def add_arguments(inputs: _ArgumentGroup, output: _ArgumentGroup) -> None:
    """Add the arguments of the command."""
    add_model(inputs)
    add_pairs(inputs)
    add_output(output, *TABLES, metavar="OUT", description="table of scores to write")
    add_json(output)


def run(settings: Namespace) -> int:
    """Score pairs of images, and write a table of scores and decisions."""
    return YES
