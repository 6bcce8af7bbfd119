"""Print the figures of a kept run with their 95% intervals.

python examples/lfw/experiments figures by-identity-seed0
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.results import load
from experiments.run import RESULTS
from siamese_verify.evaluation.report import Evaluation, evaluate_scores


def evaluate_run(folder: Path) -> Evaluation:
    """Evaluate the best model's test scores, at its threshold from validation."""
    run = load(folder, "best")
    identities = [tuple(Path(path).parent.name for path in pair) for pair in run.pairs]
    return evaluate_scores(run.scores, run.labels, run.figures["threshold"], identities)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = sorted(path.name for path in RESULTS.iterdir() if path.is_dir())
    parser.add_argument(
        "run", choices=names, metavar="RUN", help="a folder of results/, such as koch-seed0"
    )
    print(evaluate_run(RESULTS / parser.parse_args(arguments).run))
