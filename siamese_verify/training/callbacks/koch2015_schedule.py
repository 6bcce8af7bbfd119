"""`Koch2015Schedule`: learning rate and momentum as in Koch et al. (2015)."""

from __future__ import annotations

import keras
from typing_extensions import override

from siamese_verify.checks import whole_number
from siamese_verify.training.averages import unwrapped_optimizer
from siamese_verify.training.logs import Logs


class Koch2015Schedule(keras.callbacks.Callback):
    """Learning rate that falls by 1% in each epoch, and momentum that rises linearly.

    At the start of each epoch but the first, the learning rate is multiplied by `decay`. The
    optimizer keeps it, so that a resumed run continues with it. The momentum follows from the
    number of the epoch.

    Args:
        epochs: Number of epochs in which the momentum rises. Afterwards it stays.
        momentum: Final momentum, in (0, 1]. The paper chooses it for each layer.
        initial_momentum: Momentum of the first epoch, in (0, 1].
        decay: Factor on the learning rate, in (0, 1].

    Raises:
        ValueError: If an argument is out of range, or the optimizer is not SGD with a momentum
            and a constant learning rate.

    Examples:
        >>> schedule = Koch2015Schedule(epochs=20)
        >>> schedule.momentum_at(0), schedule.momentum_at(20)
        (0.5, 0.9)

    Reference:
        Koch, Zemel, Salakhutdinov, "Siamese Neural Networks for One-shot Image Recognition",
        2015, section 3.2 (learning schedule).
    """

    def __init__(
        self,
        epochs: int,
        momentum: float = 0.9,
        initial_momentum: float = 0.5,
        decay: float = 0.99,
    ):
        super().__init__()
        epochs = whole_number("epochs", epochs)
        if not 0 < initial_momentum <= 1 or not 0 < momentum <= 1:
            raise ValueError(
                "`initial_momentum` and `momentum` must be in (0, 1]. Received: "
                f"initial_momentum={initial_momentum}, momentum={momentum}"
            )
        if not 0 < decay <= 1:
            raise ValueError(f"`decay` must be in (0, 1]. Received: decay={decay}")
        self.epochs = epochs
        self.momentum = momentum
        self.initial_momentum = initial_momentum
        self.decay = decay

    def momentum_at(self, epoch: int) -> float:
        """Return the momentum of an epoch, counted from 0."""
        risen = min(epoch / self.epochs, 1.0)
        return self.initial_momentum + risen * (self.momentum - self.initial_momentum)

    @override
    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        optimizer = unwrapped_optimizer(model)
        config = optimizer.get_config()
        momentum, rate = config.get("momentum"), config["learning_rate"]
        scheduled = isinstance(rate, dict)  # a LearningRateSchedule, serialized
        if not isinstance(optimizer, keras.optimizers.SGD) or not momentum or scheduled:
            raise ValueError(
                "Koch2015Schedule needs keras.optimizers.SGD with a momentum above 0 and a number "
                "as learning rate, such as SGD(0.001, momentum=0.5). Received: "
                f"{type(optimizer).__name__} with momentum={momentum}, learning_rate={rate}"
            )

    @override
    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        optimizer = unwrapped_optimizer(self.model)
        if epoch > 0:
            optimizer.learning_rate = float(optimizer.learning_rate) * self.decay
        momentum = self.momentum_at(epoch)
        if momentum != optimizer.momentum:
            # The compiled training step holds the old momentum as a constant.
            optimizer.momentum = momentum
            self.model.make_train_function(force=True)

    @override
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            optimizer = unwrapped_optimizer(self.model)
            logs["learning_rate"] = float(optimizer.learning_rate)
            logs["momentum"] = float(optimizer.momentum)
