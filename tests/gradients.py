"""Gradients of a layer, by the backend at hand."""

import keras
import numpy as np
from keras import ops


def value_and_gradients(layer, images, direction, **arguments):
    """Output, and the gradients of its product with `direction`: to the input and each weight."""
    if keras.backend.backend() == "jax":
        import jax

        fixed = [variable.value for variable in layer.non_trainable_variables]

        def function(images, weights):
            output, _ = layer.stateless_call(weights, fixed, images, **arguments)
            return ops.sum(output * direction), output

        weights = [variable.value for variable in layer.trainable_variables]
        gradients, output = jax.grad(function, (0, 1), has_aux=True)(images, weights)
        return [np.asarray(x) for x in (output, gradients[0], *gradients[1])]
    import tensorflow as tf

    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        output = layer(images, **arguments)
        value = tf.reduce_sum(output * direction)
    sources = [images, *(variable.value for variable in layer.trainable_variables)]
    return [output.numpy(), *(gradient.numpy() for gradient in tape.gradient(value, sources))]
