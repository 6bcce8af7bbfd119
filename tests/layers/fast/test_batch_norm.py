"""Tests of `FastBatchNormalization`, against Keras's own."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from siamese_verify.layers.fast.batch_norm import FastBatchNormalization
from siamese_verify.testing.gradients import value_and_gradients


def pair_of_layers(shape, **arguments):
    layers = FastBatchNormalization(**arguments), keras.layers.BatchNormalization(**arguments)
    rng = np.random.default_rng(1)
    for layer in layers:
        layer.build((None, *shape))
    weights = [
        rng.uniform(0.5, 1.5, w.shape) * rng.choice([-1, 1], w.shape) for w in layers[0].weights
    ]
    weights[3] = np.abs(weights[3])  # a variance
    for layer in layers:
        layer.set_weights(weights)
    return layers


@pytest.mark.parametrize("shape", [(9, 7, 5), (6,)])
@pytest.mark.parametrize("shift", [0, 5])
@pytest.mark.parametrize("arguments", [{}, {"epsilon": 0.1, "momentum": 0.7}, {"axis": 1}])
def test_output_gradients_and_statistics_equal_kerass(shape, shift, arguments):
    fast, slow = pair_of_layers(shape, **arguments)
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(8, *shape)) + shift).astype(np.float32)
    direction = rng.normal(size=x.shape).astype(np.float32)
    results = [value_and_gradients(layer, x, direction, training=True) for layer in (fast, slow)]
    for actual, expected in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, atol=2e-5 * np.abs(expected).max())
    for layer in (fast, slow):
        layer(x, training=True)
    for actual, expected in zip(fast.get_weights(), slow.get_weights(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("deviations", [0, 1_000, 10_000])
def test_a_mean_of_thousands_of_deviations_loses_no_digits(deviations):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(16, 12, 12, 4)) + deviations).astype(np.float32)
    direction = rng.normal(size=x.shape).astype(np.float32)
    layer = FastBatchNormalization(momentum=0)
    layer.build(x.shape)
    output, to_x, to_gamma, to_beta = value_and_gradients(layer, x, direction, training=True)
    exact, slope = x.astype(np.float64), direction.astype(np.float64)
    inverse = 1 / np.sqrt(exact.var((0, 1, 2)) + layer.epsilon)
    expected = (exact - exact.mean((0, 1, 2))) * inverse
    for_gamma, for_beta = (slope * expected).sum((0, 1, 2)), slope.sum((0, 1, 2))
    n = x.size / 4
    for_x = inverse * (slope - for_beta / n - expected * for_gamma / n)
    # In float32, a value of so many deviations is itself rounded by half of this.
    rounding = 1e-6 + np.spacing(np.float32(deviations))
    np.testing.assert_allclose(output, expected, atol=3 * rounding)
    np.testing.assert_allclose(output.std((0, 1, 2)), 1, atol=1e-3)
    np.testing.assert_allclose(to_x, for_x, atol=3 * rounding)
    np.testing.assert_allclose(to_gamma, for_gamma, atol=3 * rounding * np.sqrt(n))
    np.testing.assert_allclose(to_beta, for_beta, atol=1e-3)


def test_many_values_lose_no_digits():
    # In float32, a single sum over two million squares is wrong by 5e-4.
    fast = FastBatchNormalization(momentum=0)
    x = np.random.default_rng(0).random((64, 180, 180, 2), np.float32)
    fast(x, training=True)
    mean, variance = (f(x, axis=(0, 1, 2), dtype=np.float64) for f in (np.mean, np.var))
    np.testing.assert_allclose(ops.convert_to_numpy(fast.moving_mean), mean, rtol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(fast.moving_variance), variance, rtol=1e-5)


RENORM = "renorm" in inspect.signature(keras.layers.BatchNormalization).parameters


@pytest.mark.parametrize(
    "arguments",
    [
        {"scale": False},
        {"center": False},
        pytest.param(
            {"renorm": True}, marks=pytest.mark.skipif(not RENORM, reason="not in this Keras")
        ),
    ],
)
def test_with_other_settings_it_is_keras_too(arguments):
    layers = [
        each(**arguments) for each in (FastBatchNormalization, keras.layers.BatchNormalization)
    ]
    x = np.random.default_rng(0).normal(1, 2, (8, 4, 4, 3)).astype(np.float32)
    for _ in range(2):
        fast, slow = (ops.convert_to_numpy(layer(x, training=True)) for layer in layers)
        np.testing.assert_allclose(fast, slow, atol=1e-5)
    for fast, slow in zip(*(layer.get_weights() for layer in layers), strict=True):
        np.testing.assert_allclose(fast, slow, atol=1e-5)


def test_masked_steps_do_not_count():
    x, mask = (
        np.random.default_rng(0).random((4, 6, 3), np.float32),
        np.arange(24).reshape(4, 6) < 9,
    )
    fast, slow = (
        ops.convert_to_numpy(layer()(x, training=True, mask=mask))
        for layer in (FastBatchNormalization, keras.layers.BatchNormalization)
    )
    np.testing.assert_allclose(fast, slow, atol=1e-5)


@pytest.mark.parametrize("trainable", [True, False])
def test_in_inference_or_frozen_it_uses_the_moving_statistics(trainable):
    fast, slow = pair_of_layers((4, 4, 3))
    fast.trainable = slow.trainable = trainable
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    actual, expected = (
        ops.convert_to_numpy(layer(x, training=not trainable)) for layer in (fast, slow)
    )
    np.testing.assert_array_equal(actual, expected)


def test_constant_images_give_beta():
    fast, _ = pair_of_layers((4, 4, 3))
    output = ops.convert_to_numpy(fast(np.full((2, 4, 4, 3), 7.0, np.float32), training=True))
    beta = ops.convert_to_numpy(fast.beta)
    np.testing.assert_allclose(output, np.broadcast_to(beta, output.shape), atol=1e-3)


def test_half_precision_stays():
    layer = FastBatchNormalization(dtype="mixed_float16")
    output = layer(np.ones((2, 4, 4, 3), np.float16), training=True)
    assert ops.convert_to_numpy(output).dtype == np.float16


# JAX has none unless told at the start. With torch, Keras multiplies matrices in float32.
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow has it")
def test_double_precision_stays():
    layers = pair_of_layers((9, 5), dtype="float64")
    x = np.random.default_rng(0).normal(3.0, 1.0, (8, 9, 5))
    outputs = [layer(ops.convert_to_tensor(x, "float64"), training=True) for layer in layers]
    assert keras.backend.standardize_dtype(outputs[0].dtype) == "float64"
    actual, expected = map(ops.convert_to_numpy, outputs)
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-10)
    for mine, theirs in zip(*(layer.get_weights() for layer in layers), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_in_half_precision_are_normalised_as_by_keras(dtype):
    x = np.random.default_rng(0).normal(3.0, 2.0, (4, 5, 5, 3)).astype(np.float32)
    ours, theirs = FastBatchNormalization(dtype=dtype), keras.layers.BatchNormalization(dtype=dtype)
    outputs = [ops.cast(layer(x, training=True), "float32") for layer in (ours, theirs)]
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, outputs))
