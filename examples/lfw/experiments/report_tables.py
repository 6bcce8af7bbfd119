"""The tables of the page of results."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Iterator

import numpy as np
from traits import TRAITS

from experiments.plans import REPORT_RUNS
from experiments.results import REPORT, TITLES, Result
from experiments.tables import compare, markdown, standard_error, thousandths

# Conclusions of the report: the first run has a higher test accuracy than the second.
CONCLUSIONS = {
    "Adam beats SGD": ("base", "base-sgd"),
    "batch norm helps": ("batch-norm", "base"),
    "dropout of 0.1 helps": ("dropout-0.1", "batch-norm"),
    "dropout of 0.5 helps": ("dropout-0.5", "batch-norm"),
}


def tabulate(results: list[Result]) -> str:
    """Tabulate everything that the report says of each run, here and there."""

    def row(result: Result) -> Iterator[str]:
        yield TITLES[result.experiment]
        yield str(len(result.history["loss"]))
        for value, report in zip(result.final.values(), REPORT[result.experiment], strict=True):
            yield f"**{value:.3f}** ({report:.3f})"
        yield f"{statistics.median(result.history['seconds']):.0f}"

    heads = f"run, epochs, {', '.join(results[0].final)}, s / epoch"
    return markdown(heads, (list(row(result)) for result in results))


def thresholds(results: list[Result]) -> str:
    """Tabulate the figures at 0.5 and at the threshold from validation."""
    heads = (
        "run, accuracy at 0.5, threshold from validation, accuracy there, AUC, EER, "
        "TAR at FAR 0.1, TAR at FAR 0.01"
    )
    names = (
        "accuracy threshold accuracy_at_threshold auc equal_error_rate "
        "tar_at_far_1e-1 tar_at_far_1e-2"
    )

    def row(result: Result) -> list[str]:
        figures = {**result.figures, "auc": result.roc.auc}
        return [TITLES[result.experiment], *thousandths(figures[name] for name in names.split())]

    return markdown(heads, map(row, results))


def best(results: list[Result]) -> str:
    """Name the run that validation pairs choose, and the report's highest test accuracy."""
    chosen = max(results, key=lambda result: result.history["val_accuracy"][-1])
    at_half, at_chosen = thousandths(
        chosen.figures[n] for n in ("accuracy", "accuracy_at_threshold")
    )
    highest = max(row[2] for row in REPORT.values())
    return (
        f"The run with the highest validation accuracy is {TITLES[chosen.experiment]}. Its test "
        f"accuracy is {at_half} at 0.5 and {at_chosen} at its threshold. The report's highest test "
        f"accuracy is {highest}, in a run that was chosen on the test pairs."
    )


def seeds(results: list[Result]) -> str:
    """Tabulate means and standard deviations of experiments with several seeds."""

    def rows() -> Iterator[list[str]]:
        for experiment in REPORT_RUNS:
            runs = [result for result in results if result.experiment == experiment]
            if len(runs) > 1:
                trained = [spread([run.figures for run in runs], name) for name in names]
                renewed = [run.recomputed for run in runs if run.recomputed]
                cells = [*trained, spread(renewed, "accuracy") if len(renewed) > 1 else ""]
                yield [TITLES[experiment], str(len(runs)), *cells]

    def spread(runs: list[dict[str, float]], name: str) -> str:
        values = [figures[name] for figures in runs]
        return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"

    names = ("accuracy", "accuracy_at_threshold", "equal_error_rate")
    heads = "run, seeds, accuracy at 0.5, at the threshold, EER, at 0.5 with averages recomputed"
    return markdown(heads, rows())


def conclusions(results: list[Result]) -> str:
    """Tabulate paired differences of test accuracy in points, on the same test pairs."""
    runs = {result.experiment: result for result in results}

    def rows() -> Iterator[list[str]]:
        for conclusion, (name, other) in CONCLUSIONS.items():
            if name in runs and other in runs:
                better, worse = runs[name], runs[other]
                report = 100 * (REPORT[name][2] - REPORT[other][2])
                at_half = better.right(0.5), worse.right(0.5)
                at_chosen = (run.right(run.figures["threshold"]) for run in (better, worse))
                cells = (verdict(*both) for both in (at_half, at_chosen))
                yield [conclusion, f"{report:+.1f}", *cells]

    heads = "the report, its difference, here at 0.5, here at the threshold from validation"
    return markdown(heads, rows())


