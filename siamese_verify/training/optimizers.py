"""The moving average of weights that an optimizer keeps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Within, a model in training has the moving averages of its weights; afterwards its own again.

    Averages are less noisy than the weights of the last step and are what should be evaluated and
    kept. `fit` itself ends with them. They are those of an optimizer with `use_ema=True`; with any
    other, nothing changes.

    Args:
        model: A compiled model, some steps into its training.

    Examples:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile(FusedAdam(0.1, use_ema=True, ema_momentum=0.9), loss="mse")
        >>> images, labels = np.ones((4, 2)), np.zeros(4)
        >>> model.train_on_batch(images, labels) > 0
        True
        >>> with averaged_weights(model):
        ...     loss = model.evaluate(images, labels, verbose=0)

    Raises:
        ValueError: If the model is not compiled, or has not made a step yet.

    Reference:
        Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
    """
    optimizer = unwrapped_optimizer(model)
    if optimizer is None or (optimizer.use_ema and not _has_stepped(optimizer)):
        raise ValueError(
            "averaged_weights needs a compiled model, some steps into its training. "
            f"Received: {model.name!r}, {'not compiled' if optimizer is None else 'no step made'}"
        )
    if not optimizer.use_ema:
        yield
        return
    # Not the model's, some of which may have been frozen since: averages are told by their place.
    variables = optimizer._trainable_variables
    kept = [ops.copy(variable) for variable in variables]
    try:
        optimizer.finalize_variable_values(variables)
        for variable in variables:
            # On JAX, to compute with an array may delete it: not the optimizer's own.
            variable.assign(ops.copy(variable))
        yield
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)


def _has_stepped(optimizer: keras.optimizers.Optimizer) -> bool:
    # Built it is before, in a model from a file. Until the first step, its averages are zeros.
    return bool(optimizer.built) and int(optimizer.iterations) > 0


def unwrapped_optimizer(model: keras.Model) -> Any:
    """The model's optimizer, which with the policy mixed_float16 Keras wraps in another."""
    optimizer = getattr(model, "optimizer", None)
    return getattr(optimizer, "inner_optimizer", optimizer)
