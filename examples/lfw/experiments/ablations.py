"""The sections of the page of recipes that compare experiments with one change each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from experiments.plans import RESTRICTED_RUNS, UNRESTRICTED_RUNS, WITH_RUNS, Plans, changes
from experiments.results import Result, Runs, median
from experiments.tables import markdown, standard_error


class Section(NamedTuple):
    """A section of the page: experiments that change one setting of the first experiment."""

    text: str
    plans: Plans
    note: str = ""


def ablations(runs: Runs) -> Iterator[str]:
    """Write the sections that have something to compare."""
    for sections in _SECTIONS:
        compared = [differences(runs, section.plans) for section in sections]
        deviation = between_seeds(points for each in compared for points in each.values())
        for section, change in zip(sections, compared, strict=True):
            if change:
                yield section.text.format(noise=noise(deviation))
                yield table(runs, section.plans, change, deviation)
                if section.note:
                    yield section.note


def differences(runs: Runs, plans: Plans) -> dict[str, np.ndarray]:
    """Compute the points of accuracy that each change adds, by common seed and test pair."""
    base, *others = plans
    first = {run.seed: run for run in runs.get(base, [])}

    def points(results: list[Result]) -> list[np.ndarray]:
        both = ((run, first[run.seed]) for run in results if run.seed in first)
        return [100.0 * right(changed) - 100.0 * right(unchanged) for changed, unchanged in both]

    def right(run: Result) -> np.ndarray:
        return run.right(run.figures["threshold"])

    every = {name: points(runs[name]) for name in others if name in runs}
    return {name: np.array(rows) for name, rows in every.items() if rows}


def between_seeds(points: Iterable[np.ndarray]) -> float:
    """Pool the standard deviation of differences over the seeds. NaN if all have one seed."""
    means = [rows.mean(axis=1) for rows in points]
    freedom = sum(len(values) - 1 for values in means)
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in means)
    return (squares / freedom) ** 0.5 if freedom else math.nan


def noise(deviation: float) -> str:
    """Say how much a difference varies between seeds."""
    if math.isnan(deviation):
        return "With one seed of each, the standard error covers the choice of pairs only."
    return (
        f"Between seeds, a difference varies by {deviation:.1f} points (one standard deviation, "
        "pooled over the rows)."
    )


def table(runs: Runs, plans: Plans, points: dict[str, np.ndarray], deviation: float) -> str:
    """Tabulate the first experiment, and each change of it."""
    base = next(iter(plans))

    def rows() -> Iterator[list[str]]:
        results = runs[base]
        epochs = f"{len(results[0].history['loss'])} epochs"
        yield ["unchanged", epochs, str(len(results)), *medians(results), ""]
        for name, values in points.items():
            settings = f"`{changes(plans[name], plans[base])}`"
            title, seeds = name.removeprefix(f"{base}-"), str(len(runs[name]))
            yield [title, settings, seeds, *medians(runs[name]), difference(values, deviation)]

    def medians(results: list[Result]) -> list[str]:
        return [
            median(results, name) for name in ("accuracy_at_threshold", "auc", "equal_error_rate")
        ]

    return markdown("change, settings, seeds, accuracy, AUC, EER, difference in accuracy", rows())


def difference(points: np.ndarray, deviation: float) -> str:
    """Write the mean and its standard error, in bold if above two standard errors."""
    of_seeds = 0.0 if math.isnan(deviation) else deviation / len(points) ** 0.5
    mean, error = points.mean(), math.hypot(standard_error(points.mean(axis=0)), of_seeds)
    text = f"{mean:+.1f} ± {error:.1f}"
    return f"**{text}**" if abs(mean) > 2 * error else text


_RESTRICTED = """\
## What matters in `restricted`

Each row changes one ingredient of the recipe (`--only without`). Differences are in points, over
the seeds that both experiments have, on the same test pairs. Their standard error covers the
choice of pairs and of seeds. Bold differences exceed two standard errors. Others may be chance.
{noise}"""

_RESTRICTED_NOTE = """\
Some rows change more than one thing. `augment=koch2015` has neither light nor erasing, and shears
and scales more. `schedule=constant` has no Nesterov momentum, and keeps the weights of the epoch
with the lowest validation EER. `loss=binary_crossentropy` trains the three towers by the loss of
their joint score, instead of each by its own loss."""

_UNRESTRICTED = """\
## What matters in `unrestricted`

The same comparison, for ingredients that need names. The section above has the common
ingredients."""

_UNRESTRICTED_NOTE = """\
The contrastive loss uses two images of each person in an epoch, a third fewer than all images."""

_WITH = """\
## The report's network with each ingredient

The report's network with batch norm, validation by identity, fewer epochs and ten times the
report's learning rate. Each row adds one ingredient of the recipes (`--only with`). In so few
steps [batch norm's averages lag behind](lfw-results.md#batch-norms-averages-lag-behind), so they
are recomputed here. {noise}"""

# The variation between seeds is pooled over the sections of a row.
_SECTIONS = (
    (
        Section(_RESTRICTED, RESTRICTED_RUNS, _RESTRICTED_NOTE),
        Section(_UNRESTRICTED, UNRESTRICTED_RUNS, _UNRESTRICTED_NOTE),
    ),
    (Section(_WITH, WITH_RUNS),),
)
