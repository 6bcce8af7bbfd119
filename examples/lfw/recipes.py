"""Writes the page of the recipes, docs/lfw-recipes.md, from what experiments.py has kept.

    pip install -e ".[plot]"
    python examples/lfw/recipes.py

It reads the small files below examples/lfw/results/ only: no photograph, no TensorFlow.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from plans import (
    CURVE_RUNS,
    EXPERIMENTS,
    REPORT_RUNS,
    RESTRICTED_RUNS,
    UNRESTRICTED_RUNS,
    WITH_RUNS,
)
from recipe_pictures import draw_recipes
from report import DOCS, HERE, compare, markdown, paired
from results import REPORT, Result, columns, load_all
from traits import TRAITS

_KOCH_PARAMETERS = 38_949_952  # See ConvTower.koch2015; the oldest results do not tell.
_BEST = "dropout-0.5"  # of the report's runs, by its test accuracy
_RECIPES = (_BEST, "restricted", "unrestricted")
_NAMES = {_BEST: "`report`, its best run", "restricted": "`restricted`"}
_NAMES["unrestricted"] = "`unrestricted`"
_FIGURES = (
    "accuracy_at_threshold",
    "auc",
    "equal_error_rate",
    "tar_at_far_0.1",
    "tar_at_far_0.01",
)
_HEADS = "accuracy, AUC, EER, TAR at FAR 0.1, TAR at FAR 0.01"  # of those

Runs = dict[str, list[Result]]  # of each experiment, by seed


def figure(result: Result, name: str) -> float:
    # The oldest results have no AUC.
    return result.roc.auc if name == "auc" else result.figures[name]


def median(runs: list[Result], name: str) -> str:
    """That of the seeds and, where there are several, the lowest and the highest."""
    values = [figure(result, name) for result in runs]
    middle = f"{statistics.median(values):.3f}"
    return middle if len(runs) == 1 else f"**{middle}** ({min(values):.3f} to {max(values):.3f})"


def recipes(runs: Runs) -> str:
    def rows() -> Iterator[list[str]]:
        for experiment in _RECIPES:
            if experiment in runs:
                results = runs[experiment]
                minutes = statistics.median(r.history["seconds"].sum() / 60 for r in results)
                parameters = results[0].sizes.get("parameters", _KOCH_PARAMETERS)
                cells = [median(results, name) for name in _FIGURES]
                sizes = [f"{parameters:,}", f"{minutes:.0f}"]
                yield [_NAMES[experiment], str(len(results)), *cells, *sizes]

    return markdown(f"recipe, seeds, {_HEADS}, parameters, minutes", rows())


def changes(runs: Runs, plans: dict[str, list[str]]) -> str:
    """Of a group of experiments, each beside the first one, whose settings it changes."""
    base, *others = plans
    own = len(plans[base])

    def rows() -> Iterator[list[str]]:
        results = runs[base]
        epochs = f"{len(results[0].history['loss'])} epochs"
        yield ["as it is", epochs, *(median(results, n) for n in _FIGURES[:3]), ""]
        for name in others:
            if name in runs:
                flags = f"`{' '.join(plans[name][own:])}`"
                cells = [median(runs[name], figure) for figure in _FIGURES[:3]]
                yield [name.removeprefix(f"{base}-"), flags, *cells, difference(runs[name])]

    def difference(results: list[Result]) -> str:
        """Of each pair, how many of the seeds that both have are right."""
        changed, first = (
            {run.seed: run.right(run.figures["threshold"]) for run in side}
            for side in (results, runs[base])
        )
        seeds = changed.keys() & first.keys()
        sides = (np.mean([side[seed] for seed in seeds], axis=0) for side in (changed, first))
        mean, error = paired(*sides)
        text = f"{mean:+.1f} ± {error:.1f}"
        return f"**{text}**" if abs(mean) > 2 * error else text

    return markdown("change, flags, accuracy, AUC, EER, difference in accuracy", rows())


def curve(runs: Runs) -> str:
    def rows() -> Iterator[list[str]]:
        for results in on_curve(runs):
            trained = results[0].sizes["trained_on"]
            counts = [f"{trained[name]:,}" for name in ("people", "photographs")]
            yield [*counts, *(median(results, name) for name in _FIGURES)]

    return markdown(f"people, photographs, {_HEADS}", rows())


def on_curve(runs: Runs) -> list[list[Result]]:
    """From few people to all, the seeds of each."""
    return [runs[name] for name in (*CURVE_RUNS, "unrestricted") if name in runs]


def point(results: list[Result]) -> tuple[int, float]:
    """On the curve: people, and the median of the accuracy."""
    accuracy = statistics.median(figure(result, "accuracy_at_threshold") for result in results)
    return results[0].sizes["trained_on"]["people"], accuracy


def doubling(runs: Runs) -> str:
    """What each doubling of the people has given, by a line through the logarithms."""
    people, accuracy = zip(*map(point, on_curve(runs)), strict=True)
    slope = 100 * np.polyfit(np.log2(people), accuracy, 1)[0]
    return (
        f"Over these {len(people)} points, each doubling of the people gives {slope:.1f} points "
        "of accuracy."
    )


def hardest(result: Result, traits: dict[str, np.ndarray]) -> str:
    """The most confident errors of each kind, and the trait in which they stand out most."""
    threshold = result.figures["threshold"]
    wrong = ~result.right(threshold)
    ranks = {name: values.argsort().argsort() / len(values) for name, values in traits.items()}

    def rows() -> Iterator[list[str]]:
        for label, kind in ((1, "same, rejected"), (0, "different, accepted")):
            chosen = np.flatnonzero(wrong & (result.labels == label))
            order = chosen[np.argsort(-np.abs(result.scores[chosen] - threshold), kind="stable")]
            for index in order[:5].tolist():
                name = max(ranks, key=lambda name: ranks[name][index])
                trait = f"{TRAITS[name]}, above {ranks[name][index]:.0%} of the pairs"
                pair = (Path(path).stem.replace("_", " ") for path in result.pairs[index])
                yield [kind, *pair, f"{result.scores[index]:.3f}", trait]

    return markdown("kind, left, right, score, what stands out most", rows())


def kinds(result: Result, traits: dict[str, np.ndarray]) -> str:
    """Of each kind of error how many there are, and the means of traits where right and wrong."""
    right = result.right(result.figures["threshold"])

    def rows() -> Iterator[list[str]]:
        for label, kind in ((1, "same, rejected"), (0, "different, accepted")):
            mine = result.labels == label
            count = f"{(mine & ~right).sum()} of {mine.sum()}"
            for trait, values in traits.items():
                both = compare(values[mine & right], values[mine & ~right])
                yield [kind, count, TRAITS[trait], *both]

    return markdown("kind, pairs, trait, where right, where wrong", rows())


def page(runs: Runs, traits: dict[str, np.ndarray]) -> str:
    first = runs["unrestricted"][0]
    parts = [
        _HEAD.format(best=_BEST, report=REPORT[_BEST][2], **first.config["versions"]),
        recipes(runs),
        _PICTURE,
    ]
    for title, plans in (
        (_RESTRICTED, RESTRICTED_RUNS),
        (_UNRESTRICTED, UNRESTRICTED_RUNS),
        (_WITH, WITH_RUNS),
    ):
        base, *others = plans
        if base in runs and any(name in runs for name in others):
            parts += [title, changes(runs, plans)]
    if len(on_curve(runs)) > 1:
        parts += [_CURVE, curve(runs), doubling(runs)]
    parts += [_ERRORS, kinds(first, traits), _HARDEST, hardest(first, traits)]
    return "\n\n".join(parts) + "\n"


_HEAD = """\
# Recipes

