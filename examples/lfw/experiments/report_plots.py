"""The plots of the page of results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.results import REPORT, TITLES, Result
from siamese_verify.files import replacing

# Grey is legible on white and on black.
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


def draw_curves(axes: list[Axes], result: Result) -> None:
    epochs = result.history["epoch"]
    for ax, name in zip(axes, ("accuracy", "loss"), strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            ax.plot(epochs, result.history[key], marker=".", label=label)
        ax.set(xlabel="epoch", ylabel=name, title=TITLES[result.experiment])
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.ticklabel_format(axis="y", useOffset=False)
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
    for label, name in ((1, "genuine"), (0, "impostor")):
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
    """Draw all plots of the page."""

    def save(name: str, size: tuple[float, float], rows: int, columns: int, fill: Filler) -> None:
        figure = Figure(figsize=size, layout="constrained")
        fill(figure.subplots(rows, columns, squeeze=False))
        with replacing(folder / f"lfw-{name}.svg") as unfinished:
            figure.savefig(unfinished, metadata={"Date": None})

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
