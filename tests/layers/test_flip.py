"""Tests of `FlipAverage`."""

import keras
import numpy as np
import pytest
from keras import ops

from siamese_verify import (
    ConvBlock,
    ConvTower,
    CosineHead,
    FlipAverage,
    Preprocessing,
    ResidualBlock,
    SiameseModel,
    Verifier,
)
from siamese_verify.evaluation.calibration import calibrate
from siamese_verify.testing import check_tower

IMAGES = np.random.default_rng(0).random((5, 12, 9, 1), np.float32)


def embed(tower, images, training=False):
    return ops.convert_to_numpy(tower(images, training=training))


def unit_length(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def tower():
    blocks = [ConvBlock(4, 3, 1, batch_norm=True), ResidualBlock(6, stride=2)]
    tower = ConvTower(blocks, (12, 9, 1), 8, None, dropout=0.5)
    rng = np.random.default_rng(1)
    tower.set_weights([w + 0.1 * rng.random(w.shape) for w in tower.get_weights()])
    return tower


def test_an_embedding_is_the_average_over_the_image_and_its_mirror_image(tower):
    def average(images):
        images = images.astype(np.float32)
        both = [unit_length(embed(tower, x)) for x in (images, images[:, :, ::-1])]
        assert not np.allclose(*both, atol=1e-2)
        return unit_length(sum(both))

    check_tower(FlipAverage(tower), average)


def test_a_mirrored_image_has_the_same_embedding(tower):
    flip_average = FlipAverage(tower)
    np.testing.assert_allclose(
        embed(flip_average, IMAGES), embed(flip_average, IMAGES[:, :, ::-1]), atol=1e-6
    )


def test_it_has_the_shapes_and_the_weights_of_the_tower(tower):
    flip_average = FlipAverage(tower, name="mine")
    assert flip_average.name == "mine"
    assert flip_average.built
    assert flip_average.input_shape == tower.input_shape
    assert flip_average.output_shape == tower.output_shape
    assert flip_average.tower is tower
    for mine, its in zip(flip_average.weights, tower.weights, strict=True):
        assert mine is its


def test_any_built_model_may_be_the_tower():
    layers = [keras.Input((12, 9, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    flip_average = FlipAverage(keras.Sequential(layers))
    np.testing.assert_allclose(np.linalg.norm(embed(flip_average, IMAGES), axis=1), 1, rtol=1e-6)


def test_a_tower_that_is_not_built_raises_an_error():
    with pytest.raises(ValueError, match=r"built.*Received: tower='later'"):
        FlipAverage(keras.Sequential([keras.layers.Flatten()], name="later"))


def test_a_tower_of_low_precision_is_averaged_in_float32(tower):
    config = {**tower.get_config(), "dtype": "mixed_bfloat16"}
    embeddings = embed(FlipAverage(ConvTower.from_config(config)), IMAGES)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-6)


def test_it_is_the_tower_of_a_model(tower):
    model = SiameseModel(FlipAverage(tower), CosineHead())
    np.testing.assert_allclose(model.embed(IMAGES), embed(model.tower, IMAGES), atol=1e-6)
    assert model.embed(IMAGES[:0]).shape == (0, 8)
    scores = model.predict((IMAGES, IMAGES[:, :, ::-1]), verbose=0)
    np.testing.assert_allclose(scores, 1, atol=1e-5)


def test_it_is_saved_with_its_tower(tower, tmp_path):
    tower.get_layer("conv_1").trainable = False
    flip_average = FlipAverage(tower, name="mine")
    flip_average.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    assert (type(loaded), type(loaded.tower), loaded.name) == (FlipAverage, ConvTower, "mine")
    assert [layer.name for layer in loaded.tower.layers if not layer.trainable] == ["conv_1"]
    np.testing.assert_array_equal(embed(loaded, IMAGES), embed(flip_average, IMAGES))


def test_a_verifier_is_saved_with_it(tower, tmp_path):
    verifier = Verifier(SiameseModel(FlipAverage(tower), CosineHead()), Preprocessing((12, 9)))
    verifier.calibration = calibrate([0.1, 0.4, 0.3, 0.6], [0, 0, 1, 1])
    verifier.save(tmp_path / "faces.keras")
    loaded = Verifier.load(tmp_path / "faces.keras")
    assert type(loaded.model.tower) is FlipAverage
    assert loaded.verify(*IMAGES[:2]) == verifier.verify(*IMAGES[:2])
