"""Tests of `FastL2`, against Keras's own."""

import keras
import numpy as np
import pytest
from keras import ops

from siamese_verify.layers.fast.l2 import FastL2
from siamese_verify.testing.gradients import value_and_gradients


class Penalised(keras.layers.Layer):
    """Returns the penalty of its weights, so that their gradient can be computed."""

    def __init__(self, regularizer):
        super().__init__()
        self.regularizer = regularizer

    def build(self, input_shape):
        values = np.random.default_rng(0).normal(size=(5, 3))
        self.kernel = self.add_weight(shape=(5, 3), initializer=lambda *_, **__: values)

    def call(self, inputs):
        return inputs + self.regularizer(self.kernel)


@pytest.mark.parametrize("factor", [0.0, 0.5, 0.001])
def test_value_and_gradient_equal_kerass(factor):
    zero, direction = np.zeros((1,), np.float32), np.full((1,), 3.0, np.float32)
    layers = [Penalised(FastL2(factor)), Penalised(keras.regularizers.L2(factor))]
    for layer in layers:
        layer.build(zero.shape)
    results = (value_and_gradients(layer, zero, direction) for layer in layers)
    for a, e in zip(*results, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-6)


def test_it_is_saved_with_a_layer(tmp_path):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, kernel_regularizer=FastL2(0.1))]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1].kernel_regularizer) is FastL2
    kernel = ops.convert_to_numpy(model.layers[-1].kernel)
    assert ops.convert_to_numpy(loaded.losses[0]) == pytest.approx(
        0.1 * np.square(kernel).sum(), rel=1e-6
    )
