"""Writes the page of results, docs/lfw-results.md, from what experiments.py has kept.

    pip install -e ".[plot]"
    python examples/lfw/report.py

It reads the small files below examples/lfw/results/ only: no image, no TensorFlow.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from plans import REPORT_RUNS
from report_pictures import draw
from results import REPORT, TITLES, Result, columns, load_all
from traits import TRAITS

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
# What the report concludes: of which run the test accuracy is above that of which.
CONCLUSIONS = {
    "Adam beats SGD": ("base", "base-sgd"),
    "batch norm helps": ("batch-norm", "base"),
    "dropout of 0.1 helps": ("dropout-0.1", "batch-norm"),
    "dropout of 0.5 helps": ("dropout-0.5", "batch-norm"),
}


def markdown(heads: str, rows: Iterable[Sequence[str]]) -> str:
    """A table; `heads` are separated by commas."""
    names = heads.split(", ")
    lines = (f"| {' | '.join(row)} |" for row in (names, *rows))
    return "\n".join((next(lines), "|---" * len(names) + "|", *lines))


def thousandths(values: Iterable[float]) -> list[str]:
    return [f"{value:.3f}" for value in values]


def table(results: list[Result]) -> str:
    """All that the report gives of each run, here and there."""

    def row(result: Result) -> Iterator[str]:
        yield TITLES[result.experiment]
        yield str(len(result.history["loss"]))
        for value, report in zip(result.final.values(), REPORT[result.experiment], strict=True):
            yield f"**{value:.3f}** ({report:.3f})"
        yield f"{statistics.median(result.history['seconds']):.0f}"

    heads = f"run, epochs, {', '.join(results[0].final)}, s / epoch"
    return markdown(heads, (list(row(result)) for result in results))


def thresholds(results: list[Result]) -> str:
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
    """The run that validation pairs choose, beside the highest test accuracy of the report."""
    chosen = max(results, key=lambda result: result.history["val_accuracy"][-1])
    at_half, at_chosen = thousandths(
        chosen.figures[n] for n in ("accuracy", "accuracy_at_threshold")
    )
    highest = max(row[2] for row in REPORT.values())
    return (
        f"The run of the highest validation accuracy is {TITLES[chosen.experiment]}: {at_half} on "
        f"the test pairs at 0.5, {at_chosen} at its threshold. The report's highest test accuracy, "
        f"of a run chosen on the test pairs, is {highest}."
    )


def seeds(results: list[Result]) -> str:
    """Means and standard deviations of the runs of which there are several."""

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
    """Differences of test accuracy in points, paired, since all runs have the same test pairs."""
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
    """How much two runs differ by their seeds alone, from the experiment with the most seeds."""
    counts = Counter(result.experiment for result in results)
    experiment, count = counts.most_common(1)[0]
    values = [r.figures["accuracy"] for r in results if r.experiment == experiment]
    points = 100 * 2**0.5 * statistics.stdev(values)
    return (
        f"By the {count} seeds of {TITLES[experiment]}, two runs of one experiment differ by "
        f"{points:.1f} points in test accuracy at 0.5 (one standard deviation): of the differences "
        "above, those below twice that may be chance of the seed."
    )


def paired(better: np.ndarray, worse: np.ndarray) -> tuple[float, float]:
    """The mean difference in points and its standard error; below two of those it may be chance."""
    differences = 100.0 * better - 100.0 * worse
    return differences.mean(), standard_error(differences)


def verdict(better: np.ndarray, worse: np.ndarray) -> str:
    """That difference, and what it says."""
    mean, error = paired(better, worse)
    word = "may be chance" if abs(mean) <= 2 * error else "holds" if mean > 0 else "the reverse"
    return f"{mean:+.1f} ± {error:.1f}, {word}"


def memory(results: list[Result]) -> str:
    """Accuracies at 0.5 of what was trained on, and of what less and less was."""

    def row(result: Result) -> list[str]:
        train, validation, test = list(result.final.values())[:3]
        new = result.figures["recombined_accuracy"]
        return [TITLES[result.experiment], *thousandths([train, new, validation, test])]

    heads = "run, training pairs, training images in new pairs, validation, test"
    return markdown(heads, map(row, results))


def dropout(results: list[Result]) -> str:
    """The runs with batch norm, with dropout and without, and those of the report."""

    def rows() -> Iterator[list[str]]:
        for result in results:
            yield [TITLES[result.experiment], *thousandths(list(result.final.values())[:3])]
        for experiment in ("dropout-0.1", "dropout-0.5"):
            cells = thousandths(REPORT[experiment][:3])
            yield [f"the report's: {TITLES[experiment]}", *cells]

    return markdown("run, train accuracy, validation accuracy, test accuracy", rows())


def averages(results: list[Result]) -> str:
    """Test figures with batch norm's averages as trained and recomputed."""

    def rows() -> Iterator[list[str]]:
        for result in results:
            before, after = result.figures, result.recomputed
            pairs = (thousandths([before[name], after[name]]) for name in names)
            yield [TITLES[result.experiment], *(" → ".join(pair) for pair in pairs)]

    names = ("accuracy", "accuracy_at_threshold", "equal_error_rate", "loss")
    return markdown("run, accuracy at 0.5, at the threshold, EER, loss", rows())


def splits(results: list[Result]) -> str:
    """The same network, with validation pairs drawn as in the report and by identity."""

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
    """For each trait, its mean over right and wrong pairs, at the threshold from validation."""

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

    return markdown("run, trait, same: right, wrong, different: right, wrong", rows())