How well faces of people never seen in training can be told from LFW's own photographs, with nothing
from elsewhere: random weights, View 1. Each recipe is a default of `train.py`; the runs are made by
the first of these commands, this page by the second, from the files in `examples/lfw/results/`:

```console
python examples/lfw/experiments.py --data lfw --only recipes --seeds 3
python examples/lfw/recipes.py
```

- `report` is the report's setup, in the run that is its best one there (`--only {best}`): of the
  2,200 pairs of the train list, with their labels, 85% are for training. As measured here,
  [others of its runs](lfw-results.md) come a little further at their thresholds.
- `restricted` learns from pairs and labels of that list, and nothing else (LFW's image-restricted
  setting), 90% of them. The photographs that same pairs link are drawn together, away from all
  others of the batch, which are taken to be of other people. Names serve only to keep the people
  of the validation pairs out of training.
- `unrestricted` learns from the photographs and names of the people in the train list.

In the last two, nobody in the validation pairs is in training. The threshold is the one at which
they have equal error rates: [chosen on few pairs](concepts.md#thresholds), it varies less than the
one of highest accuracy. The weights are those of the last epoch, when the learning rate has fallen
to zero. Settings were chosen by validation pairs alone; but test figures of earlier versions had
been seen by then, and those of these trainings at the threshold of highest accuracy. The report
gives {report} for its best run, at 0.5. Median over the seeds, and the lowest and highest; minutes
on two cores.

Python {python}, TensorFlow {tensorflow}, Keras {keras}, NumPy {numpy}."""

_PICTURE = """\
![ROC curves of the recipes, seed 0, and accuracy by people](images/lfw-recipes.svg)"""

_RESTRICTED = """\
## What matters in `restricted`

The recipe with one setting changed in each row (`--only without`). The difference is in points,
with the standard error of a paired comparison on the same test pairs, averaged over the seeds that
both have; in bold where it is above two standard errors, below which it may be chance."""

_UNRESTRICTED = """\
## What matters in `unrestricted`

The same, with names; what both recipes have in common is above."""

_WITH = """\
## The report's network with each ingredient

The report's network with batch norm, validation by person, in fewer epochs at ten times the
report's learning rate, with one ingredient of the recipes in each row (`--only with`). In so few
steps [batch norm's averages lag behind](lfw-results.md#batch-norms-averages-lag-behind): they are
recomputed here."""

_CURVE = """\
## What more people would give

`unrestricted` on some of the training people, and on all (`--only curve`). Of fewer people it makes
more epochs, so that each network has seen as many photographs."""

_ERRORS = """\
## What remains wrong

Of `unrestricted`, seed 0, with the numbers of pose and light that [the report's
page](lfw-results.md) explains; bold where right and wrong pairs differ by more than two standard
errors."""

_HARDEST = """\
The most confident errors of each kind:"""


def group(results: Iterable[Result]) -> Runs:
    runs: Runs = {}
    for result in results:
        runs.setdefault(result.experiment, []).append(result)
    return runs


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=HERE / "results", metavar="DIR")
    parser.add_argument("--docs", type=Path, default=DOCS, metavar="DIR", help="where to write")
    settings = parser.parse_args(arguments)
    others = REPORT_RUNS.keys() | WITH_RUNS.keys()
    names = [_BEST, *(name for name in EXPERIMENTS if name not in others)]
    results = load_all(settings.results, names, "best")
    runs = group([*results, *load_all(settings.results, WITH_RUNS, "recomputed")])
    if "unrestricted" not in runs:
        parser.error(f"no finished run of unrestricted in {settings.results}: experiments.py")
    table = columns(settings.results / "traits.csv")
    traits = {name: table[name].astype(float) for name in TRAITS}
    (settings.docs / "images").mkdir(parents=True, exist_ok=True)
    shown = {_NAMES[name].replace("`", ""): runs[name][0] for name in _RECIPES if name in runs}
    curve = [point(results) for results in on_curve(runs)]
    draw_recipes(shown, curve, settings.docs / "images" / "lfw-recipes.svg")
    (settings.docs / "lfw-recipes.md").write_text(page(runs, traits))
    print(f"{sum(map(len, runs.values()))} runs are on {settings.docs / 'lfw-recipes.md'}")


if __name__ == "__main__":
    main()
