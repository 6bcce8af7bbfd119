"""Writes the page of results, docs/lfw-results.md, from what experiments.py has kept.

    pip install -e ".[plot]"
    python examples/lfw/report.py

It reads the small files below examples/lfw/results/ only: no photograph, no TensorFlow.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from experiments import EXPERIMENTS, FIGURES
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from traits import TRAITS

from siamese_verify.evaluation import RocCurve, roc_curve

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"

# What the report gives: accuracy and loss in training, validation and test.
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
}
# Legible on white and on black.
GREY = "#808080"
STYLE = {
    "svg.hashsalt": "siamese-verify",
    "savefig.transparent": True,
    "axes.prop_cycle": mpl.cycler(color=["#3b82c4", "#e07b39", "#3a9a5c", "#c2527a", "#8b6cc4"]),
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.framealpha": 0.0,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "grid.color": GREY,
}
Filler = Callable[[np.ndarray], None]


class Result(NamedTuple):
    """What is kept of one run."""

    experiment: str
    seed: int
    config: dict[str, Any]
    history: dict[str, np.ndarray]
    labels: np.ndarray
    scores: np.ndarray
    figures: dict[str, float]

    @property
    def roc(self) -> RocCurve:
        """Of the test pairs, by the last epoch's scores."""
        return roc_curve(self.scores, self.labels)


def columns(path: Path) -> dict[str, np.ndarray]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def load(folder: Path) -> Result:
    """Figures and scores are those of the last epoch, as in the report."""
    history = columns(folder / "history.csv")
    scores = columns(folder / "scores.csv")
    experiment, _, seed = folder.name.rpartition("-seed")
    return Result(
        experiment,
        int(seed),
        json.loads((folder / "config.json").read_text()),
        {name: values.astype(float) for name, values in history.items()},
        scores["label"].astype(int),
        scores["last"].astype(float),
        json.loads((folder / FIGURES).read_text())["last"],
    )


def load_all(folder: Path) -> list[Result]:
    """In the report's order, then by seed; unfinished runs are left out."""
    results = [load(path.parent) for path in folder.glob(f"*/{FIGURES}")]
    order = list(EXPERIMENTS)
    return sorted(results, key=lambda result: (order.index(result.experiment), result.seed))


def table(results: list[Result]) -> Iterator[str]:
    heads = ["train accuracy", "validation accuracy", "test accuracy"]
    heads += [name.replace("accuracy", "loss") for name in heads]
    yield "| run | epochs | " + " | ".join(heads) + " | s / epoch |"
    yield "|---" * (len(heads) + 3) + "|"
    for result in results:
        here = [
            *(result.history[name][-1] for name in ("accuracy", "val_accuracy")),
            result.figures["accuracy"],
            *(result.history[name][-1] for name in ("loss", "val_loss")),
            result.figures["loss"],
        ]
        both = zip(here, REPORT[result.experiment], strict=True)
        cells = [f"**{value:.3f}** ({report:.3f})" for value, report in both]
        seconds = statistics.median(result.history["seconds"])
        yield (
            f"| {TITLES[result.experiment]} | {len(result.history['loss'])} | "
            f"{' | '.join(cells)} | {seconds:.0f} |"
        )


def thresholds(results: list[Result]) -> Iterator[str]:
    yield (
        "| run | accuracy at 0.5 | threshold from validation | accuracy there | AUC | EER | "
        "TAR at FAR 0.1 | TAR at FAR 0.01 |"
    )
    yield "|---" * 8 + "|"
    for result in results:
        names = (
            "accuracy threshold accuracy_at_threshold auc equal_error_rate "
            "tar_at_far_0.1 tar_at_far_0.01"
        )
        figures = {**result.figures, "auc": result.roc.auc}
        cells = " | ".join(f"{figures[name]:.3f}" for name in names.split())
        yield f"| {TITLES[result.experiment]} | {cells} |"


def seeds(results: list[Result]) -> Iterator[str]:
    yield "| run | seeds | accuracy at 0.5 | at the threshold | EER |"
    yield "|---|---|---|---|---|"
    for experiment in EXPERIMENTS:
        runs = [result for result in results if result.experiment == experiment]
        if len(runs) < 2:
            continue
        cells = []
        for name in ("accuracy", "accuracy_at_threshold", "equal_error_rate"):
            values = [run.figures[name] for run in runs]
            cells.append(f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}")
        yield f"| {TITLES[experiment]} | {len(runs)} | {' | '.join(cells)} |"


def errors(results: list[Result], traits: dict[str, np.ndarray]) -> Iterator[str]:
    """For each trait, its mean over right and wrong pairs, at the threshold from validation."""
    yield "| run | trait | same: right | wrong | different: right | wrong |"
    yield "|---" * 6 + "|"
    for result in results:
        right = (result.scores >= result.figures["threshold"]) == (result.labels == 1)
        for trait, values in traits.items():
            cells = []
            for label in (1, 0):
                good, bad = (values[(result.labels == label) & (right == r)] for r in (True, False))
                cells += [mean_and_error(good), mean_and_error(bad)]
            yield f"| {TITLES[result.experiment]} | {TRAITS[trait]} | {' | '.join(cells)} |"


def mean_and_error(values: np.ndarray) -> str:
    if len(values) < 2:
        return f"({len(values)} pairs)"
    return f"{values.mean():.3f} ± {values.std(ddof=1) / len(values) ** 0.5:.3f}"


