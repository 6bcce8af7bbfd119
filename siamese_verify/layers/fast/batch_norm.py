"""`FastBatchNormalization`: batch norm with few passes over memory."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.layers.unit_length import at_least_float32
from siamese_verify.tensors import Tensor


@keras.saving.register_keras_serializable(package="siamese_verify", name="BatchNormalization")
class FastBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` with fewer passes over memory in training.

    On a CPU, the passes over memory cost more than the arithmetic. Here sums are matrix products,
    and the gradient is in closed form. It is as exact as Keras's own, also where the mean is
    thousands of deviations. `docs/performance.md` states the time saved.

    Keras's own code runs with a mask, another axis than the last, no scale, no centre, weights in
    half precision, `synchronized` or `renorm`.

    Input shape:
        `(batch, ..., channels)`.

    Output shape:
        `(batch, ..., channels)`.

    Examples:
        >>> layer = FastBatchNormalization()
        >>> layer(np.ones((2, 4, 4, 8), np.float32), training=True).shape == (2, 4, 4, 8)
        True

    Reference:
        Ioffe, Szegedy, "Batch Normalization", 2015, section 3 (the gradient).
    """

    @override
    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None
    ) -> Tensor:
        over_last_axis = self.axis in (-1, len(inputs.shape) - 1)
        half = self.variable_dtype in ("float16", "bfloat16")
        others = half or self.synchronized or getattr(self, "renorm", False) or mask is not None
        plain = over_last_axis and self.scale and self.center and not others
        if not (training and self.trainable and plain):
            return super().call(inputs, training=training, mask=mask)
        x = at_least_float32(inputs)
        mean, variance = _moments(x)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1 - self.momentum))
        # TensorFlow allows no variables in a function with a gradient of its own, hence the copies.
        gamma, beta = ops.copy(self.gamma), ops.copy(self.beta)
        outputs = _normalize(x, gamma, beta, mean, ops.rsqrt(variance + self.epsilon))
        return ops.cast(outputs, self.compute_dtype)


# Keras names a layer's place in a file of weights after its class. With this name, files of earlier
# versions and files of towers with Keras's own batch norm stay loadable.
FastBatchNormalization.__name__ = "BatchNormalization"


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    x = ops.stop_gradient(x)
    n = ops.cast(ops.size(x) // x.shape[-1], x.dtype)
    mean = _channel_sums(x) / n
    # Around the mean: E[x^2] - E[x]^2 loses all digits where the mean is a thousand deviations.
    # TensorFlow's optimizer makes one pass of the difference and its square.
    return mean, _channel_sums(ops.square(x - mean)) / n


def _channel_sums(x: Tensor) -> Tensor:
    """Sum `(batch, ..., channels)` to `(channels,)`.

    On a CPU, a product with ones is several times as fast as a reduction. Each sample is summed on
    its own first, because a single sum over millions of values loses digits.
    """
    samples = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
    ones = ops.ones((1, ops.shape(samples)[1]), x.dtype)
    return ops.sum(ops.matmul(ones, samples), axis=(0, 1))


@ops.custom_gradient  # type: ignore[untyped-decorator]
def _normalize(
    x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, inverse_deviation: Tensor
) -> tuple[Tensor, Any]:
    """Normalize `x` by its own mean and deviation, through which the gradient passes too."""
    scale = gamma * inverse_deviation

    def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, ...]:
        upstream = arguments[0] if upstream is None else upstream
        n = ops.cast(ops.size(x) // x.shape[-1], x.dtype)
        for_beta = _channel_sums(upstream)
        centred = x - mean
        for_gamma = _channel_sums(upstream * centred) * inverse_deviation
        factor = -scale * inverse_deviation * for_gamma / n
        for_x = upstream * scale + (centred * factor - scale * for_beta / n)
        none = ops.zeros_like(mean)
        return for_x, for_gamma, for_beta, none, none

    return x * scale + (beta - mean * scale), gradient
