"""Tests of `FusedAdam`, against Keras's own Adam."""

import keras
import numpy as np
import pytest
from keras import ops

import siamese_verify as sv


def weights_after(optimizer, gradients):
    variable = keras.Variable(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
    return [ops.convert_to_numpy(v) for v in (variable, *optimizer.variables)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"learning_rate": 0.01},
        {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1},
        {"learning_rate": 0.01, "amsgrad": True},
        {"learning_rate": 0.01, "weight_decay": 0.1, "clipnorm": 0.5},
        {"learning_rate": 0.01, "use_ema": True, "ema_overwrite_frequency": 3},
        {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)},
    ],
)
def test_weights_and_state_equal_kerass(arguments):
    gradients = np.random.default_rng(0).normal(size=(7, 3, 4)).astype(np.float32)
    results = [
        weights_after(c(**arguments), gradients) for c in (sv.FusedAdam, keras.optimizers.Adam)
    ]
    for actual, expected in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=5e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow only")
def test_sparse_gradients_are_applied():
    import tensorflow as tf

    def trained(optimizer):
        table = keras.Variable(np.ones((4, 2), np.float32))
        optimizer.build([table])
        rows = tf.IndexedSlices(tf.constant([[1.0, -2.0]]), tf.constant([2]), tf.constant([4, 2]))
        optimizer.apply([rows], [table])
        return ops.convert_to_numpy(table)

    expected = trained(keras.optimizers.Adam(0.1))
    np.testing.assert_allclose(trained(sv.FusedAdam(0.1)), expected, rtol=1e-6)


def test_training_goes_on_from_a_file_as_if_not_interrupted(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 5)).astype(np.float32), rng.normal(size=(8, 1)).astype(np.float32)
    model = keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(1)])
    model.compile(sv.FusedAdam(0.1), "mse")
    model.fit(x, y, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is sv.FusedAdam
    for m in (model, loaded):
        m.fit(x, y, epochs=2, shuffle=False, verbose=0)
    for actual, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)
