"""Write the page of the recipes, docs/lfw-recipes.md, from kept results.

pip install -e ".[plot]"
python examples/lfw/experiments recipes
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from traits import TRAITS

from experiments.ablations import ablations
from experiments.pages import page_parser, read_traits
from experiments.plans import CURVE_RUNS, EXPERIMENTS, REPORT_RUNS, WITH_RUNS
from experiments.recipe_plots import draw_recipes
from experiments.results import REPORT, Result, Runs, figure, group, load_all, median
from experiments.tables import compare, markdown
from siamese_verify.files import replacing

_KOCH_PARAMETERS = 38_949_952  # The oldest results do not record it.
_BEST = "dropout-0.5"  # The run with the report's highest test accuracy.
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
_HEADS = "accuracy, AUC, EER, TAR at FAR 0.1, TAR at FAR 0.01"


def recipes(runs: Runs) -> str:
    """Tabulate the recipes."""

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
    """Tabulate the learning curve."""

    def rows() -> Iterator[list[str]]:
        for results in on_curve(runs):
            trained = results[0].sizes["trained_on"]
            counts = [f"{trained[name]:,}" for name in ("identities", "images")]
            yield [*counts, *(median(results, name) for name in _FIGURES)]

    return markdown(f"people, images, {_HEADS}", rows())


def on_curve(runs: Runs) -> list[list[Result]]:
    """Select the runs of the learning curve, from few identities to all."""
    return [runs[name] for name in (*CURVE_RUNS, "unrestricted") if name in runs]


def seen(runs: Runs) -> dict[str, int]:
    """Count the fewest and the most images seen in training, with repetitions."""
    first = (results[0] for results in on_curve(runs))
    counts = [len(r.history["loss"]) * r.sizes["trained_on"]["images"] for r in first]
    return {"least": min(counts), "most": max(counts)}


def point(results: list[Result]) -> tuple[int, float]:
    """Find a point of the learning curve: identities, and median accuracy."""
    accuracy = statistics.median(figure(result, "accuracy_at_threshold") for result in results)
    return results[0].sizes["trained_on"]["identities"], accuracy


def doubling(runs: Runs) -> str:
    """Say how accuracy grows with each doubling, from a line through the logarithms."""
    identities, accuracy = zip(*map(point, on_curve(runs)), strict=True)
    slope = 100 * np.polyfit(np.log2(identities), accuracy, 1)[0]
    return (
        f"Over these {len(identities)} runs, each doubling of the people adds {slope:.1f} points "
        "of accuracy."
    )


def hardest(result: Result, traits: dict[str, np.ndarray]) -> str:
    """Tabulate the most confident errors, and the trait in which each stands out most."""
    threshold = result.figures["threshold"]
    wrong = ~result.right(threshold)
    ranks = {name: values.argsort().argsort() / len(values) for name, values in traits.items()}

    def rows() -> Iterator[list[str]]:
        for label, kind in ((1, "genuine, rejected"), (0, "impostor, accepted")):
            chosen = np.flatnonzero(wrong & (result.labels == label))
            order = chosen[np.argsort(-np.abs(result.scores[chosen] - threshold), kind="stable")]
            for index in order[:5].tolist():
                name = max(ranks, key=lambda name: ranks[name][index])
                trait = f"{TRAITS[name]}, above {ranks[name][index]:.0%} of the pairs"
                pair = (Path(path).stem.replace("_", " ") for path in result.pairs[index])
                yield [kind, *pair, f"{result.scores[index]:.3f}", trait]

    return markdown("kind, left, right, score, what stands out most", rows())


def kinds(result: Result, traits: dict[str, np.ndarray]) -> str:
    """Tabulate each kind of error: its count, and the traits of right and wrong pairs."""
    right = result.right(result.figures["threshold"])

    def rows() -> Iterator[list[str]]:
        for label, kind in ((1, "genuine, rejected"), (0, "impostor, accepted")):
            mine = result.labels == label
            count = f"{(mine & ~right).sum()} of {mine.sum()}"
            for trait, values in traits.items():
                both = compare(values[mine & right], values[mine & ~right])
                yield [kind, count, TRAITS[trait], *both]

    return markdown("kind, pairs, trait, where right, where wrong", rows())


def page(runs: Runs, traits: dict[str, np.ndarray]) -> str:
    """Write the page."""
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

How well can faces of people never seen in training be told apart, with LFW's own images and random
initial weights? These figures are from View 1, LFW's view for development. Published figures are
mostly from View 2, with ten trainings, and are not comparable.

The first command trains what is missing in `examples/lfw/experiments/results/`. With
`--results DIR` it trains everything. The second command writes this page from all kept results:

```console
python examples/lfw/experiments run --data lfw --only recipes --seeds 3
python examples/lfw/experiments recipes
```

- `report` is the setup of [a report](lfw-results.md) that applies Koch et al. (2015) to LFW. The
  table has the run with its highest test accuracy (`--only {best}`). The train list has 2,200
  pairs, of which 85% are for training and the rest for validation. Most validation pairs show
  people who are in training too. The weights are from the epoch of the lowest validation EER. The
  threshold has the highest accuracy on the validation pairs. As measured here, [other
  runs](lfw-results.md) are slightly better.
- `restricted` learns from the pairs and labels of the train list alone (LFW's image-restricted
  setting), and uses 90% of them. Its loss attracts embeddings of images that genuine pairs link.
  It repels all others of the batch, as if they showed other people. Names serve only to keep the
  people of the validation pairs out of training.
- `unrestricted` learns from the images and names of the people in the train list.

For `restricted` and `unrestricted`, nobody in the validation pairs is in training. Their threshold
has equal error rates there. [On few pairs](concepts.md#thresholds), this threshold varies less
than the threshold of highest accuracy. The weights are from the last epoch, when the learning rate
has fallen to zero.

All settings were chosen on validation pairs. But test figures of earlier versions were known by
then, as were test figures of these trainings at the threshold of highest accuracy. So the figures
may be slightly optimistic. The report has {report} for its best run, at 0.5. Cells are medians
over the seeds, with the lowest and the highest figure. Minutes are on two cores.

Python {python}, TensorFlow {tensorflow}, Keras {keras}, NumPy {numpy}. The images are
deep-funneled. `train.py --download` fetches the funneled images, so its figures will differ.

These runs decoded images by a faster, inexact cosine transform, up to 7 of 255 levels from the
[exact one](images.md) of today. With today's pixels, `train.py --data lfw --recipe restricted`
prints accuracy 0.848 [0.824, 0.870], AUC 0.933 [0.915, 0.948] and EER 0.142 [0.121, 0.166]. The
same seed had 0.853, 0.936 and 0.132 here, which lie within these 95% intervals. `unrestricted` and
`report` were not trained again."""

