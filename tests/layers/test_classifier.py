"""Tests of `CosineClassifier`."""

import keras
import numpy as np
import pytest
from keras import ops

from siamese_verify import CosineClassifier, MarginSoftmaxLoss
from siamese_verify.testing.gradients import value_and_gradients


def made(classes=5, size=8):
    layer = CosineClassifier(classes)
    layer.build((None, size))
    return layer


def embeddings(n=6, size=8):
    return np.random.default_rng(0).normal(size=(n, size)).astype(np.float32)


def test_the_output_is_the_cosine_to_each_direction():
    layer, x = made(), embeddings()
    directions = ops.convert_to_numpy(layer.directions)
    lengths = np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(directions, axis=1))
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(x)), x @ directions.T / lengths, rtol=1e-5, atol=1e-6
    )
    assert layer.compute_output_spec(keras.KerasTensor((None, 8))).shape == (None, 5)


def test_no_length_counts():
    layer, x = made(), embeddings()
    before = ops.convert_to_numpy(layer(x))
    layer.set_weights([weights * 7 for weights in layer.get_weights()])
    np.testing.assert_allclose(ops.convert_to_numpy(layer(0.01 * x)), before, atol=1e-6)


@pytest.mark.parametrize(("classes", "size"), [(10, 512), (2000, 64)])
def test_directions_begin_short(classes, size):
    # Adam turns a long row but little.
    lengths = np.linalg.norm(made(classes, size).get_weights()[0], axis=1)
    assert lengths.min() > 0
    assert lengths.max() < 1.6


def test_an_embedding_of_zeros_has_no_cosine_and_a_finite_gradient():
    zeros = np.zeros((2, 8), np.float32)
    cosines, *gradients = value_and_gradients(made(), zeros, 1.0)
    np.testing.assert_array_equal(cosines, 0)
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


def test_it_trains_a_tower_which_then_knows_the_classes():
    keras.utils.set_random_seed(0)
    classes = np.arange(24) % 4
    x = np.eye(4, 6, dtype=np.float32)[classes] + 0.1 * embeddings(24, 6)
    tower = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8)])
    model = keras.Sequential([tower, CosineClassifier(4)])
    model.compile(keras.optimizers.Adam(0.05), loss=MarginSoftmaxLoss(16.0), metrics=["accuracy"])
    # With a last batch that is smaller.
    losses = model.fit(x, classes, epochs=10, batch_size=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
    assert model.evaluate(x, classes, verbose=0)[1] == 1
    y = tower.predict(x, verbose=0)
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    same = classes[:, None] == classes
    assert (y @ y.T)[same].min() > (y @ y.T)[~same].max()


@pytest.mark.parametrize("classes", [1, 0, -3, 2.5, float("nan"), float("inf")])
def test_fewer_than_two_classes_raise_an_error(classes):
    with pytest.raises(ValueError, match=f"`classes`.*Received: classes={classes}"):
        CosineClassifier(classes)


def test_it_is_made_again_from_its_configuration():
    layer = CosineClassifier(7, name="mine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is CosineClassifier
    assert again.get_config() == layer.get_config()
    assert (again.classes, again.name) == (7, "mine")
