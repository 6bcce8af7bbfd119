"""Vectors brought to length 1."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from typing_extensions import override

Tensor = Any


def unit_length(x: Tensor) -> Tensor:
    """Scales vectors along the last axis to length 1; one of zeros stays.

    Unlike `keras.ops.normalize`, it has a finite gradient at zero on every backend: there, JAX
    gives NaN, and one black image would spoil all weights.
    """
    squared = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.where(squared > 0, squared, 1.0))


@keras.saving.register_keras_serializable(package="siamese_verify")
class UnitLength(keras.layers.Layer):
    """`unit_length` as a layer."""

    @override
    def call(self, x: Tensor) -> Tensor:
        return unit_length(x)
