"""The files in which a run writes down its settings, epochs, scores and figures."""

from __future__ import annotations

import csv
import hashlib
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from lfw_data import TEST_LIST, TRAIN_LIST
from options import Options

import siamese_verify as sv
from siamese_verify.files import replacing

Row = Mapping[str, float]


def begin(options: Options, data: Path) -> None:
    """Write `config.json`. Exit if the folder holds a run that this one does not continue."""
    settings = asdict(options.recipe) | {"limit": options.limit, "seed": options.seed}
    lists = {name: _digest(data / name) for name in (TRAIN_LIST, TEST_LIST)}
    config = {"settings": settings, "lists": lists, "versions": _versions()}
    finished, path = len(read_history(options.run)), options.run / "config.json"
    if finished and (problem := _difference(json.loads(path.read_text()), config, finished)):
        sys.exit(f"{options.run} holds {problem}. Choose another folder for this run: --run DIR")
    write_json(path, config)


def _difference(kept: dict[str, Any], config: dict[str, Any], finished: int) -> str | None:
    """Say how a kept run differs from a new one. None if it can continue."""
    before, now = kept["settings"], config["settings"]
    changed = [name for name in now if before.get(name) != now[name]]
    # A constant learning rate does not depend on the number of epochs to come.
    if now["schedule"] == "constant" and now["epochs"] >= finished:
        changed = [name for name in changed if name != "epochs"]
    if changed:
        there = ", ".join(f"{name}={before.get(name)}" for name in changed)
        here = ", ".join(f"{name}={now[name]}" for name in changed)
        return f"a run with {there}, while this command has {here}"
    if kept["lists"] != config["lists"]:
        return "a run on other pair lists"
    return None


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
    with path.open(newline="") as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    return [{**row, "epoch": int(row["epoch"])} for row in rows]


def write_scores(folder: Path, pairs: sv.PairList, scores: Mapping[str, np.ndarray]) -> None:
    """Write `scores.csv`, a row for each pair: its images, its label and its scores."""
    with replacing(folder / "scores.csv") as unfinished, unfinished.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["left", "right", "label", *scores])
        for pair, *values in zip(pairs, *scores.values(), strict=True):
            digits = [f"{value:.9g}" for value in values]  # Nine digits identify a float32.
            writer.writerow([pair.left.path, pair.right.path, pair.label, *digits])