def standard_error(values: np.ndarray) -> float:
    """That of their mean."""
    return float(values.std(ddof=1) / len(values) ** 0.5)


def compare(right: np.ndarray, wrong: np.ndarray) -> list[str]:
    """Means and their standard errors, in bold where wrong pairs differ by more than chance."""
    if min(len(right), len(wrong)) < 2:
        return [f"({len(values)} pairs)" for values in (right, wrong)]
    means = [values.mean() for values in (right, wrong)]
    errors = [standard_error(values) for values in (right, wrong)]
    cells = [f"{mean:.3f} ± {error:.3f}" for mean, error in zip(means, errors, strict=True)]
    if abs(means[1] - means[0]) > 2 * np.hypot(*errors):
        cells[1] = f"**{cells[1]}**"
    return cells


def reported(results: list[Result]) -> list[Result]:
    """The first seed's runs of the report's experiments."""
    return [result for result in results if result.seed == 0 and result.experiment in REPORT]


def page(results: list[Result], traits: dict[str, np.ndarray]) -> str:
    """The page, of the first seed's runs where nothing else is said."""
    runs = {result.experiment: result for result in results if result.seed == 0}
    first = reported(results)
    versions = first[0].config["versions"]
    parts = [
        PAGE_HEAD.format(**versions),
        table(first),
        TEST_ACCURACY.format(n=len(first[0].labels)),
        thresholds(first),
        best(first),
        PICTURES,
    ]
    if any(result.seed for result in results):
        parts += [SEEDS, seeds(results)]
    parts += [CONCLUSION, conclusions(first)]
    if any(result.seed for result in results):
        parts += [seed_noise(results)]
    parts += [MEMORY, memory(first)]
    names = ("batch-norm", "dropout-0.1", "dropout-0.5")
    parts += [DROPOUT, dropout([runs[name] for name in names if name in runs])]
    if any(result.recomputed for result in first):
        parts += [AVERAGES, averages([result for result in first if result.recomputed])]
    both = [runs[name] for name in ("batch-norm", "by-identity") if name in runs]
    if len(both) == 2:
        parts += [SPLITS, splits(both)]
    parts += [ERRORS, errors(first, traits)]
    parts += [(HERE / "discussion.md").read_text().strip()]
    return "\n\n".join(parts) + "\n"


PAGE_HEAD = """\
# Results on LFW

The experiments of the report that applies Koch et al. 2015 to LFW's View 1, at full size, beside
the report's figures. The first two of these commands make the runs that are not in
`examples/lfw/results/` (`--results DIR` makes them anew), the third this page from what is there:

```console
python examples/lfw/experiments.py --data lfw --only report
python examples/lfw/experiments.py --data lfw --only batch-norm --seeds 3
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
deviation over the seeds tell which differences between rows are noise. The last column is explained
below."""

CONCLUSION = """\
## The report's conclusions

Differences of test accuracy in points, with the standard error of a paired comparison on the same
test pairs, which tells what is chance of the pairs."""

MEMORY = """\
## Why train accuracy goes to 1.0

The network has 38.9 million weights and 1,870 labels to learn. In the second column, the training
images are in pairs that were not trained on, half of them same: a network that had learnt the
identities would be right there too, one that knows its pairs by heart would not. Accuracies at 0.5,
after the last epoch."""

DROPOUT = """\
## Dropout, wired or not

The report's listing leaves its dropout layers out of the chain. Train accuracy is measured with
dropout at work, so that the report's 0.9995 beside a rate of 0.5 looks like that of a network
without it. Here, the layers are in the chain."""

AVERAGES = """\
## Batch norm's averages lag behind

After training, batch norm uses averages that each of the 15 steps of an epoch has moved by a
hundredth: for long, they are of weights that are gone, and validation loss hardly falls while
training accuracy is 1.0 already. With dropout, they are also of layers some of which were off. On
the test pairs, with averages as trained, and recomputed over the training images for the last
epoch's weights:"""

SPLITS = """\
## Validation by pair and by identity

The report draws its validation pairs from the list, so that most of them have an identity who is in
training pairs too. Split by identity, none has, as no test pair has; pairs of an identity of each side
are left out."""

ERRORS = """\
## What the wrong pairs have in common

Of each pair, numbers that say something of pose and light, for pixels in [0, 1]: asymmetry is the
mean absolute difference between an image and its mirror image, contrast the standard deviation.
Means and their standard errors over the pairs that are right and wrong at the threshold from
validation; bold where they differ by more than two standard errors, as one in twenty does by
chance."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=HERE / "results", metavar="DIR")
    parser.add_argument("--docs", type=Path, default=DOCS, metavar="DIR", help="where to write")
    settings = parser.parse_args(arguments)
    results = load_all(settings.results, REPORT_RUNS)
    if not results:
        parser.error(f"no finished run in {settings.results}; make some: experiments.py --data DIR")
    traits = columns(settings.results / "traits.csv")
    traits = {name: traits[name].astype(float) for name in TRAITS}
    (settings.docs / "images").mkdir(parents=True, exist_ok=True)
    draw(reported(results), settings.docs / "images")
    (settings.docs / "lfw-results.md").write_text(page(results, traits))
    print(f"{len(results)} runs are on {settings.docs / 'lfw-results.md'}")


if __name__ == "__main__":
    main()
