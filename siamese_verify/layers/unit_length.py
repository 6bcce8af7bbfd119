"""Vectors brought to length 1."""

from __future__ import annotations

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.tensors import Tensor


def unit_length(x: Tensor) -> Tensor:
    """Scales vectors along the last axis to length 1; one of zeros stays.

    Unlike `keras.ops.normalize`, it has a finite gradient at zero on every backend: there, JAX
    gives NaN, and one black image would spoil all weights. Squares are summed in float32 at least:
    float16 holds none above 65,504.
    """
    squared = ops.sum(ops.square(at_least_float32(x)), axis=-1, keepdims=True)
    scaled = at_least_float32(x) * ops.rsqrt(ops.where(squared > 0, squared, 1.0))
    return ops.cast(scaled, x.dtype)


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision as float32, and all else as it is."""
    return ops.cast(x, keras.backend.result_type(x.dtype, "float32"))


@keras.saving.register_keras_serializable(package="siamese_verify")
class UnitLength(keras.layers.Layer):
    """`unit_length` as a layer."""

    @override
    def call(self, x: Tensor) -> Tensor:
        return unit_length(x)
