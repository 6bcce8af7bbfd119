"""`Adam`, in one pass over memory, and the moving average of weights that an optimizer keeps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.tensors import Tensor


@keras.saving.register_keras_serializable(package="siamese_verify")
class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, with each weight read and written once in a step.

    Keras computes the update operation by operation, each a pass over all weights, which for a
    network with a large dense layer is a fifth of a small batch's time. On the TensorFlow backend
    this one takes TensorFlow's kernel for the whole update, wherever that computes the same: not
    with `amsgrad`, sparse gradients or a distribution strategy. There, and on other backends, it
    is Keras's. Values are the same but for rounding, and so are the variables in a file.

    Args:
        learning_rate: A number, or a `keras.optimizers.schedules.LearningRateSchedule`.
        **kwargs: Those of `keras.optimizers.Adam`.

    Examples:
        >>> Adam(1e-5).get_config()["beta_1"]
        0.9

    Reference:
        Kingma, Ba, "Adam: A Method for Stochastic Optimization", 2015, end of section 2.
    """

    @override
    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        if self.amsgrad or not _is_plain_tensorflow(gradient):
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        index = self._get_variable_index(variable)
        weight, m, v = (
            x.value if isinstance(x, keras.Variable) else x
            for x in (variable, self._momentums[index], self._velocities[index])
        )
        step = ops.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=weight.handle,
            m=m.handle,
            v=v.handle,
            beta1_power=ops.power(ops.cast(self.beta_1, variable.dtype), step),
            beta2_power=ops.power(ops.cast(self.beta_2, variable.dtype), step),
            lr=ops.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=ops.cast(gradient, variable.dtype),
        )


def _is_plain_tensorflow(gradient: Tensor) -> bool:
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return isinstance(gradient, tf.Tensor) and not tf.distribute.has_strategy()


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
        >>> model.compile(Adam(0.1, use_ema=True, ema_momentum=0.9), loss="mse")
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
