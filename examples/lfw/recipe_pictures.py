"""The picture of the page of recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from report_pictures import STYLE
from results import Result


def draw_recipes(shown: Mapping[str, Result], curve: Sequence[Result], path: Path) -> None:
    """ROC curves of the recipes and, beside them, accuracy by number of people."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        roc, learning = figure.subplots(1, 2)
        _draw_roc(roc, shown)
        _draw_curve(learning, curve)
        figure.savefig(path, metadata={"Date": None})


def _draw_roc(ax: Axes, shown: Mapping[str, Result]) -> None:
    for name, result in shown.items():
        ax.plot(result.roc.far, result.roc.tar, label=f"{name}: AUC {result.roc.auc:.3f}")
    ax.set(xscale="log", xlim=(0.002, 1), xlabel="false accept rate", ylabel="true accept rate")
    ax.legend(loc="lower right", fontsize=8)


def _draw_curve(ax: Axes, curve: Sequence[Result]) -> None:
    people = [result.sizes["trained_on"]["people"] for result in curve]
    accuracy = [result.figures["accuracy_at_threshold"] for result in curve]
    ax.plot(people, accuracy, marker="o")
    ax.set(xscale="log", xlabel="people trained on", ylabel="test accuracy")
    ax.set_xticks(people)
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
