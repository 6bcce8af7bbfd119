"""`EpochSeconds`: the time of each epoch."""

from __future__ import annotations

import time

import keras
from typing_extensions import override

from siamese_verify.training.logs import Logs


class EpochSeconds(keras.callbacks.Callback):
    """Callback that adds each epoch's time, with its validation, to the logs as `seconds`.

    Examples:
        >>> EpochSeconds()  # doctest: +ELLIPSIS
        <siamese_verify.training.callbacks.epoch_seconds.EpochSeconds object at ...>
    """

    @override
    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._start = time.perf_counter()

    @override
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs["seconds"] = time.perf_counter() - self._start
