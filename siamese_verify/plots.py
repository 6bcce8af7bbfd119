"""Pictures of a run. Needs matplotlib: `pip install siamese-verify[plot]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from siamese_verify.data.pair_dataset import PairDataset
from siamese_verify.evaluation.checks import check_scores
from siamese_verify.evaluation.report import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OUTCOMES = ("true positives", "true negatives", "false positives", "false negatives")


def plot_history(history: Sequence[Mapping[str, float]]) -> Figure:
    """Curves over the epochs, on training and validation pairs.

    Args:
        history: A row for each epoch, with `epoch` and what there is of `loss`, `accuracy` and
            `equal_error_rate`, each also with `val_` before it. The error rate is drawn where there
            is no accuracy.

    Returns:
        The figure; save it with its `savefig`.
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
    """The most confident pairs of each outcome: right and wrong, accepted and rejected.

    Args:
        pairs: The pairs.
        scores: Their scores `(n,)`, higher is more alike.
        threshold: Pairs that score as much or more are accepted as same.
        count: The most pairs to show of each outcome.

    Returns:
        The figure; a row for each outcome, the most confident first; names, score and threshold
        under each.

    Raises:
        ValueError: If there is not one score for each pair.
    """
    from matplotlib.figure import Figure

    score = check_scores(scores)
    if len(score) != len(pairs):
        raise ValueError(
            f"Each pair needs a score. Received: {len(score)} scores, {len(pairs)} pairs"
        )
    accepted, same = score >= threshold, pairs.labels == 1
    figure = Figure(figsize=(3.2 * count, 8), layout="constrained")
    grid = figure.subplots(4, count, squeeze=False)
    cases = ((True, True), (False, False), (True, False), (False, True))
    for row, outcome, (accepts, is_same) in zip(grid, _OUTCOMES, cases, strict=True):
        chosen = np.flatnonzero((accepted == accepts) & (same == is_same))
        chosen = chosen[np.argsort(-np.abs(score[chosen] - threshold), kind="stable")]
        row[0].set_ylabel(f"{outcome}\n({len(chosen)} of {len(pairs)})")
        for axes in row:
            axes.set(xticks=[], yticks=[], frame_on=False)
        for axes, index in zip(row, chosen[:count].tolist(), strict=False):
            left, right = (pairs.images[i] for i in pairs.indices[index])
            both = np.concatenate([left, right], axis=1).squeeze()
            axes.imshow(both, cmap="gray", vmin=0, vmax=255)
            pair = pairs.pairs[index]
            names = (
                pair.left.identity if is_same else f"{pair.left.identity}\n{pair.right.identity}"
            )
            figures = f"score {score[index]:.3f}, threshold {threshold:.3f}"
            axes.set_xlabel(f"{names}\n{figures}", fontsize=8)
    return figure


def plot_roc(report: Evaluation) -> Figure:
    """The ROC curve, with the verifier's threshold on it.

    Args:
        report: What `Verifier.evaluate` or `evaluate_scores` gave.

    Returns:
        The figure; save it with its `savefig`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot(report.roc.far, report.roc.tar, label=f"AUC {report.auc}")
    at = f"threshold {report.threshold:.3f}: accuracy {report.accuracy}"
    axes.plot([report.far], [1 - report.frr], "o", label=at)
    axes.plot([0, 1], [0, 1], ":", color="gray")
    axes.set(xlabel="false accept rate", ylabel="true accept rate")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    return figure
