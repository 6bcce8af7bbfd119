"""Kept results, and the report's figures."""

from __future__ import annotations

import csv
import json
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.run import FIGURES
from siamese_verify.evaluation.roc import RocCurve, roc_curve
from siamese_verify.messages import shown

# Figures of the report: accuracy, then loss, in training, validation and test.
REPORT = {
    "base": (0.8535, 0.6758, 0.645, 0.5436, 0.865, 1.06),
    "base-sgd": (0.512, 0.48, 0.502, 1.06, 1.06, 1.12),
    "batch-norm": (1.00, 0.71, 0.688, 0.342, 0.8514, 0.969),
    "dropout-0.1": (1.00, 0.72, 0.72, 0.30, 0.9229, 0.908),
    "dropout-0.5": (0.9995, 0.6576, 0.774, 0.3941, 1.0176, 0.8448),
}
TITLES = {
    "base": "base, Adam",
    "base-sgd": "base, SGD",
    "batch-norm": "batch norm",
    "dropout-0.1": "batch norm, dropout 0.1",
    "dropout-0.5": "batch norm, dropout 0.5",
    "by-identity": "batch norm, split by identity",
}


class Result(NamedTuple):
    """Kept results of one run."""

    experiment: str
    seed: int
    config: dict[str, Any]
    history: dict[str, np.ndarray]
    pairs: list[tuple[str, str]]
    labels: np.ndarray
    scores: np.ndarray
    figures: dict[str, float]
    recomputed: dict[str, float]
    sizes: dict[str, Any]

    @property
    def final(self) -> dict[str, float]:
        """Figures that the report has of each run, in its order."""
        return {
            f"{part} {name}": float(value)
            for name in ("accuracy", "loss")
            for part, value in (
                ("train", self.history[name][-1]),
                ("validation", self.history[f"val_{name}"][-1]),
                ("test", self.figures[name]),
            )
        }

    def right(self, threshold: float) -> np.ndarray:
        """Tell for each test pair whether it is right at `threshold`."""
        return (self.scores >= threshold) == (self.labels == 1)

    @property
    def roc(self) -> RocCurve:
        """ROC curve of the test scores."""
        return roc_curve(self.scores, self.labels)


Runs = dict[str, list[Result]]  # By experiment, then by seed.


def columns(path: Path) -> dict[str, np.ndarray]:
    """Read the columns of a CSV file."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def load(folder: Path, which: str = "last") -> Result:
    """Load a kept run.

    Args:
        folder: Its folder.
        which: Model whose scores and figures are loaded: `last` as in the report, `best`, or
            `recomputed` for the last model with recomputed averages of batch norm.
    """
    try:
        return _load(folder, which)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        problem = shown(f"{type(error).__name__}: {error}")
        sys.exit(
            f"The results in {shown(folder)} cannot be read ({problem}). Remove this folder and "
            "run the experiment again."
        )


def _load(folder: Path, which: str) -> Result:
    history = columns(folder / "history.csv")
    scores = columns(folder / "scores.csv")
    figures = json.loads((folder / FIGURES).read_text())
    experiment, _, seed = folder.name.rpartition("-seed")
    return Result(
        experiment,
        int(seed),
        json.loads((folder / "config.json").read_text()),
        {name: values.astype(float) for name, values in history.items()},
        list(zip(scores["left"].tolist(), scores["right"].tolist(), strict=True)),
        scores["label"].astype(int),
        scores[which].astype(float),
        figures[which],
        figures.get("recomputed", {}),
        {name: figures[name] for name in ("parameters", "trained_on") if name in figures},
    )


def load_all(folder: Path, experiments: Iterable[str], which: str = "last") -> list[Result]:
    """Load the finished runs of some experiments, in this order, then by seed."""
    return [
        load(path, which)
        for experiment in experiments
        for path in sorted(folder.glob(f"{experiment}-seed*"))
        if (path / FIGURES).exists()
    ]


def group(results: Iterable[Result]) -> Runs:
    """Group results by experiment, in the order of the results."""
    runs: Runs = {}
    for result in results:
        runs.setdefault(result.experiment, []).append(result)
    return runs


def figure(result: Result, name: str) -> float:
    """Look up a figure of a run."""
    # The oldest results were kept without an AUC.
    return result.roc.auc if name == "auc" else result.figures[name]


def median(runs: list[Result], name: str) -> str:
    """Write the median over the seeds and, with several seeds, the lowest and highest figure."""
    values = [figure(result, name) for result in runs]
    middle = f"{statistics.median(values):.3f}"
    return middle if len(runs) == 1 else f"{middle} ({min(values):.3f} to {max(values):.3f})"
