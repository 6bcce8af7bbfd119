"""Exact resumption of a training run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
from networks import Networks
from record import read_history, write_history

from siamese_verify.files import replacing
from siamese_verify.training.optimizers import averaged_weights


class RunFolder(keras.callbacks.Callback):
    """A folder that keeps a run, so that starting it again continues after its last epoch.

    Each epoch writes `history.csv`, the best model so far (`best.keras`), and everything that
    training depends on (`last.npz`), in this order. Each file is replaced whole. A run that is
    killed in between repeats that epoch and ends as if nothing had happened.

    The best epoch has the lowest validation EER. If the learning rate falls to zero, the best epoch
    is the last one: earlier epochs are unfinished, and their EER would choose among them by chance.

    Args:
        folder: Folder.
        early_stopping: Early stopping, before this callback in the list. It is told about the
            epochs of earlier starts, so that its patience counts them too.
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
        self.history: list[dict[str, float]] = []

    def restore(self, networks: Networks, steps_per_epoch: int) -> int:
        """Restore the state of a run, and return the number of its finished epochs."""
        self.networks, model = networks, networks.trained
        path = self.folder / "last.npz"
        if not path.exists():
            return 0
        with np.load(path) as arrays:
            for variable, name in zip(_state(model), arrays.files, strict=True):
                variable.assign(arrays[name])
        epochs = int(model.optimizer.iterations) // steps_per_epoch
        # A run that was killed before it wrote the weights has one row too many.
        self.history = read_history(self.folder)[:epochs]
        return epochs

    def has_stopped(self, model: keras.Model) -> bool:
        """Tell whether early stopping has ended the run already."""
        self.early_stopping.set_model(model)
        self.early_stopping.on_train_begin()
        model.stop_training = False
        self.on_train_begin()
        return bool(model.stop_training)

    def on_train_begin(self, logs: Any = None) -> None:
        """Tell early stopping about the epochs of earlier starts."""
        for epoch, row in enumerate(self.history):
            self.early_stopping.on_epoch_end(epoch, row)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the files of an epoch."""
        self.history.append({"epoch": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}})
        write_history(self.folder, self.history)
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


def _state(model: keras.Model) -> list[keras.Variable]:
    """List the variables that training changes: weights, optimizer, and the seeds of dropout.

    Keras's own weight files leave out the seeds, without which a resumed run differs.
    """
    model.optimizer.build(model.trainable_variables)
    seeds = [v for v in model.variables if v.path.endswith("seed_generator_state")]
    return [*model.weights, *seeds, *model.optimizer.variables]
