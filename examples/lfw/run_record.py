"""The callback that writes down a run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
from record import write_history

import siamese_verify as sv
from siamese_verify.files import replacing


class RunRecord(keras.callbacks.Callback):
    """Callback that writes `history.csv` and the best model so far, `best.keras`.

    The best epoch has the lowest validation EER. If the learning rate falls to zero, the best epoch
    is the last one. Earlier epochs are unfinished, and their EER would choose among them by chance.

    Args:
        folder: Folder of the run.
        model: Model to save. It shares the weights of the model that is trained.
        last_is_best: Whether the learning rate falls to zero.
    """

    def __init__(self, folder: Path, model: sv.SiameseModel, last_is_best: bool = False):
        super().__init__()
        self.folder = folder
        self.verification_model = model
        self.last_is_best = last_is_best
        # In a group of processes, one writes and all remember.
        self.group = sv.ProcessGroup.current()
        self.rows: list[dict[str, float]] = []
        self.best: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write down an epoch."""
        self.rows.append({"epoch": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}})
        self._write_history()
        *earlier, error = (row["val_equal_error_rate"] for row in self.rows)
        lowest = min((e for e in earlier if not math.isnan(e)), default=math.inf)
        if self.last_is_best or not earlier or error <= lowest:
            self.best = self.verification_model.get_weights()
            self._write_best()

    def _write_history(self) -> None:
        if self.rows and self.group.is_main_process:
            write_history(self.folder, self.rows)

    def _write_best(self) -> None:
        if not self.group.is_main_process:
            return
        with self.group.alone(), replacing(self.folder / "best.keras") as unfinished:
            self.verification_model.save(unfinished, include_optimizer=False)

    def get_state(self) -> dict[str, Any]:
        """Return the epochs so far and the best weights, for `Resumable`."""
        return {"rows": self.rows, "best": self.best}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on after the epochs of a former start, and write their files again.

        A file can be lost or damaged since then, or be ahead by the epoch that was interrupted.
        """
        self.rows, self.best = state["rows"], state["best"]
        self._write_history()
        if self.rows:
            weights = self.verification_model.get_weights()
            self.verification_model.set_weights(self.best)
            self._write_best()
            self.verification_model.set_weights(weights)
