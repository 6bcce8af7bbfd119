"""Run the experiments on LFW that plans.py lists, and keep their results.

    python examples/lfw/experiments run --list                      # what there is
    python examples/lfw/experiments run --data lfw --only report    # the report's runs
    python examples/lfw/experiments run --data lfw --only recipes --seeds 3
    python examples/lfw/experiments run --data lfw                  # all; many hours on two cores

Each run has a folder below --runs, as train.py leaves it. Its small files that show no image are
copied below --results, for the pages. A run with results is finished and never repeated. After an
interruption, the same command continues from the last finished epoch. For a trial, --set and
--limit change every run, and need other folders:

    ... --results /tmp/results --runs /tmp/runs --limit 100 --set epochs=2 tower=small
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recipes import Recipe

from experiments.plans import EXPERIMENTS, GROUPS
from siamese_verify.files import replacing

RESULTS = Path(__file__).parent / "results"
FIGURES = "figures.json"


@dataclass(frozen=True)
class Run:
    """A training run: an experiment and its seed."""

    experiment: str
    seed: int
    recipe: Recipe

    @property
    def name(self) -> str:
        """Name of its folders."""
        return f"{self.experiment}-seed{self.seed}"

    def is_finished(self, results: Path) -> bool:
        """Tell whether its results are kept."""
        return (results / self.name / FIGURES).exists()


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument_group("what to run").add_argument
    only = f"experiments, or their groups: {', '.join(GROUPS)} (default: all groups)"
    names = [*GROUPS, *EXPERIMENTS]
    add("--only", nargs="+", choices=names, default=[*GROUPS], metavar="NAME", help=only)
    add("--seeds", type=int, default=1, metavar="N", help="seeds 0 to N - 1 (default: 1)")
    add("--limit", type=int, metavar="PAIRS", help="pairs for a trial (default: all)")
    add("--set", nargs="+", default=[], metavar="FIELD=VALUE", help="change a field of each recipe")
    add("--list", action="store_true", help="show what is finished, and end")

    add = parser.add_argument_group("where").add_argument
    add("--data", type=Path, metavar="DIR", help="folder with lfw2/ and the two pair lists")
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="default: runs")
    add("--results", type=Path, default=RESULTS, metavar="DIR", help="default: here, in results/")
    given = parser.parse_args(arguments)
    if given.seeds < 1:
        parser.error(f"--seeds must be at least 1. Received: --seeds {given.seeds}")
    if not given.list and not given.data:
        parser.error("--data is missing: the folder with lfw2/ and the two pair lists")
    if given.data and not given.data.is_dir():
        parser.error(f"--data must be an existing folder. Received: --data {given.data}")
    return given


def planned(only: Sequence[str], seeds: int, changes: dict[str, Any]) -> list[Run]:
    """List all runs, seed by seed, so that each experiment has its first result early."""
    names = list(dict.fromkeys(n for name in only for n in GROUPS.get(name, [name])))
    return [
        Run(name, seed, replace(EXPERIMENTS[name], **changes))
        for seed in range(seeds)
        for name in names
    ]


def parse_changes(texts: Sequence[str]) -> dict[str, Any]:
    """Parse `FIELD=VALUE`. Values are JSON, or else text."""

    def parse(value: str) -> Any:
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value

    return {name: parse(value) for name, _, value in (text.partition("=") for text in texts)}


def read_seconds(folder: Path) -> list[float]:
    """Read the seconds of each finished epoch of a run."""
    try:
        with (folder / "history.csv").open(newline="") as file:
            return [float(row["seconds"]) for row in csv.DictReader(file)]
    # A damaged history is written again when its run goes on.
    except (OSError, ValueError, TypeError, KeyError, csv.Error):
        return []


def show(runs: Sequence[Run], folder: Path, results: Path) -> None:
    print(f"{'run':<30}{'epochs':>8}  state")
    for run in runs:
        done = len(read_seconds(folder / run.name))
        state = f"{done} epochs done" if done else "missing"
        state = "finished" if run.is_finished(results) else state
        print(f"{run.name:<30}{run.recipe.epochs:>8}  {state}")


def forecast(runs: Sequence[Run], folder: Path) -> str:
    """Estimate the time of the remaining epochs from the pace of the finished epochs."""
    left, known = 0.0, [s for run in runs for s in read_seconds(folder / run.name)]
    for run in runs:
        seconds = read_seconds(folder / run.name)
        pace = seconds or known
        left += (run.recipe.epochs - len(seconds)) * sum(pace) / max(1, len(pace))
    hours, minutes = divmod(round(left / 60), 60)
    return f"{hours} h {minutes:02} min"


def alike(run: Run, runs: Sequence[Run]) -> list[Run]:
    """List the runs of a run's group, whose epochs need about as long."""
    group = next(group for group in GROUPS.values() if run.experiment in group)
    return [other for other in runs if other.experiment in group]


def perform(run: Run, missing: Sequence[Run], given: argparse.Namespace) -> None:
    """Train, and keep the results."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it when it is imported.
    import train
    from options import Options

    keras, group = train.keras, alike(run, missing)
    keras.backend.clear_session()
    announcer = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: print(
            f"\nstill {forecast(group, given.runs)} for this group"
        )
    )
    folder = given.runs / run.name
    options = Options(
        recipe=run.recipe, data=given.data, run=folder, limit=given.limit, seed=run.seed
    )
    train.train(options, [announcer])
    keep(folder, given.results / run.name)


def keep(folder: Path, kept: Path) -> None:
    """Copy the small files of a run. The figures come last: they mark a run as finished."""
    kept.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "history.csv", "scores.csv", FIGURES):
        with replacing(kept / name) as unfinished:
            unfinished.write_text((folder / name).read_text())


def write_traits_once(data: Path, path: Path) -> None:
    if not path.exists():
        from traits import write_traits

        path.parent.mkdir(parents=True, exist_ok=True)
        write_traits(data, path)


def main(arguments: list[str] | None = None) -> None:
    given = parse_arguments(arguments)
    runs = planned(given.only, given.seeds, parse_changes(given.set))
    if given.list:
        show(runs, given.runs, given.results)
        return
    missing = [run for run in runs if not run.is_finished(given.results)]
    write_traits_once(given.data, given.results / "traits.csv")
    for number, run in enumerate(missing, start=1):
        print(f"\n=== {run.name}, {number} of {len(missing)} missing runs")
        perform(run, missing[number - 1 :], given)
    print(f"\n{len(runs)} runs are finished. Their results are in {given.results}/")
