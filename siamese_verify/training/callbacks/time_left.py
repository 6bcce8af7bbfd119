"""`TimeLeft`: the time that a training still needs in all."""

from __future__ import annotations

import sys
import time
from typing import TextIO

import keras
from typing_extensions import override

from siamese_verify.training.logs import Logs

_EVERY = 0.5
"""Seconds between two updates of a terminal's line."""


class TimeLeft(keras.callbacks.Callback):
    """Callback that shows how far a training is and how much time it needs until its last epoch.

    On a terminal, it updates one line. Otherwise it writes a line after each epoch. Use
    `fit(verbose=0)` with it. Early stopping can end the training sooner.

    Args:
        file: Text file to write to. By default standard output.

    Examples:
        >>> print(duration(75))
        1 min 15 s
    """

    def __init__(self, file: TextIO | None = None):
        super().__init__()
        self._file = file or sys.stdout
        self.async_safe = True  # Otherwise Keras waits after each batch for its logs.

    @override
    def on_train_begin(self, logs: Logs = None) -> None:
        self._start: float | None = None
        self._shown = 0.0

    @override
    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    @override
    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        done = self._epoch + (batch + 1) / (self.params.get("steps") or batch + 1)
        now = time.monotonic()
        if self._start is None:  # The first batch also compiles, so the time counts from its end.
            self._start, self._first = now, done
        elif self._file.isatty() and now - self._shown >= _EVERY:
            self._shown = now
            self._write(done, "", "\r")

    @override
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        figures = "".join(
            f", {name.removeprefix('val_').replace('_', ' ')} {float(value):.3f}"
            for name, value in (logs or {}).items()
            if name in ("loss", "val_equal_error_rate")
        )
        self._write(epoch + 1, figures, "\r" if self._file.isatty() else "\n")

    @override
    def on_train_end(self, logs: Logs = None) -> None:
        if self._file.isatty() and self._start is not None:
            self._file.write("\n")

    def _write(self, done: float, figures: str, end: str) -> None:
        epochs = self.params["epochs"]
        left = ""
        if self._start is not None and done > self._first:
            rate = (time.monotonic() - self._start) / (done - self._first)
            left = f", {duration(rate * (epochs - done))} left"
        line = f"epoch {int(-(-done // 1))} of {epochs}{figures}{left}"
        self._file.write(line.ljust(78) + end if end == "\r" else line + end)
        self._file.flush()


def duration(seconds: float) -> str:
    """Write a time in words.

    Examples:
        >>> duration(7), duration(75), duration(3_720)
        ('7 s', '1 min 15 s', '1 h 2 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60} min"
