"""Batch norm with few passes over memory."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.layers.unit_length import at_least_float32
from siamese_verify.tensors import Tensor


@keras.saving.register_keras_serializable(package="siamese_verify")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, with fewer passes in training over the last axis.

    On a CPU, batch norm costs passes over memory, not arithmetic. Here sums are matrix products,
    and the gradient is given in closed form instead of being derived operation by operation. The
    variance is `E[x^2] - E[x]^2`. With a mask or another axis, without scale or centre, with
    weights in half precision, synchronized or renormalized, it is Keras's own.

    Input shape:
        `(batch, ..., channels)`.

    Examples:
        >>> layer = BatchNormalization()
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
        # Copied, since TensorFlow wants no variables in a function that has a gradient of its own.
        gamma, beta = ops.copy(self.gamma), ops.copy(self.beta)
        outputs = _normalize(x, gamma, beta, mean, ops.rsqrt(variance + self.epsilon))
        return ops.cast(outputs, self.compute_dtype)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    x = ops.stop_gradient(x)
    n = ops.cast(ops.size(x) // x.shape[-1], x.dtype)
    mean = _channel_sums(x) / n
    return mean, ops.maximum(_channel_sums(ops.square(x)) / n - ops.square(mean), 0)


def _channel_sums(x: Tensor) -> Tensor:
    """From `(batch, ..., channels)` to `(channels,)`.

    On a CPU, a product with ones is several times as fast as a reduction. One sum for each sample
    comes first, since a single one over millions of values loses digits.
    """
    samples = ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
    ones = ops.ones((1, ops.shape(samples)[1]), x.dtype)
    return ops.sum(ops.matmul(ones, samples), axis=(0, 1))


@ops.custom_gradient  # type: ignore[untyped-decorator]
def _normalize(
    x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, inverse_deviation: Tensor
) -> tuple[Tensor, Any]:
    """Mean and deviation are those of `x`, which the gradient takes into account."""
    scale = gamma * inverse_deviation

    def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, ...]:
        upstream = arguments[0] if upstream is None else upstream
        n = ops.cast(ops.size(x) // x.shape[-1], x.dtype)
        for_beta = _channel_sums(upstream)
        with_x = _channel_sums(upstream * x)
        for_gamma = (with_x - mean * for_beta) * inverse_deviation
        of_x = -scale * inverse_deviation * for_gamma / n
        constant = -scale * for_beta / n - of_x * mean
        for_x = upstream * scale + (x * of_x + constant)
        none = ops.zeros_like(mean)
        return for_x, for_gamma, for_beta, none, none

    return x * scale + (beta - mean * scale), gradient
