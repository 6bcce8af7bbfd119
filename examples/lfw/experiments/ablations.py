"""What matters: experiments with one setting changed, beside the one that they change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from plans import RESTRICTED_RUNS, UNRESTRICTED_RUNS, WITH_RUNS
from report import markdown, standard_error
from results import Result, Runs, median


class Section(NamedTuple):
    """Of the page: experiments that change one setting of the first."""

    text: str
    plans: dict[str, list[str]]
    note: str = ""


def ablations(runs: Runs) -> Iterator[str]:
    """The sections of which there is something to compare."""
    for sections in _SECTIONS:
        changes = [differences(runs, section.plans) for section in sections]
        deviation = between_seeds(points for change in changes for points in change.values())
        for section, change in zip(sections, changes, strict=True):
            if change:
                yield section.text.format(noise=noise(deviation))
                yield table(runs, section.plans, change, deviation)
                if section.note:
                    yield section.note


def differences(runs: Runs, plans: dict[str, list[str]]) -> dict[str, np.ndarray]:
    """Of each change, in points of accuracy: by the seeds that both have, and by test pair."""
    base, *others = plans
    first = {run.seed: run for run in runs.get(base, [])}

    def points(results: list[Result]) -> list[np.ndarray]:
        both = ((run, first[run.seed]) for run in results if run.seed in first)
        return [100.0 * right(changed) - 100.0 * right(unchanged) for changed, unchanged in both]

    def right(run: Result) -> np.ndarray:
        return run.right(run.figures["threshold"])

    every = {name: points(runs[name]) for name in others if name in runs}
    return {name: np.array(rows) for name, rows in every.items() if rows}


def between_seeds(changes: Iterable[np.ndarray]) -> float:
    """The standard deviation of a difference over the seeds, pooled; NaN if all have one seed."""
    means = [points.mean(axis=1) for points in changes]
    freedom = sum(len(values) - 1 for values in means)
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in means)
    return (squares / freedom) ** 0.5 if freedom else math.nan


def noise(deviation: float) -> str:
    """How much a seed does, for the reader."""
    if math.isnan(deviation):
        return "With one seed of each, it allows for other pairs only."
    return (
        "Another seed moves a difference by "
        f"{deviation:.1f} points (one standard deviation, pooled over the rows)."
    )


def table(
    runs: Runs, plans: dict[str, list[str]], changes: dict[str, np.ndarray], deviation: float
) -> str:
    base = next(iter(plans))
    own = len(plans[base])

    def rows() -> Iterator[list[str]]:
        results = runs[base]
        epochs = f"{len(results[0].history['loss'])} epochs"
        yield ["as it is", epochs, str(len(results)), *medians(results), ""]
        for name, points in changes.items():
            flags = f"`{' '.join(plans[name][own:])}`"
            title, seeds = name.removeprefix(f"{base}-"), str(len(runs[name]))
            yield [title, flags, seeds, *medians(runs[name]), difference(points, deviation)]

    def medians(results: list[Result]) -> list[str]:
        return [
            median(results, name) for name in ("accuracy_at_threshold", "auc", "equal_error_rate")
        ]

    return markdown("change, flags, seeds, accuracy, AUC, EER, difference in accuracy", rows())


def difference(points: np.ndarray, deviation: float) -> str:
    """The mean and its standard error, in bold where it is above two of those."""
    of_seeds = 0.0 if math.isnan(deviation) else deviation / len(points) ** 0.5
    mean, error = points.mean(), math.hypot(standard_error(points.mean(axis=0)), of_seeds)
    text = f"{mean:+.1f} ± {error:.1f}"
    return f"**{text}**" if abs(mean) > 2 * error else text


_RESTRICTED = """\
## What matters in `restricted`

The recipe with one setting changed in each row (`--only without`). The difference is in points,
over the seeds that both have, on the same test pairs. Its standard error allows for other pairs and
other seeds; in bold is what is above two of them, below which it may be chance. {noise}"""

_RESTRICTED_NOTE = """\
Some flags change more than one thing. `--augment koch2015` has neither light nor erasing, and
shears and scales more. `--schedule constant` goes without Nesterov's momentum, and its weights are
those of the epoch of the lowest validation EER. `--loss binary_crossentropy` trains the three
towers by the loss of their joint score, not each by its own."""

_UNRESTRICTED = """\
## What matters in `unrestricted`

The same, with names; what both recipes have in common is above."""

_UNRESTRICTED_NOTE = """\
Two images of each identity in an epoch, as the contrastive loss has here, are a third fewer than
all of them."""

_WITH = """\
## The report's network with each ingredient

The report's network with batch norm, validation by identity, in fewer epochs at ten times the
report's learning rate, with one ingredient of the recipes in each row (`--only with`). In so few
steps [batch norm's averages lag behind](lfw-results.md#batch-norms-averages-lag-behind): they are
recomputed here. {noise}"""

# The seeds of those that stand together tell how much a seed does.
_SECTIONS = (
    (
        Section(_RESTRICTED, RESTRICTED_RUNS, _RESTRICTED_NOTE),
        Section(_UNRESTRICTED, UNRESTRICTED_RUNS, _UNRESTRICTED_NOTE),
    ),
    (Section(_WITH, WITH_RUNS),),
)
