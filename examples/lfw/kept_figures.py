"""Prints the figures of a run that experiments.py has kept, with their 95% intervals.

    python examples/lfw/kept_figures.py by-person-seed0

It reads the small files below examples/lfw/results/ only: no photograph, no TensorFlow.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from siamese_verify.evaluation import Evaluation, evaluate_scores

RESULTS = Path(__file__).parent / "results"


def evaluate_run(folder: Path) -> Evaluation:
    """The best model's test scores, at its threshold from validation."""
    with (folder / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    people = [tuple(row[side].split("/")[0] for side in ("left", "right")) for row in rows]
    threshold = json.loads((folder / "figures.json").read_text())["best"]["threshold"]
    scores, labels = ([float(row[name]) for row in rows] for name in ("best", "label"))
    return evaluate_scores(scores, labels, threshold, people)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = sorted(path.name for path in RESULTS.iterdir() if path.is_dir())
    parser.add_argument("run", choices=names, metavar="RUN", help="a folder of results/")
    print(evaluate_run(RESULTS / parser.parse_args().run))


if __name__ == "__main__":
    main()
