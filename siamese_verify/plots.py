"""Plots of a run. They need matplotlib: `pip install siamese-verify[plot]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from siamese_verify.data.pair_dataset import PairDataset, check_pair_dataset
from siamese_verify.evaluation.checks import check_scores
from siamese_verify.evaluation.report import Evaluation
from siamese_verify.messages import shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OUTCOMES = ("genuine accepted", "impostor rejected", "impostor accepted", "genuine rejected")


def plot_history(history: Sequence[Mapping[str, float]]) -> Figure:
    """Plot curves over the epochs, on training and validation pairs.

    Args:
        history: Rows, one for each epoch, with `epoch` and any of `loss`, `accuracy` and
            `equal_error_rate`, each also with the prefix `val_`. The error rate is drawn where no
            accuracy is known.

    Returns:
        The figure. Save it with `figure.savefig(path)`.

    Examples:
        >>> figure = plot_history([{"epoch": 1, "loss": 0.9}, {"epoch": 2, "loss": 0.7}])
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['loss', 'equal error rate']
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    epochs = [row["epoch"] for row in history]
    known = history[0].keys() if history else ()
    measure = "equal_error_rate" if "accuracy" not in known else "accuracy"
    for axes, name in zip(figure.subplots(1, 2), ("loss", measure), strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in known:
                axes.plot(epochs, [row[key] for row in history], marker=".", label=label)
        axes.set(xlabel="epoch", ylabel=name.replace("_", " "))
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    return figure


def plot_outcomes(
    pairs: PairDataset, scores: npt.ArrayLike, threshold: float, count: int = 4
) -> Figure:
    """Plot the pairs of each outcome whose scores are farthest from the threshold.

    Args:
        pairs: The pairs.
        scores: Scores of the pairs `(n,)`, higher is more alike.
        threshold: Score from which a pair is accepted.
        count: Highest number of pairs to show of each outcome.

    Returns:
        The figure. Each row shows one outcome, with names, score and threshold under each pair.

    Raises:
        TypeError: If `pairs` is not a `PairDataset`.
        ValueError: If the numbers of scores and pairs differ.
    """
    from matplotlib.figure import Figure

    check_pair_dataset(pairs)
    score = check_scores(scores)
    if len(score) != len(pairs):
        raise ValueError(
            f"Each pair needs a score. Received: {len(score)} scores, {len(pairs)} pairs"
        )
    accepted, genuine = score >= threshold, pairs.labels == 1
    figure = Figure(figsize=(3.2 * count, 8), layout="constrained")
    grid = figure.subplots(4, count, squeeze=False)
    cases = ((True, True), (False, False), (True, False), (False, True))
    for row, outcome, (accepts, is_genuine) in zip(grid, _OUTCOMES, cases, strict=True):
        chosen = np.flatnonzero((accepted == accepts) & (genuine == is_genuine))
        chosen = chosen[np.argsort(-np.abs(score[chosen] - threshold), kind="stable")]
        row[0].set_ylabel(f"{outcome}\n({len(chosen)} of {len(pairs)})")
        for axes in row:
            axes.set(xticks=[], yticks=[], frame_on=False)
        for axes, index in zip(row, chosen[:count].tolist(), strict=False):
            left, right = (pairs.images[i] for i in pairs.indices[index])
            both = np.concatenate([left, right], axis=1).squeeze()
            axes.imshow(both, cmap="gray", vmin=0, vmax=255)
            pair = pairs.pairs[index]
            identities = [pair.left.identity] + [pair.right.identity] * (not is_genuine)
            names = "\n".join(map(_plain, identities))
            axes.set_xlabel(
                f"{names}\nscore {score[index]:.3f}, threshold {threshold:.3f}", fontsize=8
            )
    return figure


def plot_roc(report: Evaluation) -> Figure:
    """Plot the ROC curve, with the operating point at the verifier's threshold.

    If the pairs are in groups, each group of impostor pairs has a curve and a point of its own,
    against all genuine pairs.

    Args:
        report: Evaluation from `Verifier.evaluate` or `evaluate_scores`.

    Returns:
        The figure. Save it with `figure.savefig(path)`.

    Examples:
        >>> from siamese_verify import evaluate_scores
        >>> report = evaluate_scores([0.9, 0.7, 0.3, 0.1], [1, 1, 0, 0], threshold=0.5)
        >>> plot_roc(report).axes[0].get_xlabel()
        'false accept rate'
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot(report.roc.far, report.roc.tar, label=f"AUC {report.auc}")
    at = f"threshold {report.threshold:.3f}: accuracy {report.accuracy}"
    axes.plot([report.far], [1 - report.frr], "o", label=at)
    for name, figures in report.by_group.items():
        if figures.far is not None:
            curve = report.against(name).roc
            label = f"{_plain(name)}: EER {figures.eer}"
            (line,) = axes.plot(curve.far, curve.tar, "--", label=label)
            axes.plot([figures.far], [1 - report.frr], "o", color=line.get_color())
    axes.plot([0, 1], [0, 1], ":", color="gray")
    axes.set(xlabel="false accept rate", ylabel="true accept rate")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    return figure


def _plain(name: str) -> str:
    """Make a name fit for a plot, where text between two dollars would be a formula."""
    return shown(name, 40).replace("$", r"\$")
