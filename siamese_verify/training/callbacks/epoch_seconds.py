"""`EpochSeconds`: the time of each epoch."""

from __future__ import annotations

import time
from typing import Any

import keras
from typing_extensions import override

Logs = dict[str, Any] | None


class EpochSeconds(keras.callbacks.Callback):
    """Adds `seconds`, the wall-clock time of each epoch with its validation, to logs and history.

    Examples:
        >>> EpochSeconds()  # doctest: +ELLIPSIS
        <siamese_verify.training.callbacks.EpochSeconds object at ...>
    """

    @override
    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._start = time.perf_counter()

    @override
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs["seconds"] = time.perf_counter() - self._start