_PICTURE = """\
![ROC curves of the recipes, seed 0, and accuracy by number of people](images/lfw-recipes.svg)"""

_CURVE = """\
## What more people would add

`unrestricted` on some of the people in training, and on all (`--only curve`). With fewer people, it
trains for more epochs, so that each network sees about as many images ({least:,} to {most:,})."""

_ERRORS = """\
## What remains wrong

Errors of `unrestricted`, seed 0, with the traits of pose and light that [the results on
LFW](lfw-results.md#what-the-wrong-pairs-have-in-common) explain. Bold cells differ from right pairs
by more than two standard errors."""

_HARDEST = """\
The most confident errors of each kind:"""


def main(arguments: list[str] | None = None) -> None:
    parser = page_parser(__doc__)
    given = parser.parse_args(arguments)
    others = REPORT_RUNS.keys() | WITH_RUNS.keys()
    names = [_BEST, *(name for name in EXPERIMENTS if name not in others)]
    results = load_all(given.results, names, "best")
    runs = group([*results, *load_all(given.results, WITH_RUNS, "recomputed")])
    if "unrestricted" not in runs:
        parser.error(
            f"{given.results} holds no finished run of unrestricted. Train it first: "
            "python examples/lfw/experiments run --data DIR --only unrestricted"
        )
    traits = read_traits(given.results)
    shown = {_NAMES[name].replace("`", ""): runs[name][0] for name in _RECIPES if name in runs}
    curve = [point(results) for results in on_curve(runs)]
    draw_recipes(shown, curve, given.docs / "images" / "lfw-recipes.svg")
    with replacing(given.docs / "lfw-recipes.md") as unfinished:
        unfinished.write_text(page(runs, traits))
    print(f"{sum(map(len, runs.values()))} runs are on {given.docs / 'lfw-recipes.md'}")
