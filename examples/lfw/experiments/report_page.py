"""Write the page of results, docs/lfw-results.md, from kept results.

pip install -e ".[plot]"
python examples/lfw/experiments report
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.pages import page_parser, read_traits
from experiments.plans import REPORT_RUNS
from experiments.report_plots import draw
from experiments.report_tables import (
    averages,
    best,
    conclusions,
    dropout,
    errors,
    memory,
    seed_noise,
    seeds,
    splits,
    tabulate,
    thresholds,
)
from experiments.results import REPORT, Result, load_all
from siamese_verify.files import replacing

HERE = Path(__file__).parent


def reported(results: list[Result]) -> list[Result]:
    """Select the first seed's runs of the report's experiments."""
    return [result for result in results if result.seed == 0 and result.experiment in REPORT]


def page(results: list[Result], traits: dict[str, np.ndarray]) -> str:
    """Write the page. Its figures are from seed 0 unless it says otherwise."""
    runs = {result.experiment: result for result in results if result.seed == 0}
    first = reported(results)
    versions = first[0].config["versions"]
    parts = [
        PAGE_HEAD.format(**versions),
        tabulate(first),
        TEST_ACCURACY.format(n=len(first[0].labels)),
        thresholds(first),
        best(first),
        PLOTS,
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

A report applies Koch et al. (2015) to LFW's View 1 with five networks. This page repeats its
experiments at full size, with [the same setup](lfw.md#the-recipes), and compares the figures. Here
it is called "the report".

The first two commands train what is missing in `examples/lfw/experiments/results/`. With
`--results DIR` they train everything. The third command writes this page from all kept results:

```console
python examples/lfw/experiments run --data lfw --only report
python examples/lfw/experiments run --data lfw --only batch-norm --seeds 3
python examples/lfw/experiments report
```

Python {python}, TensorFlow {tensorflow}, Keras {keras}, NumPy {numpy}. Figures are from the last
epoch. The report's figures are in parentheses."""

TEST_ACCURACY = """\
With {n:,} test pairs, one standard error of an accuracy is 1.4 to 1.6 points. The report uses 0.5
as the threshold. The next table adds the threshold that is best on the validation pairs:"""

PLOTS = """\
![Test accuracy of each run and of the report](images/lfw-accuracy.svg)

## Accuracy and loss over the epochs

![Curves of each run](images/lfw-curves.svg)

## Scores of genuine and impostor pairs

The dashed line is the threshold from the validation pairs.

![Histograms of the test scores of each run](images/lfw-scores.svg)

## ROC

![ROC curves of all runs](images/lfw-roc.svg)"""

SEEDS = """\
## Between seeds

Another seed draws other weights, another order of the pairs and another split. Differences between
rows that are small compared with the standard deviation over the seeds are noise. The last column
is explained below."""

CONCLUSION = """\
## The report's conclusions

The table compares test accuracies. Differences are in points. The standard error is from a paired
comparison on the same test pairs. It covers the choice of pairs, but not the choice of seed."""

MEMORY = """\
## Why train accuracy reaches 1.0

The network has 38.9 million weights and 1,870 labels to learn. In the second column, the training
images form pairs that were not trained on, half of them genuine. A network that had learnt the
people would be right there too. A network that has memorized its pairs is not. Accuracies are at
0.5, after the last epoch."""

DROPOUT = """\
## Dropout, wired or not

The report's listing leaves its dropout layers out of the chain. Train accuracy is measured while
dropout is active. The report's train accuracy of 0.9995 at a rate of 0.5 therefore suggests a
network without dropout. Here, the layers are in the chain."""

AVERAGES = """\
## Batch norm's averages lag behind

After training, batch norm uses moving averages. Each of the 15 steps of an epoch moves them by a
hundredth, so they still reflect earlier weights. Validation loss hardly falls while training
accuracy is 1.0 already. With dropout, the averages also reflect layers that are partly off. The
table compares test figures with averages as trained and with averages recomputed over the training
images for the last epoch's weights:"""

SPLITS = """\
## Validation by pair and by identity

The report draws its validation pairs from the list, so most of them show a person who is in
training pairs too. A split by identity avoids this, as the test list does. It leaves out pairs with
one person on each side."""

ERRORS = """\
## What the wrong pairs have in common

The traits are numbers about pose and light, for pixels in [0, 1]. Asymmetry is the mean absolute
difference between an image and its mirror image. Contrast is the standard deviation. The table has
means and standard errors over right and wrong pairs, at the threshold from validation. Bold cells
differ by more than two standard errors, which happens by chance once in twenty."""


def main(arguments: list[str] | None = None) -> None:
    parser = page_parser(__doc__)
    given = parser.parse_args(arguments)
    results = load_all(given.results, REPORT_RUNS)
    if not results:
        parser.error(
            f"{given.results} holds no finished run. Train some first: "
            "python examples/lfw/experiments run --data DIR"
        )
    traits = read_traits(given.results)
    draw(reported(results), given.docs / "images")
    with replacing(given.docs / "lfw-results.md") as unfinished:
        unfinished.write_text(page(results, traits))
    print(f"{len(results)} runs are on {given.docs / 'lfw-results.md'}")
