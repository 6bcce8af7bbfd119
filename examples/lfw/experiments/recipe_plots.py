"""The plot of the page of recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from experiments.report_plots import STYLE
from experiments.results import Result
from siamese_verify.files import replacing


def draw_recipes(
    shown: Mapping[str, Result], curve: Sequence[tuple[int, float]], path: Path
) -> None:
    """Draw ROC curves of the recipes and, with several points, accuracy by number of people."""
    with mpl.rc_context(STYLE):
        panels = 1 + (len(curve) > 1)
        figure = Figure(figsize=(4.5 * panels, 4.2), layout="constrained")
        axes = figure.subplots(1, panels, squeeze=False)[0]
        _draw_roc(axes[0], shown)
        if panels == 2:
            _draw_curve(axes[1], curve)
        with replacing(path) as unfinished:
            figure.savefig(unfinished, metadata={"Date": None})


def _draw_roc(ax: Axes, shown: Mapping[str, Result]) -> None:
    for name, result in shown.items():
        ax.plot(result.roc.far, result.roc.tar, label=f"{name}: AUC {result.roc.auc:.3f}")
    ax.set(xscale="log", xlim=(0.002, 1), xlabel="false accept rate", ylabel="true accept rate")
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), fontsize=8
    )  # The curves leave no room within the axes.


def _draw_curve(ax: Axes, curve: Sequence[tuple[int, float]]) -> None:
    counts, accuracy = zip(*curve, strict=True)
    ax.plot(counts, accuracy, marker="o")
    ax.set(xscale="log", xlabel="people in training", ylabel="test accuracy")
    ax.set_xticks(counts)
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
