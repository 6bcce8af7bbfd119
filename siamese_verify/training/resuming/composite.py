"""A callback that consists of other callbacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from typing_extensions import override

from siamese_verify.training.process_group import ProcessGroup
from siamese_verify.training.resuming.callback_states import only_writes

_OF_BATCHES = [
    f"on_{phase}_batch_{moment}"
    for phase in ("train", "test", "predict")
    for moment in ("begin", "end")
]


def _forwarded(hook: str) -> Callable[..., None]:
    def forward(self: Composite, *args: Any, **kwargs: Any) -> None:
        for callback in self.callbacks:
            self._call(callback, hook, *args, **kwargs)

    return forward


class Composite(keras.callbacks.Callback):
    """Callback that calls other callbacks, in their order.

    In a `ProcessGroup`, only the main process calls callbacks that do nothing but write files.

    `keras.callbacks.CallbackList` copies the logs, so that a value which one of its callbacks adds
    would not reach the callbacks outside of it.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]):
        super().__init__()
        self.callbacks = list(callbacks)
        # Otherwise, Keras waits after each batch until its logs are computed.
        self.async_safe = not any(
            getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook)
            for callback in self.callbacks
            for hook in (*_OF_BATCHES, "on_batch_begin", "on_batch_end")
        )

    @property
    def group(self) -> ProcessGroup:
        """The group of processes whose `fit` calls this callback, also if it was made before."""
        return ProcessGroup.current()

    @override
    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    @override
    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        for callback in self.callbacks:
            self._call(callback, "set_model", model)

    def _call(
        self, callback: keras.callbacks.Callback, hook: str, *args: Any, **kwargs: Any
    ) -> None:
        if not only_writes(callback):
            getattr(callback, hook)(*args, **kwargs)
        elif self.group.is_main_process:
            with self.group.alone():
                getattr(callback, hook)(*args, **kwargs)

    on_epoch_begin = _forwarded("on_epoch_begin")
    on_epoch_end = _forwarded("on_epoch_end")
    on_train_begin = _forwarded("on_train_begin")
    on_train_end = _forwarded("on_train_end")
    on_train_batch_begin = _forwarded("on_train_batch_begin")
    on_train_batch_end = _forwarded("on_train_batch_end")
    on_test_begin = _forwarded("on_test_begin")
    on_test_end = _forwarded("on_test_end")
    on_test_batch_begin = _forwarded("on_test_batch_begin")
    on_test_batch_end = _forwarded("on_test_batch_end")
    on_predict_begin = _forwarded("on_predict_begin")
    on_predict_end = _forwarded("on_predict_end")
    on_predict_batch_begin = _forwarded("on_predict_batch_begin")
    on_predict_batch_end = _forwarded("on_predict_batch_end")
