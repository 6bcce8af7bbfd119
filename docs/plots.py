"""Draw the plots of `concepts.md`, `verifier.md` and `lfw.md` from a run on drawn faces.

It also prints the Brier scores and log losses that `verifier.md` quotes.

    python examples/lfw/train.py
    python docs/plots.py
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure

import siamese_verify as sv
from siamese_verify.evaluation.calibration import calibrate
from siamese_verify.evaluation.thresholds import best_threshold
from siamese_verify.plots import plot_outcomes

RUNS = Path("runs")
IMAGES = Path(__file__).parent / "images"
GENUINE, IMPOSTOR = "tab:blue", "tab:orange"


def draw_pairs(pairs: sv.PairList, root: Path) -> Figure:
    shown = [*pairs.same[::90], *pairs.different[::90]]
    data = sv.PairDataset(sv.PairList(shown), root, sv.Preprocessing((112, 112), channels=3))
    figure = Figure(figsize=(8, 2.4), layout="constrained")
    for axes, (left, right), label in zip(
        figure.subplots(2, 4).flat, data.indices, data.labels, strict=True
    ):
        axes.imshow(np.concatenate([data.images[left], data.images[right]], axis=1))
        axes.set_title(f"{label}: {'genuine' if label else 'impostor'}", fontsize=9)
        axes.axis("off")
    return figure


def draw_scores(scores: np.ndarray, labels: np.ndarray, threshold: float) -> Figure:
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(0, 1, 41)
    for label, name, colour in ((1, "genuine pairs", GENUINE), (0, "impostor pairs", IMPOSTOR)):
        axes.hist(scores[labels == label], bins, alpha=0.7, color=colour, label=name)
    axes.axvline(threshold, color="black", linestyle="--", label="threshold from validation")
    axes.set(xlabel="score: higher is more alike", ylabel="test pairs")
    axes.legend()
    return figure


def draw_thresholds(scores: np.ndarray, labels: np.ndarray) -> Figure:
    thresholds = np.linspace(0, 1, 501)
    genuine, impostor = (np.sort(scores[labels == label]) for label in (1, 0))
    frr = np.searchsorted(genuine, thresholds) / len(genuine)
    far = 1 - np.searchsorted(impostor, thresholds) / len(impostor)
    crossing = np.argmin(np.abs(far - frr))
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(thresholds, far, color=IMPOSTOR, label="FAR: impostor pairs accepted")
    axes.plot(thresholds, frr, color=GENUINE, label="FRR: genuine pairs rejected")
    axes.plot(thresholds[crossing], far[crossing], "ko", label="equal error rate")
    axes.set(xlabel="threshold on the score", ylabel="error rate", ylim=(0, 0.5))
    axes.legend()
    return figure


def probabilities(
    verifier: sv.Verifier, val: sv.PairDataset, scores: np.ndarray
) -> dict[str, np.ndarray]:
    """Return P(same) of test pairs by the score itself, a line over it, and over its logit."""
    line = dataclasses.replace(
        verifier.calibration,
        **dict(zip(("slope", "intercept"), line_over(verifier, val), strict=True)),
        on_logit=False,
    )
    return {
        "the score itself": scores,
        "line over the score": np.array([line.probability(s) for s in scores.tolist()]),
        "line over its logit": np.array(
            [verifier.calibration.probability(s) for s in scores.tolist()]
        ),
    }


def line_over(verifier: sv.Verifier, val: sv.PairDataset) -> tuple[float, float]:
    """Fit slope and intercept of the log-odds over the score itself, as for any range of scores."""
    scores = verifier.model.score(val.images, val.indices)
    # Scores beyond 1 have no logit, so `calibrate` fits a line over them. Doubled scores have the
    # same line at half the slope.
    line = calibrate(2 * scores + 1, val.labels, verifier.calibration.policy)
    return 2 * line.slope, line.intercept + line.slope


def draw_reliability(found: dict[str, np.ndarray], labels: np.ndarray) -> Figure:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    bins = np.linspace(0, 1, 11)
    for axes, (name, values) in zip(
        figure.subplots(1, len(found), sharey=True), found.items(), strict=True
    ):
        part = np.clip(np.digitize(values, bins) - 1, 0, 9)
        filled = [i for i in range(10) if (part == i).sum() >= 5]
        predicted = [values[part == i].mean() for i in filled]
        axes.plot([0, 1], [0, 1], ":", color="gray")
        axes.plot(predicted, [labels[part == i].mean() for i in filled], "o-", color=GENUINE)
        brier, log_loss = losses(values, labels)
        axes.set(title=f"{name}\nBrier {brier:.3f}, log loss {log_loss:.3f}", xlabel="P(same)")
        print(f"{name}: Brier {brier:.4f}, log loss {log_loss:.4f}, {len(labels)} test pairs")
    figure.axes[0].set_ylabel("share of genuine pairs")
    return figure


def losses(probability: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Compute Brier score and log loss."""
    inside = np.clip(probability, 1e-7, 1 - 1e-7)
    true_probability = np.where(labels == 1, inside, 1 - inside)
    return float(np.mean((probability - labels) ** 2)), float(-np.mean(np.log(true_probability)))


def main() -> None:
    data, size = RUNS / "drawn-faces", (48, 48)
    model = keras.models.load_model(RUNS / "drawn" / "best.keras")
    load = sv.PairDataset.from_lfw
    _, val = load(data / "pairsDevTrain.txt", data / "lfw2", size).split(0.15)
    test = load(data / "pairsDevTest.txt", data / "lfw2", size)
    threshold = best_threshold(model.predict(val.batches(128), verbose=0), val.labels)
    scores = model.predict(test.batches(128), verbose=0).ravel()
    verifier = sv.Verifier.load(RUNS / "drawn" / "verifier.keras")
    own = verifier.model.score(test.images, test.indices)
    found = probabilities(verifier, val, own)
    IMAGES.mkdir(exist_ok=True)
    for name, figure in {
        "pairs": draw_pairs(test.pairs, data / "lfw2"),
        "scores": draw_scores(scores, test.labels, threshold),
        "thresholds": draw_thresholds(scores, test.labels),
        "reliability": draw_reliability(found, test.labels),
        "outcomes": plot_outcomes(test, scores, threshold),
    }.items():
        figure.savefig(IMAGES / f"{name}.png", dpi=90)


if __name__ == "__main__":
    main()
