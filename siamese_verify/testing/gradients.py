"""Gradients by the backend that Keras uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from siamese_verify.lazy_tensorflow import tf
from siamese_verify.tensors import Tensor
from siamese_verify.testing.rules import Array, to_numpy


def gradients(function: Callable[..., Tensor], *inputs: Array) -> list[Array]:
    """Return the gradient of the sum of `function(*inputs)` to each input."""

    def total(*tensors: Any) -> Any:
        return ops.sum(function(*tensors))

    if keras.backend.backend() == "jax":
        import jax

        slopes = jax.jit(jax.grad(total, tuple(range(len(inputs)))))
        return [np.asarray(slope) for slope in slopes(*inputs)]
    tensors = [ops.convert_to_tensor(x) for x in inputs]
    return _derived(lambda: total(*tensors), tensors)


def value_and_gradients(
    layer: keras.layers.Layer, x: Array, direction: Any, **arguments: Any
) -> list[Array]:
    """Return a layer's output, and the gradients of the sum of its product with `direction`.

    Args:
        layer: Built layer or model.
        x: Its input.
        direction: Array of the output's shape, or a number.
        **arguments: Arguments of the layer's call, such as `training`.

    Returns:
        The output, the gradient to the input, then the gradient to each trainable weight.
    """
    if keras.backend.backend() == "jax":
        import jax

        fixed = [variable.value for variable in layer.non_trainable_variables]

        def function(x: Any, weights: Any) -> Any:
            output, _ = layer.stateless_call(weights, fixed, x, **arguments)
            return ops.sum(ops.multiply(output, direction)), output

        weights = [variable.value for variable in layer.trainable_variables]
        slopes, output = jax.jit(jax.grad(function, (0, 1), has_aux=True))(x, weights)
        return [to_numpy(value) for value in (output, slopes[0], *slopes[1])]
    tensor, outputs = ops.convert_to_tensor(x), []

    def product() -> Any:
        outputs.append(layer(tensor, **arguments))
        return ops.sum(ops.multiply(outputs[0], direction))

    weights = [variable.value for variable in layer.trainable_variables]
    slopes = _derived(product, [tensor, *weights])
    return [to_numpy(outputs[0]), *slopes]


def _derived(function: Callable[[], Any], sources: list[Any]) -> list[Array]:
    """Return the gradients of a function of tensors, eagerly, on TensorFlow or torch."""
    if keras.backend.backend() == "torch":
        import torch

        for source in sources:
            source.requires_grad_(True)
        return [to_numpy(x) for x in torch.autograd.grad(function(), sources)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        value = function()
    found = tape.gradient(value, sources)
    missing = [i for i, gradient in enumerate(found) if gradient is None]
    if missing:
        raise ValueError(f"no gradient to {len(missing)} of {len(sources)} inputs and weights")
    return [to_numpy(x) for x in found]
