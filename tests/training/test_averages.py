"""Tests of averaged weights and of batch norm's averages, against NumPy."""

import keras
import numpy as np
import pytest
from eagerly import eager  # noqa: F401
from keras import ops

import siamese_verify as sv
from siamese_verify import averaged_weights, recompute_batch_norm

# --- Averaged weights

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
    """Averages of the weights after each step. Keras starts from the weights of the first step."""
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
        with_average(keras.optimizers.Adam),
        # Keras wraps an optimizer like this under the policy mixed_float16.
        keras.optimizers.LossScaleOptimizer(with_average(keras.optimizers.SGD), initial_scale=8.0),
    ],
    ids=["SGD", "Adam", "loss scale"],
)
def test_weights_are_averages_within_and_of_the_last_step_afterwards(optimizer):
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
    _, _, weights = trained(with_average(keras.optimizers.Adam), steps=6)
    interrupted, data, _ = trained(with_average(keras.optimizers.Adam), steps=4)
    for _ in range(2):
        with averaged_weights(interrupted):
            interrupted.evaluate(*data, verbose=0)
        interrupted.train_on_batch(*data)
    assert_equal(interrupted.trainable_variables, weights[-1], rtol=1e-5, atol=1e-6)
    with averaged_weights(interrupted):
        assert_equal(interrupted.trainable_variables, averages(weights), rtol=1e-5, atol=1e-6)


def test_weights_are_of_the_last_step_again_after_an_error():
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
    model, _, weights = trained(keras.optimizers.Adam(0.1))
    with averaged_weights(model):
        assert_equal(model.trainable_variables, weights[-1])
    assert_equal(model.trainable_variables, weights[-1])


def test_a_model_without_a_step_has_no_averages():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="not compiled"), averaged_weights(model):
        pass
    model.compile(keras.optimizers.Adam(0.1, use_ema=True), "mse")
    with pytest.raises(ValueError, match="no step made"), averaged_weights(model):
        pass
    model.optimizer.build(model.trainable_variables)  # as in a model from a file
    with pytest.raises(ValueError, match="no step made"), averaged_weights(model):
        pass


# --- The averages of batch norm

X = np.random.default_rng(0).normal(2.0, 3.0, size=(10, 3)).astype(np.float32)


def normed(*layers):
    """A network of two batch norms, some steps into its training."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="relu"),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3),
            *layers,
            keras.layers.Dense(2),
            keras.layers.BatchNormalization(momentum=0.8),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01), "mse")
    model.fit(X, np.zeros((10, 2), np.float32), epochs=2, verbose=0)
    return model


def norms_of(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


def statistics(model):
    return [
        np.array(ops.convert_to_numpy(v))
        for norm in norms_of(model)
        for v in (norm.moving_mean, norm.moving_variance)
    ]


def statistics_by_hand(model, batches):
    """The mean over all images of the mean and variance of each image's batch."""
    first, second = (layer for layer in model.layers if isinstance(layer, keras.layers.Dense))
    norm = norms_of(model)[0]
    total, n = [0, 0, 0, 0], sum(map(len, batches))
    for x in batches:
        hidden = np.maximum(x @ np.array(first.kernel) + np.array(first.bias), 0)
        mean, variance = hidden.mean(0), hidden.var(0)
        hidden = (hidden - mean) / np.sqrt(variance + 1e-3) * np.array(norm.gamma) + norm.beta
        output = hidden @ np.array(second.kernel) + np.array(second.bias)
        figures = (mean, variance, output.mean(0), output.var(0))
        total = [t + len(x) / n * f for t, f in zip(total, figures, strict=True)]
    return total


@pytest.mark.parametrize(
    "layers",
    [[], [keras.layers.Dropout(0.5)], [keras.layers.GaussianDropout(0.5)]],
    ids=["plain", "dropout", "gaussian dropout"],
)
def test_batch_norms_get_the_statistics_of_the_batches(layers):
    model, batches = normed(*layers), [X[:4], X[4:8], X[8:]]
    before = statistics(model)
    weights = [np.array(ops.convert_to_numpy(v)) for v in model.trainable_variables]
    expected = statistics_by_hand(model, batches)
    assert not np.allclose(before[0], expected[0], rtol=0.1)
    recompute_batch_norm(model, batches)
    for actual, wanted in zip(statistics(model), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5)
    assert_equal(model.trainable_variables, weights)
    assert [norm.momentum for norm in norms_of(model)] == [0.9, 0.8]
    assert [layer.rate for layer in layers] == [0.5] * len(layers)


def test_pairs_count_as_two_images_each_for_a_tower():
    model, other = normed(), normed()
    recompute_batch_norm(model, [((X[:5], X[5:]), np.ones(5))])
    recompute_batch_norm(other, [X])
    assert_equal(statistics(model), statistics(other))


def test_a_siamese_model_takes_pairs_as_they_are():
    rng = np.random.default_rng(0)
    left, right = rng.random((2, 4, 8, 8, 1), np.float32)
    tower = sv.ConvTower([sv.ConvBlock(2, 3, batch_norm=True)], (8, 8, 1), embedding_size=4)
    statistics = [v for v in tower.weights if "moving" in v.path]
    recompute_batch_norm(tower, [np.concatenate([left, right])])
    expected = [np.array(ops.convert_to_numpy(v)) for v in statistics]
    recompute_batch_norm(tower, [rng.random((8, 8, 8, 1), np.float32)])
    recompute_batch_norm(sv.SiameseModel(tower, sv.CosineHead()), [((left, right), np.ones(4))])
    assert_equal(statistics, expected)


def test_momenta_and_rates_come_back_after_an_error():
    dropout = keras.layers.Dropout(0.5)
    model = normed(dropout)
    with pytest.raises(ValueError, match="empty"):
        recompute_batch_norm(model, [])
    with pytest.raises(Exception, match="shape"):
        recompute_batch_norm(model, [X[:, :2]])
    assert [norm.momentum for norm in norms_of(model)] == [0.9, 0.8]
    assert dropout.rate == 0.5
