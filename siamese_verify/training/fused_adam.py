"""`FusedAdam`: Adam whose whole update is one pass over memory."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.lazy_tensorflow import tf
from siamese_verify.tensors import Tensor


# Files of earlier versions know this class as "siamese_verify>Adam".
@keras.saving.register_keras_serializable(package="siamese_verify", name="Adam")
class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` that reads and writes each weight once in a step.

    Keras computes the update operation by operation, and each operation is a pass over all weights.
    On the TensorFlow backend, `FusedAdam` uses TensorFlow's single kernel for the whole update. On
    other backends it is Keras's own, and so it is with `amsgrad`, with sparse gradients and in a
    distribution strategy. Results differ in rounding only. A file holds the same variables.
    `docs/performance.md` states the time saved.

    Args:
        learning_rate: Learning rate, a number or a
            `keras.optimizers.schedules.LearningRateSchedule`.
        **kwargs: Keyword arguments of `keras.optimizers.Adam`.

    Examples:
        >>> FusedAdam(1e-5).get_config()["beta_1"]
        0.9

    Reference:
        Kingma, Ba, "Adam: A Method for Stochastic Optimization", 2015, end of section 2.
    """

    def __init__(self, learning_rate: Any = 0.001, **kwargs: Any):
        super().__init__(learning_rate, **kwargs)

    @override
    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        if self.amsgrad or not _is_plain_tensorflow(gradient):
            super().update_step(gradient, variable, learning_rate)
            return
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
    return isinstance(gradient, tf.Tensor) and not tf.distribute.has_strategy()
