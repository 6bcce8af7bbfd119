"""A training run in a folder: what it needs to go on after an interruption, and what it leaves."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
from networks import Networks

import siamese_verify as sv
from siamese_verify.files import replacing
from siamese_verify.training.averages import averaged_weights

Row = dict[str, float]


class RunFolder(keras.callbacks.Callback):
    """Keeps a run so that starting it again goes on from the last finished epoch.

    After each epoch it writes `history.csv`, then the best model so far (`best.keras`), then all
    that training depends on (`last.npz`). Each file is replaced whole, in an order in which a run
    killed in between repeats that epoch and ends as if nothing had happened.

    The best epoch is that of the lowest validation EER. Where the learning rate falls to zero, it
    is the last one: those before are unfinished, and among them the EER would choose by chance.

    Args:
        folder: The folder.
        early_stopping: Put before this callback in the list. It hears of the earlier epochs
            again, so that its patience counts them too.
        last_is_best: Whether the learning rate falls to zero.
    """

    def __init__(
        self,
        folder: Path,
        early_stopping: keras.callbacks.EarlyStopping,
        last_is_best: bool = False,
    ):
        super().__init__()
        self.folder = folder
        self.early_stopping = early_stopping
        self.last_is_best = last_is_best
        self.history: list[Row] = []

    def restore(self, networks: Networks, steps_per_epoch: int) -> int:
        """Brings `networks` to where the run was, and returns the number of finished epochs."""
        self.networks, model = networks, networks.trained
        path = self.folder / "last.npz"
        if not path.exists():
            return 0
        with np.load(path) as arrays:
            for variable, name in zip(_state(model), arrays.files, strict=True):
                variable.assign(arrays[name])
        epochs = int(model.optimizer.iterations) // steps_per_epoch
        # A run killed before the weights were written has one row too many.
        self.history = self.read_history()[:epochs]
        return epochs

    def has_stopped(self, model: keras.Model) -> bool:
        """Whether early stopping ended the run already."""
        self.early_stopping.set_model(model)
        self.early_stopping.on_train_begin()
        model.stop_training = False
        self.on_train_begin()
        return bool(model.stop_training)

    def on_train_begin(self, logs: Any = None) -> None:
        """Tells early stopping of the epochs of earlier starts."""
        for epoch, row in enumerate(self.history):
            self.early_stopping.on_epoch_end(epoch, row)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the epoch down."""
        self.history.append({"epoch": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}})
        self.write_history()
        *earlier, error = (row["val_equal_error_rate"] for row in self.history)
        best = min((e for e in earlier if not math.isnan(e)), default=math.inf)
        if self.last_is_best or not self.history[1:] or error <= best:
            with (
                averaged_weights(self.model),
                replacing(self.folder / "best.keras") as unfinished,
            ):
                self.networks.verification.save(unfinished, include_optimizer=False)
        with replacing(self.folder / "last.npz") as unfinished:
            np.savez(unfinished, *(v.numpy() for v in _state(self.model)))

    def write_history(self) -> None:
        """Writes `history.csv`, a row for each epoch."""
        with (
            replacing(self.folder / "history.csv") as unfinished,
            unfinished.open("w", newline="") as file,
        ):
            writer = csv.DictWriter(file, self.history[0].keys())
            writer.writeheader()
            writer.writerows(self.history)

    def write_scores(self, pairs: sv.PairList, scores: dict[str, np.ndarray]) -> None:
        """Writes `scores.csv`, a row for each pair: its images, label, and each score."""
        with (
            replacing(self.folder / "scores.csv") as unfinished,
            unfinished.open("w", newline="") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(["left", "right", "label", *scores])
            for pair, *values in zip(pairs, *scores.values(), strict=True):
                digits = [f"{value:.9g}" for value in values]  # as many as tell float32 apart
                writer.writerow([pair.left.path, pair.right.path, pair.label, *digits])

    def read_history(self) -> list[Row]:
        """The rows of `history.csv`; none before the first epoch has ended."""
        path = self.folder / "history.csv"
        if not path.exists():
            return []
        with path.open(newline="") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        return [{**row, "epoch": int(row["epoch"])} for row in rows]

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Writes `content` to the file `name` of this folder."""
        with replacing(self.folder / name) as unfinished:
            unfinished.write_text(json.dumps(content, indent=2) + "\n")


def _state(model: keras.Model) -> list[keras.Variable]:
    """The variables that training changes: weights, optimizer, and the seeds of dropout.

    Keras's own weight files leave out the seeds, without which a resumed run differs.
    """
    model.optimizer.build(model.trainable_variables)
    seeds = [v for v in model.variables if v.path.endswith("seed_generator_state")]
    return [*model.weights, *seeds, *model.optimizer.variables]
