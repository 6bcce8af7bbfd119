"""`AveragedWeights`: validation, callbacks and `fit` itself use the moving averages of weights."""

from __future__ import annotations

import keras
from typing_extensions import override

from siamese_verify.tensors import Tensor
from siamese_verify.training.averages import restore_weights, swap_in_averages, unwrapped_optimizer
from siamese_verify.training.logs import Logs


class AveragedWeights(keras.callbacks.Callback):
    """Callback that lets validation and other callbacks see the averaged weights.

    With `use_ema=True`, an optimizer keeps moving averages of the weights, and `fit` ends with
    them. Without this callback, validation and callbacks see the weights of the last step instead.
    Put it first in the list. Then validation, `PairEvaluation`, `ModelCheckpoint` and
    `EarlyStopping(restore_best_weights=True)` all see the averages. Training continues with the
    weights of the last step.

    `keras.callbacks.SwapEMAWeights(swap_on_epoch=True)` does so too, with three differences. It
    changes the weights of the training by rounding. It loses them in the last epoch, so that the
    run cannot be prolonged. After early stopping, it leaves the weights of the last step.

    Raises:
        ValueError: If the optimizer keeps no averages.

    Examples:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.Adam(0.1, use_ema=True), loss="mse")
        >>> callbacks = [AveragedWeights(), keras.callbacks.ModelCheckpoint("average.keras")]
        >>> history = model.fit(
        ...     np.ones((4, 2)),
        ...     np.zeros(4),
        ...     verbose=0,
        ...     callbacks=callbacks,
        ...     validation_data=(np.ones((4, 2)), np.zeros(4)),
        ... )

    Reference:
        Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
    """

    def __init__(self) -> None:
        super().__init__()
        # Weights of the last step, while the model has the averages.
        self.last_weights: list[Tensor] = []

    @override
    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        if not getattr(unwrapped_optimizer(model), "use_ema", False):
            raise ValueError(
                "AveragedWeights needs an optimizer that keeps averages. Create it with "
                f"use_ema=True. Received: optimizer={type(model.optimizer).__name__}"
            )

    @override
    def on_train_begin(self, logs: Logs = None) -> None:
        self.last_weights = []

    @override
    def on_test_begin(self, logs: Logs = None) -> None:
        self._average()

    @override
    def on_test_end(self, logs: Logs = None) -> None:
        self._go_on()

    @override
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._average()

    @override
    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._go_on()

    @override
    def on_train_end(self, logs: Logs = None) -> None:
        # `fit` has ended with the averages.
        self.last_weights = []

    def _average(self) -> None:
        if not self.last_weights:
            self.last_weights = swap_in_averages(self.model)

    def _go_on(self) -> None:
        restore_weights(self.model, self.last_weights)
        self.last_weights = []
