"""Writes the page of the recipes, docs/lfw-recipes.md, from what experiments.py has kept.

    pip install -e ".[plot]"
    python examples/lfw/recipes.py

It reads the small files below examples/lfw/results/ only: no image, no TensorFlow.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ablations import ablations
from plans import CURVE_RUNS, EXPERIMENTS, REPORT_RUNS, WITH_RUNS
from recipe_pictures import draw_recipes
from report import DOCS, HERE, compare, markdown
from results import REPORT, Result, Runs, columns, figure, group, load_all, median
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
    "tar_at_far_1e-1",
    "tar_at_far_1e-2",
)
_HEADS = "accuracy, AUC, EER, TAR at FAR 0.1, TAR at FAR 0.01"  # of those


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


def curve(runs: Runs) -> str:
    def rows() -> Iterator[list[str]]:
        for results in on_curve(runs):
            trained = results[0].sizes["trained_on"]
            counts = [f"{trained[name]:,}" for name in ("identities", "images")]
            yield [*counts, *(median(results, name) for name in _FIGURES)]

    return markdown(f"identities, images, {_HEADS}", rows())


def on_curve(runs: Runs) -> list[list[Result]]:
    """From few identities to all, the seeds of each."""
    return [runs[name] for name in (*CURVE_RUNS, "unrestricted") if name in runs]


def seen(runs: Runs) -> dict[str, int]:
    """The fewest and the most images in training, repetitions counted."""
    first = (results[0] for results in on_curve(runs))
    counts = [len(r.history["loss"]) * r.sizes["trained_on"]["images"] for r in first]
    return {"least": min(counts), "most": max(counts)}


def point(results: list[Result]) -> tuple[int, float]:
    """On the curve: identities, and the median of the accuracy."""
    accuracy = statistics.median(figure(result, "accuracy_at_threshold") for result in results)
    return results[0].sizes["trained_on"]["identities"], accuracy


def doubling(runs: Runs) -> str:
    """What each doubling of the identities has given, by a line through the logarithms."""
    identities, accuracy = zip(*map(point, on_curve(runs)), strict=True)
    slope = 100 * np.polyfit(np.log2(identities), accuracy, 1)[0]
    return (
        f"Over these {len(identities)} points, each doubling of the identities gives {slope:.1f} points "
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
    parts += ablations(runs)
    if len(on_curve(runs)) > 1:
        parts += [_CURVE.format(**seen(runs)), curve(runs), doubling(runs)]
    parts += [_ERRORS, kinds(first, traits), _HARDEST, hardest(first, traits)]
    return "\n\n".join(parts) + "\n"


_HEAD = """\
# Recipes

How well faces of identities never seen in training can be told from LFW's own images, with nothing
from elsewhere: random weights, View 1. That is LFW's view for development: its figures are not to
be compared with those published for View 2, of ten trainings. The first of these commands makes the
runs of the recipes that are not in `examples/lfw/results/` (`--results DIR` makes them anew), the
second this page from all that is there:

```console
python examples/lfw/experiments.py --data lfw --only recipes --seeds 3
python examples/lfw/recipes.py
```

- `report` is the report's setup, in the run that is its best one there (`--only {best}`), with the
  weights of the lowest validation EER. Of the 2,200 pairs of the train list, with their labels, 85%
  are for training. The threshold is the one of highest accuracy on the other pairs, whose identities
  are in training too. As measured here, [others of its runs](lfw-results.md) come a little further.
- `restricted` learns from pairs and labels of that list, and nothing else (LFW's image-restricted
  setting), 90% of them. Its loss pulls together the embeddings of images that same pairs link,
  and pushes them away from all others of the batch, which are taken to be of other identities. Names
  serve only to keep the identities of the validation pairs out of training.
- `unrestricted` learns from the images and names of the identities in the train list.

In the last two, nobody in the validation pairs is in training. The threshold is the one at which
they have equal error rates: [chosen on few pairs](concepts.md#thresholds), it varies less than the
one of highest accuracy. The weights are those of the last epoch, when the learning rate has fallen
to zero. All settings were chosen on validation pairs; but test figures of earlier versions were
known by then, and of these trainings those at the threshold of highest accuracy, so that the
figures may be a little too good. The report gives {report} for its best run, at 0.5. Median over
the seeds, and the lowest and highest; minutes on two cores.

Python {python}, TensorFlow {tensorflow}, Keras {keras}, NumPy {numpy}. The images are the
deep-funneled ones. `train.py --download` fetches the funneled ones: figures will differ."""

_PICTURE = """\
![ROC curves of the recipes, seed 0, and accuracy by identities](images/lfw-recipes.svg)"""

_CURVE = """\
## What more identities would give

`unrestricted` on some of the training identities, and on all (`--only curve`). Of fewer identities it makes
more epochs, so that each network has seen about as many images ({least:,} to
{most:,})."""

_ERRORS = """\
## What remains wrong

Of `unrestricted`, seed 0, with the numbers of pose and light that [the report's
page](lfw-results.md) explains; bold where right and wrong pairs differ by more than two standard
errors."""

_HARDEST = """\
The most confident errors of each kind:"""


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
