"""The files in which a run writes down its settings, epochs, scores and figures."""

from __future__ import annotations

import csv
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from lfw_data import TEST_LIST, TRAIN_LIST
from options import Options

import siamese_verify as sv
from siamese_verify.files import read_regular_file, replacing
from siamese_verify.messages import shown
from siamese_verify.training.resuming.state_file import read_state

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, float]

_ANOTHER = "another folder for this run: --run DIR"
_MAX_CONFIG_BYTES = 1_000_000


def begin(options: Options, data: Path) -> None:
    """Write `config.json`. Raise if the folder holds a run that this one does not continue."""
    settings = asdict(options.recipe) | {"limit": options.limit, "seed": options.seed}
    lists = {name: _digest(data / name) for name in (TRAIN_LIST, TEST_LIST)}
    config = {"settings": settings, "lists": lists, "versions": _versions()}
    run, path = options.run, options.run / "config.json"
    finished = _finished_epochs(run)
    if finished is not None and (problem := _difference(_read_config(path), config, finished)):
        raise sv.RunFolderError(f"{shown(run)} holds a run {problem}. Choose {_ANOTHER}")
    if sv.ProcessGroup.current().is_main_process:
        write_json(path, config)


def _finished_epochs(run: Path) -> int | None:
    """Count the finished epochs of a run. None if the folder holds no run."""
    path = run / "state.npz"
    if path.exists():
        return len(read_state(path)["epochs"])
    if any((run / name).exists() for name in ("history.csv", "best.keras")):
        raise _unreadable(path, "it is lost")
    return None


def _read_config(path: Path) -> dict[str, dict[str, Any]]:
    try:
        config = json.loads(read_regular_file(path, _MAX_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error
    parts = [config.get(name) for name in ("settings", "lists")] if isinstance(config, dict) else []
    if not parts or not all(isinstance(part, dict) for part in parts):
        raise _unreadable(path, "its settings are lost")
    return config


def _unreadable(path: Path, problem: object) -> sv.RunFolderError:
    return sv.RunFolderError(
        f"{shown(path)} cannot be read ({shown(problem)}), so the run cannot go on. Bring the file "
        f"back, or choose {_ANOTHER}"
    )


def _difference(
    kept: dict[str, dict[str, Any]], config: dict[str, Any], finished: int
) -> str | None:
    """Say how a kept run differs from a new one. None if it can continue."""
    before, now = kept["settings"], config["settings"]
    changed = [name for name in now if before.get(name) != now[name]]
    # A constant learning rate does not depend on the number of epochs to come.
    if now["schedule"] == "constant" and now["epochs"] >= finished:
        changed = [name for name in changed if name != "epochs"]
    if not changed:
        before, now = kept["lists"], config["lists"]
        changed = [name for name in now if before.get(name) != now[name]]
    if not changed:
        return None
    there = ", ".join(f"{name}={shown(before.get(name))}" for name in changed)
    here = ", ".join(f"{name}={shown(now[name])}" for name in changed)
    return f"with {there}, while this command has {here}"


def _digest(path: Path) -> str:
    """Compute the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    return versions | {"tensorflow": tf.__version__, "keras": keras.__version__}


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_text(text)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_history(folder: Path, rows: Sequence[Row]) -> None:
    """Write `history.csv`, a row for each epoch."""
    with replacing(folder / "history.csv") as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def read_history(folder: Path) -> list[dict[str, float]]:
    """Read the rows of `history.csv`. There are none before the first epoch has ended."""
    path = folder / "history.csv"
    if not path.exists():
        return []
    try:
        with path.open(newline="") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        return [{**row, "epoch": int(row["epoch"])} for row in rows]
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise _unreadable(path, error) from error


def write_plot(path: Path, figure: Figure) -> None:
    """Write a plot, whole or not at all."""
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=120)


def load_best(folder: Path) -> sv.SiameseModel:
    """Load the best model of a run."""
    path = folder / "best.keras"
    try:
        return keras.models.load_model(path)
    # Keras raises errors of many types for a damaged file.
    except Exception as error:
        raise _unreadable(path, error) from error


def write_scores(folder: Path, pairs: sv.PairList, scores: Mapping[str, np.ndarray]) -> None:
    """Write `scores.csv`, a row for each pair: its images, its label and its scores."""
    with replacing(folder / "scores.csv") as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["left", "right", "label", *scores])
        for pair, *values in zip(pairs, *scores.values(), strict=True):
            digits = [f"{value:.9g}" for value in values]  # Nine digits identify a float32.
            writer.writerow([pair.left.path, pair.right.path, pair.label, *digits])
