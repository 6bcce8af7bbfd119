"""The command line of train.py."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recipes import RECIPES, Recipe

import siamese_verify as sv


@dataclass(frozen=True, kw_only=True)
class Options:
    """A run: a recipe, its data, and where it is kept.

    Attributes:
        recipe: Recipe.
        data: Folder with `lfw2/` and the two pair lists. None for drawn faces.
        run: Folder for the files of the run.
        download: Whether LFW is fetched into `data` first.
        limit: Number of training and of test pairs. None for all.
        seed: Seed of weights, order, split and dropout.
        hosts: Address of each process that trains.
        process: Number of this process.
    """

    recipe: Recipe
    data: Path | None
    run: Path
    download: bool = False
    limit: int | None = None
    seed: int = 0
    hosts: tuple[str, ...] = ("localhost:0",)
    process: int = 0


def parse_options(description: str | None, arguments: list[str] | None = None) -> Options:
    """Parse a command line. Exit with a message if it is wrong."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument_group("data").add_argument
    add("--data", type=Path, metavar="DIR", help="LFW's images and lists (default: drawn faces)")
    add("--download", action="store_true", help="fetch LFW into --data (default: lfw) first")
    add("--limit", type=int, metavar="PAIRS", help="pairs for a trial, at least 4 (default: all)")

    add = parser.add_argument_group("training").add_argument
    add("--recipe", choices=RECIPES, help="default: report with --data, drawn without")
    add("--epochs", type=int, metavar="N", help=f"default: {_per_recipe('epochs')}")
    add("--batch-norm", action="store_true", help="batch norm in the towers of report and drawn")
    add("--dropout", type=float, metavar="RATE", help=f"default: {_per_recipe('dropout')}")
    add("--seed", type=int, default=0, metavar="N", help="weights, order and split (default: 0)")

    add = parser.add_argument_group("several processes, with KERAS_BACKEND=jax").add_argument
    add("--hosts", default="localhost:0", metavar="HOST:PORT,HOST,...", help="one for each process")
    add("--process", type=int, default=0, metavar="N", help="place of this process in --hosts")

    add = parser.add_argument_group("output").add_argument
    add("--run", type=Path, metavar="DIR", help="default: runs/lfw or runs/drawn, plus -RECIPE")
    given = parser.parse_args(arguments)
    try:
        return _options(given)
    except ValueError as error:
        parser.error(str(error))


def _per_recipe(field: str) -> str:
    return ", ".join(f"{getattr(recipe, field):g} ({name})" for name, recipe in RECIPES.items())


def _options(given: argparse.Namespace) -> Options:
    data = given.data or (Path("lfw") if given.download else None)
    default = "report" if data else "drawn"
    name = given.recipe or default
    changes: dict[str, Any] = {"batch_norm": True} if given.batch_norm else {}
    changes |= {
        n: getattr(given, n) for n in ("epochs", "dropout") if getattr(given, n) is not None
    }
    if data is None:
        changes["crop"] = None  # A drawn face fills its image.
    for field, lowest in (("limit", 4), ("seed", 0)):
        value = getattr(given, field)
        if value is not None and value < lowest:
            raise ValueError(f"--{field} must be at least {lowest}. Received: --{field} {value}")
    hosts = tuple(given.hosts.split(","))
    try:
        sv.ProcessGroup(hosts, given.process)
    except ValueError as error:
        raise ValueError(f"--hosts and --process cannot be used: {error}") from error
    suffix = "" if name == default else f"-{name}"
    return Options(
        recipe=replace(RECIPES[name], **changes),
        data=data,
        run=given.run or Path("runs") / (("lfw" if data else "drawn") + suffix),
        download=given.download,
        limit=given.limit,
        seed=given.seed,
        hosts=hosts,
        process=given.process,
    )