def seed_noise(results: list[Result]) -> str:
    """Say how much two runs differ by their seeds alone, in the experiment with most seeds."""
    counts = Counter(result.experiment for result in results)
    experiment, count = counts.most_common(1)[0]
    values = [r.figures["accuracy"] for r in results if r.experiment == experiment]
    points = 100 * 2**0.5 * statistics.stdev(values)
    return (
        f"Two runs of one experiment differ by {points:.1f} points in test accuracy at 0.5 (one "
        f"standard deviation, from the {count} seeds of {TITLES[experiment]}). A difference above "
        "that is smaller than twice this may be due to the seed."
    )


def paired(better: np.ndarray, worse: np.ndarray) -> tuple[float, float]:
    """Compute the mean difference in points and its standard error."""
    differences = 100.0 * better - 100.0 * worse
    return differences.mean(), standard_error(differences)


def verdict(better: np.ndarray, worse: np.ndarray) -> str:
    """Write a difference, its standard error and what follows from them."""
    mean, error = paired(better, worse)
    word = "may be chance" if abs(mean) <= 2 * error else "holds" if mean > 0 else "the reverse"
    return f"{mean:+.1f} ± {error:.1f}, {word}"


def memory(results: list[Result]) -> str:
    """Tabulate accuracies at 0.5, from training pairs to unseen identities."""

    def row(result: Result) -> list[str]:
        train, validation, test = list(result.final.values())[:3]
        new = result.figures["recombined_accuracy"]
        return [TITLES[result.experiment], *thousandths([train, new, validation, test])]

    heads = "run, training pairs, training images in new pairs, validation, test"
    return markdown(heads, map(row, results))


def dropout(results: list[Result]) -> str:
    """Tabulate runs with batch norm, with dropout and without, and the report's runs."""

    def rows() -> Iterator[list[str]]:
        for result in results:
            yield [TITLES[result.experiment], *thousandths(list(result.final.values())[:3])]
        for experiment in ("dropout-0.1", "dropout-0.5"):
            cells = thousandths(REPORT[experiment][:3])
            yield [f"the report: {TITLES[experiment]}", *cells]

    return markdown("run, train accuracy, validation accuracy, test accuracy", rows())


def averages(results: list[Result]) -> str:
    """Tabulate test figures with batch norm's averages as trained and recomputed."""

    def rows() -> Iterator[list[str]]:
        for result in results:
            before, after = result.figures, result.recomputed
            pairs = (thousandths([before[name], after[name]]) for name in names)
            yield [TITLES[result.experiment], *(" → ".join(pair) for pair in pairs)]

    names = ("accuracy", "accuracy_at_threshold", "equal_error_rate", "loss")
    return markdown("run, accuracy at 0.5, at the threshold, EER, loss", rows())


def splits(results: list[Result]) -> str:
    """Tabulate the same network with validation pairs split by pair and by identity."""

    def row(result: Result) -> list[str]:
        values = [result.history[f"val_{name}"][-1] for name in ("accuracy", "equal_error_rate")]
        names = ("threshold", "accuracy", "accuracy_at_threshold", "equal_error_rate")
        values += [result.figures[name] for name in names]
        return [TITLES[result.experiment], *thousandths(values)]

    heads = (
        "run, validation accuracy, validation EER, threshold, test accuracy at 0.5, "
        "at the threshold, test EER"
    )
    return markdown(heads, map(row, results))


def errors(results: list[Result], traits: dict[str, np.ndarray]) -> str:
    """Tabulate the mean of each trait over right and wrong pairs, at the chosen threshold."""

    def rows() -> Iterator[list[str]]:
        for result in results:
            right = result.right(result.figures["threshold"])
            for trait, values in traits.items():
                cells = (
                    compare(
                        values[(result.labels == label) & right],
                        values[(result.labels == label) & ~right],
                    )
                    for label in (1, 0)
                )
                yield [TITLES[result.experiment], TRAITS[trait], *itertools.chain(*cells)]

    return markdown("run, trait, genuine: right, wrong, impostor: right, wrong", rows())