def draw_curves(axes: list[Axes], result: Result) -> None:
    epochs = result.history["epoch"]
    for ax, name in zip(axes, ("accuracy", "loss"), strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            ax.plot(epochs, result.history[key], marker=".", label=label)
        ax.set(xlabel="epoch", ylabel=name, title=TITLES[result.experiment])
        ax.legend()


def draw_bars(ax: Axes, results: list[Result]) -> None:
    places = np.arange(len(results))
    here = [result.figures["accuracy"] for result in results]
    report = [REPORT[result.experiment][2] for result in results]
    for shift, values, label in ((-0.2, here, "here"), (0.2, report, "report")):
        bars = ax.bar(places + shift, values, 0.38, label=label)
        ax.bar_label(bars, fmt="%.3f", fontsize=8)
    ax.set_xticks(places, [TITLES[result.experiment].replace(", ", "\n") for result in results])
    ax.set(ylim=(0.4, 0.9), ylabel="test accuracy at 0.5")
    ax.axhline(0.5, color=GREY, linewidth=1)
    ax.legend()


def draw_distribution(ax: Axes, result: Result) -> None:
    for label, name in ((1, "same"), (0, "different")):
        ax.hist(result.scores[result.labels == label], np.linspace(0, 1, 41), alpha=0.6, label=name)
    ax.axvline(result.figures["threshold"], color=GREY, linestyle="--", linewidth=1)
    ax.set(title=TITLES[result.experiment], xlabel="score", ylabel="test pairs")
    ax.legend()


def draw_roc(ax: Axes, results: list[Result]) -> None:
    for result in results:
        label = f"{TITLES[result.experiment]}: AUC {result.roc.auc:.3f}"
        ax.plot(result.roc.far, result.roc.tar, label=label)
    ax.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    ax.set(xlabel="false accept rate", ylabel="true accept rate")
    ax.legend()


def draw(results: list[Result], folder: Path) -> None:
    """All pictures of the page."""

    def save(name: str, size: tuple[float, float], rows: int, columns: int, fill: Filler) -> None:
        figure = Figure(figsize=size, layout="constrained")
        fill(figure.subplots(rows, columns, squeeze=False))
        figure.savefig(folder / f"lfw-{name}.svg", metadata={"Date": None})

    def curves(axes: np.ndarray) -> None:
        for row, result in zip(axes, results, strict=True):
            draw_curves(list(row), result)

    def distributions(axes: np.ndarray) -> None:
        for ax, result in zip(axes[:, 0], results, strict=True):
            draw_distribution(ax, result)

    count = len(results)
    with mpl.rc_context(STYLE):
        save("curves", (9, 3 * count), count, 2, curves)
        save("accuracy", (8, 4), 1, 1, lambda axes: draw_bars(axes[0, 0], results))
        save("scores", (8, 2.6 * count), count, 1, distributions)
        save("roc", (6, 6), 1, 1, lambda axes: draw_roc(axes[0, 0], results))


def page(results: list[Result], traits: dict[str, np.ndarray]) -> str:
    """The page, of the first seed's runs where nothing else is said."""
    first = [result for result in results if result.seed == 0]
    versions = first[0].config["versions"]
    parts = [
        PAGE_HEAD.format(**versions),
        "\n".join(table(first)),
        TEST_ACCURACY.format(n=len(first[0].labels)),
        "\n".join(thresholds(first)),
        PICTURES,
    ]
    if len(results) > len(first):
        parts += [SEEDS, "\n".join(seeds(results))]
    parts += [ERRORS, "\n".join(errors(first, traits))]
    return "\n\n".join(parts) + "\n"


PAGE_HEAD = """\
# Results on LFW

The experiments of the report that applies Koch et al. 2015 to LFW's View 1, at full size, beside
the report's figures. The runs are made by the first of these commands, this page by the second,
from the files in `examples/lfw/results/`:

```console
python examples/lfw/experiments.py --data lfw
python examples/lfw/report.py
```

Python {python}, TensorFlow {tensorflow}, Keras {keras}, NumPy {numpy}. Figures are those of the
last epoch; the report's are in parentheses."""

TEST_ACCURACY = """\
With {n:,} test pairs, one standard error of an accuracy is 1.4 to 1.6 points. The report takes 0.5
as threshold; the one that is best on the validation pairs:"""

PICTURES = """\
![Test accuracy of each run, beside the report's](images/lfw-accuracy.svg)

## Accuracy and loss over the epochs

![Curves of each run](images/lfw-curves.svg)

## Scores of same and different pairs

The dashed line is the threshold from the validation pairs.

![Histograms of the test scores of each run](images/lfw-scores.svg)

## ROC

![ROC curves of all runs](images/lfw-roc.svg)"""

SEEDS = """\
## Between seeds

Another seed draws other weights, another order of the pairs and another split; mean and standard
deviation over the seeds tell which differences between rows are noise."""

ERRORS = """\
## What the wrong pairs have in common

Of each pair, numbers that say something of pose and light, for pixels in [0, 1]: asymmetry is the
mean absolute difference between a photograph and its mirror image, contrast the standard deviation.
Means and their standard errors over the pairs that are right and wrong at the threshold from
validation."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=HERE / "results", metavar="DIR")
    parser.add_argument("--docs", type=Path, default=DOCS, metavar="DIR", help="where to write")
    settings = parser.parse_args(arguments)
    results = load_all(settings.results)
    if not results:
        parser.error(f"no finished run in {settings.results}; make some: experiments.py --data DIR")
    traits = columns(settings.results / "traits.csv")
    traits = {name: traits[name].astype(float) for name in TRAITS}
    (settings.docs / "images").mkdir(parents=True, exist_ok=True)
    draw([result for result in results if result.seed == 0], settings.docs / "images")
    (settings.docs / "lfw-results.md").write_text(page(results, traits))
    print(f"{len(results)} runs are on {settings.docs / 'lfw-results.md'}")


if __name__ == "__main__":
    main()
