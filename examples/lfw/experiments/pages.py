"""Command line of the two pages of results, and the traits of the test pairs that they show."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from traits import TRAITS

from experiments.results import columns
from experiments.run import RESULTS

DOCS = Path(__file__).parents[3] / "docs"


def page_parser(description: str | None) -> argparse.ArgumentParser:
    """Make the command line of a page."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--results", type=Path, default=RESULTS, metavar="DIR", help="default: %(default)s")
    add("--docs", type=Path, default=DOCS, metavar="DIR", help="default: %(default)s")
    return parser


def read_traits(results: Path) -> dict[str, np.ndarray]:
    """Read the traits of each test pair."""
    table = columns(results / "traits.csv")
    return {name: table[name].astype(float) for name in TRAITS}
