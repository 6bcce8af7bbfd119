"""The verifier made of a trained model, and its figures on the test pairs."""

from __future__ import annotations

import warnings
from typing import NamedTuple

from lfw_data import Data
from networks import JIT_COMPILE
from options import Options
from recipes import Recipe
from recombination import recombine

import siamese_verify as sv
from siamese_verify.commands.outputs import accuracy_in_words
from siamese_verify.evaluation.report import Evaluation, EvaluationWarning
from siamese_verify.evaluation.thresholds import tar_name


class Measured(NamedTuple):
    """A verifier and how good it is.

    Attributes:
        verifier: Verifier with a threshold from the validation pairs.
        report: Evaluation on the test pairs.
        figures: Figures on the test pairs, by name.
    """

    verifier: sv.Verifier
    report: Evaluation
    figures: dict[str, float]


def measure(model: sv.SiameseModel, data: Data, recipe: Recipe) -> Measured:
    """Calibrate a verifier on the validation pairs and evaluate it on the test pairs."""
    verifier = sv.Verifier(model, data.test.preprocessing)
    verifier.calibrate(data.validation, recipe.threshold)
    report = verifier.evaluate(data.test)
    figures = {
        "threshold": verifier.threshold,
        "accuracy_at_threshold": float(report.accuracy),
        "auc": float(report.auc),
        "equal_error_rate": float(report.eer),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EvaluationWarning)  # A trial has few pairs.
        figures |= {tar_name(far): float(report.tar(far)) for far in (0.1, 0.01)}
    if recipe.loss == "binary_crossentropy":
        figures |= _at_one_half(model, data, recipe.batch_size)
    return Measured(verifier, report, figures)


def _at_one_half(model: sv.SiameseModel, data: Data, batch_size: int) -> dict[str, float]:
    """Measure a model whose scores are probabilities, so that 0.5 is a threshold."""
    model.compile(loss="binary_crossentropy", metrics=["accuracy"], jit_compile=JIT_COMPILE)
    figures = model.evaluate(data.test.batches(batch_size), verbose=0, return_dict=True)
    new_pairs, labels = recombine(data.train)
    if len(labels):
        accepted = model.score(data.train.images, new_pairs) >= 0.5
        figures["recombined_accuracy"] = float((accepted == (labels == 1)).mean())
    return figures


def show(measured: dict[str, Measured], n_pairs: int) -> None:
    """Print the figures, a column for each measured model."""
    print(f"\nOn {n_pairs:,} test pairs of identities never seen in training:")
    print(f"{'':<24}" + "".join(f"{which:>12}" for which in measured))
    for name in measured["best"].figures:
        values = (each.figures[name] for each in measured.values())
        print(f"{name:<24}" + "".join(f"{value:>12.4f}" for value in values))
    best = measured["best"]
    print(f"\nThe best model: {best.verifier.calibration}")
    print(
        f"On the test pairs, with 95% intervals that allow for repeated identities:\n{best.report}"
    )


def in_words(best: Measured, options: Options) -> str:
    """Say how good the best model is, where its files are, and which command may come next."""
    run, plots = options.run, (options.run / "outcomes.png").exists()
    lines = [f"The best model is {accuracy_in_words(best.report)}."]
    if plots:
        lines.append(f"Its most confident right and wrong answers: {run / 'outcomes.png'}")
    lines.append(f"Verifier, card, figures and history: {run}/")
    lines.append(f"Next: siamese-verify verify {run / 'verifier.keras'} A.jpg B.jpg")
    return "\n" + "\n".join(lines)
