"""Tests of averaged weights."""

import keras
import numpy as np
import pytest
from keras import ops

import siamese_verify as sv
from siamese_verify.training.optimizers import averaged_weights

MOMENTUM = 0.7


def trained(optimizer, steps=4):
    """A small network after some steps: its data, and its weights after each of them."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 5)).astype(np.float32), rng.normal(size=(8, 1)).astype(np.float32)
    hidden = [keras.layers.Dense(3), keras.layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((5,)), *hidden, keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    weights = []
    for _ in range(steps):
        model.train_on_batch(x, y)
        weights.append([np.array(v) for v in model.trainable_variables])
    return model, (x, y), weights


def averages(weights):
    """Of weights after each step; in Keras, the average starts from those after the first."""
    average = weights[0]
    for step in weights[1:]:
        average = [MOMENTUM * a + (1 - MOMENTUM) * w for a, w in zip(average, step, strict=True)]
    return average


def assert_equal(actual, expected, **tolerance):
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(a), e, **{"rtol": 0, **tolerance})


def with_average(kind, **arguments):
    return kind(0.1, use_ema=True, ema_momentum=MOMENTUM, **arguments)


@pytest.mark.parametrize(
    "optimizer",
    [
        with_average(keras.optimizers.SGD, momentum=0.5),
        with_average(sv.FusedAdam),
        # What Keras makes of it with the policy mixed_float16.
        keras.optimizers.LossScaleOptimizer(with_average(keras.optimizers.SGD), initial_scale=8.0),
    ],
    ids=["SGD", "Adam", "loss scale"],
)
def test_within_weights_are_averages_and_afterwards_those_of_the_last_step(optimizer):
    model, _, weights = trained(optimizer)
    expected, statistics = averages(weights), [np.array(v) for v in model.non_trainable_variables]
    assert not np.allclose(expected[0], weights[-1][0], rtol=0.01)
    with averaged_weights(model):
        assert_equal(model.trainable_variables, expected, rtol=1e-5, atol=1e-6)
        assert_equal(model.non_trainable_variables, statistics)
    assert_equal(model.trainable_variables, weights[-1])


def test_what_is_computed_within_is_computed_with_averages():
    model, (x, y), weights = trained(with_average(keras.optimizers.SGD))
    live = model.predict(x, verbose=0)
    with averaged_weights(model):
        averaged, loss = model.predict(x, verbose=0), model.evaluate(x, y, verbose=0)
    np.testing.assert_array_equal(model.predict(x, verbose=0), live)
    assert loss == pytest.approx(np.mean((averaged - y) ** 2), rel=1e-4)
    for variable, value in zip(model.trainable_variables, averages(weights), strict=True):
        variable.assign(value)
    np.testing.assert_allclose(model.predict(x, verbose=0), averaged, rtol=1e-4, atol=1e-5)


def test_training_goes_on_as_if_weights_had_not_been_averaged():
    _, _, weights = trained(with_average(sv.FusedAdam), steps=6)
    interrupted, data, _ = trained(with_average(sv.FusedAdam), steps=4)
    for _ in range(2):
        with averaged_weights(interrupted):
            interrupted.evaluate(*data, verbose=0)
        interrupted.train_on_batch(*data)
    assert_equal(interrupted.trainable_variables, weights[-1], rtol=1e-5, atol=1e-6)
    with averaged_weights(interrupted):
        assert_equal(interrupted.trainable_variables, averages(weights), rtol=1e-5, atol=1e-6)


def test_weights_are_those_of_the_last_step_again_after_an_error():
    model, _, weights = trained(with_average(keras.optimizers.SGD))
    with pytest.raises(KeyError), averaged_weights(model):
        raise KeyError
    assert_equal(model.trainable_variables, weights[-1])


def test_layers_that_are_not_trained_are_left_alone():
    model, _, _ = trained("sgd", steps=1)
    model.layers[0].trainable = False
    model.compile(with_average(keras.optimizers.SGD), "mse")
    x, y = np.ones((4, 5), np.float32), np.zeros((4, 1), np.float32)
    frozen, weights = model.layers[0].get_weights(), []
    for _ in range(3):
        model.train_on_batch(x, y)
        weights.append([np.array(v) for v in model.trainable_variables])
    with averaged_weights(model):
        assert_equal(model.layers[0].weights, frozen)
        assert_equal(model.trainable_variables, averages(weights), rtol=1e-5, atol=1e-6)


def test_a_layer_frozen_after_training_does_not_shift_the_averages():
    model, _, weights = trained(with_average(keras.optimizers.SGD))
    variables = list(model.trainable_variables)
    model.layers[0].trainable = False
    with averaged_weights(model):
        assert_equal(variables, averages(weights), rtol=1e-5, atol=1e-6)
    assert_equal(variables, weights[-1])


def test_without_averages_nothing_changes():
    model, _, weights = trained(sv.FusedAdam(0.1))
    with averaged_weights(model):
        assert_equal(model.trainable_variables, weights[-1])
    assert_equal(model.trainable_variables, weights[-1])


def test_a_model_without_a_step_has_no_averages():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="not compiled"), averaged_weights(model):
        pass
    model.compile(sv.FusedAdam(0.1, use_ema=True), "mse")
    with pytest.raises(ValueError, match="no step made"), averaged_weights(model):
        pass
    model.optimizer.build(model.trainable_variables)  # as in a model from a file
    with pytest.raises(ValueError, match="no step made"), averaged_weights(model):
        pass
