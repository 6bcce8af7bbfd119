"""Runs the experiments on LFW that plans.py lists, and keeps their results.

    python experiments.py --data lfw                      # what is missing; many hours on two cores
    python experiments.py --data lfw --only report        # the report's runs, and one more
    python experiments.py --data lfw --only recipes --seeds 3
    python experiments.py --list                          # what there is

Interrupted or killed, it goes on where it was when the same command is given again, losing at most
the epoch under way. A finished run is never run again. Each run has a folder below --runs, as
train.py leaves it; what is small and shows no image is copied below --results, from which
report.py and recipes.py write their pages. What follows a lone -- goes to train.py, after the
experiment's own:

    python experiments.py --data lfw --results /tmp/r --runs /tmp/t -- --limit 100 --epochs 2
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from plans import EXPERIMENTS, GROUPS
from settings import parse_arguments as parse_settings

from siamese_verify.files import replacing

HERE = Path(__file__).parent
FIGURES = "figures.json"
_ONLY = f"experiments, or groups of them: {', '.join(GROUPS)} (all); see --list"


class Run(NamedTuple):
    """One training run: an experiment and its seed."""

    experiment: str
    seed: int
    settings: list[str]

    @property
    def name(self) -> str:
        """That of its folders."""
        return f"{self.experiment}-seed{self.seed}"

    @property
    def epochs(self) -> int:
        """How many it takes."""
        return int(parse_settings(None, ["--data", "lfw", *self.settings]).epochs)

    def is_finished(self, results: Path) -> bool:
        """Whether its results are there."""
        return (results / self.name / FIGURES).exists()


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    arguments = sys.argv[1:] if arguments is None else arguments
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="folder with lfw2/ and the two pair lists")
    names = [*GROUPS, *EXPERIMENTS]
    add("--only", nargs="+", choices=names, default=[*GROUPS], metavar="NAME", help=_ONLY)
    add("--seeds", type=int, default=1, metavar="N", help="runs of each: seeds 0 to N - 1 (1)")
    add("--list", action="store_true", help="show what is finished, and end")
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="(runs)")
    add("--results", type=Path, default=HERE / "results", metavar="DIR", help="(beside this file)")
    settings = parser.parse_args(arguments[:split])
    settings.train = arguments[split + 1 :]
    if settings.seeds < 1:
        parser.error(f"--seeds must be at least 1. Received: {settings.seeds}")
    if not settings.list and not settings.data:
        parser.error("--data DIR is needed: the folder with lfw2/ and the two pair lists")
    if settings.data and not settings.data.is_dir():
        parser.error(f"--data must be a folder that is there. Received: {settings.data}")
    return settings


def planned(settings: argparse.Namespace) -> list[Run]:
    """All runs asked for, seed by seed, so that each experiment is there early."""
    names = list(dict.fromkeys(n for name in settings.only for n in GROUPS.get(name, [name])))
    return [
        Run(name, seed, [*EXPERIMENTS[name], *settings.train, "--seed", str(seed)])
        for seed in range(settings.seeds)
        for name in names
    ]


def read_seconds(folder: Path) -> list[float]:
    """Those of each finished epoch of a run."""
    try:
        with (folder / "history.csv").open(newline="") as file:
            return [float(row["seconds"]) for row in csv.DictReader(file)]
    except FileNotFoundError:
        return []


def show(runs: list[Run], settings: argparse.Namespace) -> None:
    print(f"{'run':<30}{'epochs':>8}  state")
    for run in runs:
        done = len(read_seconds(settings.runs / run.name))
        state = f"{done} epochs done" if done else "missing"
        state = "finished" if run.is_finished(settings.results) else state
        print(f"{run.name:<30}{run.epochs:>8}  {state}")


def forecast(runs: list[Run], folder: Path) -> str:
    """How long the epochs that are left will take, at the pace of those that are done."""
    left, known = 0.0, [s for run in runs for s in read_seconds(folder / run.name)]
    for run in runs:
        seconds = read_seconds(folder / run.name)
        pace = seconds or known
        left += (run.epochs - len(seconds)) * sum(pace) / max(1, len(pace))
    hours, minutes = divmod(round(left / 60), 60)
    return f"{hours} h {minutes:02} min"


def alike(run: Run, runs: list[Run]) -> list[Run]:
    """Those of a run's group, whose epochs take about as long as its own."""
    group = next(group for group in GROUPS.values() if run.experiment in group)
    return [other for other in runs if other.experiment in group]


def announcer(runs: list[Run], folder: Path) -> Any:
    """A callback that tells after each epoch how long these runs will still take."""
    import keras

    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: print(f"\nstill {forecast(runs, folder)} for this group")
    )


def perform(run: Run, missing: list[Run], settings: argparse.Namespace) -> None:
    import keras
    import train

    folder = settings.runs / run.name
    keras.backend.clear_session()
    train.main(
        ["--data", str(settings.data), "--run", str(folder), *run.settings],
        callbacks=[announcer(alike(run, missing), settings.runs)],
    )
    keep(folder, settings.results / run.name)


def write_traits_once(data: Path, path: Path) -> None:
    if path.exists():
        return
    from traits import write_traits

    path.parent.mkdir(parents=True, exist_ok=True)
    write_traits(data, path)


def keep(folder: Path, kept: Path) -> None:
    """Copies what is small; last the figures, whose presence says that the run is finished."""
    kept.mkdir(parents=True, exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    for where in ("data", "run", "cache", "download"):
        del config["settings"][where]
    write_whole(kept / "config.json", json.dumps(config, indent=2) + "\n")
    for name in ("history.csv", "scores.csv", FIGURES):
        write_whole(kept / name, (folder / name).read_text())


def write_whole(path: Path, text: str) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text(text)


def main(arguments: list[str] | None = None) -> None:
    settings = parse_arguments(arguments)
    runs = planned(settings)
    if settings.list:
        show(runs, settings)
        return
    missing = [run for run in runs if not run.is_finished(settings.results)]
    write_traits_once(settings.data, settings.results / "traits.csv")
    for number, run in enumerate(missing, start=1):
        print(f"\n=== {run.name}, {number} of {len(missing)} that are missing")
        perform(run, missing[number - 1 :], settings)
    print(f"\n{len(runs)} runs are finished; their results are in {settings.results}/")


if __name__ == "__main__":
    main()
