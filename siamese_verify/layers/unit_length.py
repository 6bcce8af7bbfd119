"""`unit_length`: vectors scaled to length 1."""

from __future__ import annotations

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.tensors import Tensor


def unit_length(x: Tensor) -> Tensor:
    """Scale vectors along the last axis to length 1. A vector of zeros stays.

    Unlike `keras.ops.normalize`, its gradient at zero is finite on every backend. On JAX that
    gradient is NaN, and one black image would spoil all weights. Squares are summed in float32 at
    least, because float16 holds no value above 65,504.
    """
    squared = ops.sum(ops.square(at_least_float32(x)), axis=-1, keepdims=True)
    scaled = at_least_float32(x) * ops.rsqrt(ops.where(squared > 0, squared, 1.0))
    return ops.cast(scaled, x.dtype)


def at_least_float32(x: Tensor) -> Tensor:
    """Cast half precision to float32. Other types stay."""
    return ops.cast(x, keras.backend.result_type(x.dtype, "float32"))


@keras.saving.register_keras_serializable(package="siamese_verify")
class UnitLength(keras.layers.Layer):
    """Layer that applies `unit_length`."""

    @override
    def call(self, x: Tensor) -> Tensor:
        return unit_length(x)
