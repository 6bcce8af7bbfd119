"""Prints the figures of a run that experiments.py has kept, with their 95% intervals.

    python examples/lfw/kept_figures.py by-identity-seed0

It reads the small files below examples/lfw/results/ only: no image, no TensorFlow.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments import HERE
from results import load

from siamese_verify.evaluation.report import Evaluation, evaluate_scores

RESULTS = HERE / "results"


def evaluate_run(folder: Path) -> Evaluation:
    """Evaluate the best model's test scores, at its threshold from validation."""
    run = load(folder, "best")
    identities = [tuple(Path(path).parent.name for path in pair) for pair in run.pairs]
    return evaluate_scores(run.scores, run.labels, run.figures["threshold"], identities)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = sorted(path.name for path in RESULTS.iterdir() if path.is_dir())
    parser.add_argument("run", choices=names, metavar="RUN", help="a folder of results/")
    print(evaluate_run(RESULTS / parser.parse_args().run))


if __name__ == "__main__":
    main()
