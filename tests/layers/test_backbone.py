"""Tests of pretrained networks as towers."""

import inspect
import types
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy

import siamese_verify as sv
from siamese_verify.testing import check_tower

SIZE = (32, 32)
AVERAGES = ("moving_mean", "moving_variance")


def images(n: int = 8, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).random((n, *SIZE, channels), np.float32)


def tiny(include_top: bool, weights: str | None, input_shape: tuple[int, ...]) -> keras.Model:
    """Make a network of three layers in the way of `keras.applications`."""
    assert not include_top
    network = keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Conv2D(4, 3, strides=2, name="conv"),
            keras.layers.BatchNormalization(momentum=0.999, name="norm"),
            keras.layers.ReLU(),
            keras.layers.Conv2D(8, 3, strides=2, name="last"),
        ],
        name="tiny",
    )
    if weights is not None:
        network.load_weights(weights)
    return network


@pytest.fixture(autouse=True)
def networks_are_tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    keras.utils.set_random_seed(0)
    for name in ("MobileNetV2", "MobileNetV3Large", "DenseNet121", "VGG16"):
        made = types.FunctionType(tiny.__code__, tiny.__globals__, name)
        made.__module__ = getattr(keras.applications, name).__module__
        monkeypatch.setattr(keras.applications, name, made)


def small(name: str = "MobileNetV2", **settings: object) -> sv.BackboneTower:
    return sv.backbone(name, weights=None, image_size=SIZE, **settings)


@pytest.fixture
def pretrained(tmp_path: Path) -> sv.BackboneTower:
    """Make a tower whose weights come from a file, as the weights of ImageNet do."""
    path = str(tmp_path / "tiny.weights.h5")
    tiny(False, None, (*SIZE, 3)).save_weights(path)
    return sv.backbone("MobileNetV2", weights=path, image_size=SIZE, embedding_size=16)


def test_a_backbone_keeps_every_rule_of_a_tower() -> None:
    check_tower(small(embedding_size=8))


@pytest.mark.parametrize("name", ["MobileNetV3Large", "MobileNetV2", "DenseNet121", "VGG16"])
def test_the_tower_sees_what_preprocess_input_returns(name: str) -> None:
    """One network of each kind: [0, 255], [-1, 1], standardized, and blue first."""
    application = getattr(keras.applications, name)
    preprocess_input = inspect.getmodule(application).preprocess_input
    ranged = to_numpy(small(name).input_range(images()))
    np.testing.assert_allclose(ranged, preprocess_input(255 * images()), rtol=1e-4, atol=1e-4)


def test_the_embedding_is_the_average_of_the_features() -> None:
    tower = small("MobileNetV2")
    features = to_numpy(tower.network(2 * images() - 1, training=False))
    embeddings = to_numpy(tower(images(), training=False))
    np.testing.assert_allclose(embeddings, features.mean(axis=(1, 2)), rtol=1e-3, atol=1e-5)


def test_grey_images_are_repeated_for_red_green_and_blue() -> None:
    grey = small(channels=1)
    coloured = sv.BackboneTower(grey.network, grey.input_range)
    one = images(channels=1)
    expected = to_numpy(coloured(np.repeat(one, 3, axis=-1), training=False))
    np.testing.assert_allclose(to_numpy(grey(one, training=False)), expected, rtol=1e-4)


def step(tower: sv.BackboneTower, rate: float = 1.0) -> dict[str, float]:
    """Train for a step, and return how much each weight has moved at most."""
    before = {weight.path: np.array(weight) for weight in tower.weights}
    learner = keras.Sequential([tower])
    learner.compile(sv.BackboneAdam(1e-3, backbone_rate=rate), loss=sv.SupervisedContrastiveLoss())
    learner.fit(images(), np.repeat(np.arange(4), 2), batch_size=8, verbose=0)
    return {w.path: float(np.abs(np.array(w) - before[w.path]).max()) for w in tower.weights}


def test_a_frozen_network_keeps_its_weights_and_averages(pretrained: sv.BackboneTower) -> None:
    moved = step(pretrained)
    assert {path for path, by in moved.items() if by} == {"embedding/kernel", "embedding/bias"}


def test_an_unfrozen_network_learns_but_keeps_its_batch_norm(pretrained: sv.BackboneTower) -> None:
    moved = step(pretrained.unfreeze())
    still = {path for path, by in moved.items() if not by}
    assert still == {f"tiny/norm/{name}" for name in ("gamma", "beta", *AVERAGES)}


def test_freezing_again_keeps_all_weights(pretrained: sv.BackboneTower) -> None:
    assert len(pretrained.unfreeze().freeze().trainable_variables) == 2


def test_without_weights_batch_norm_learns_within_a_short_training() -> None:
    tower = small("MobileNetV3Small")
    momenta = {
        layer.momentum
        for layer in tower.network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert momenta == {0.9}
    moved = step(small())
    assert all(moved[f"tiny/norm/{name}"] for name in AVERAGES)


def test_the_network_learns_at_its_share_of_the_learning_rate() -> None:
    """Adam's first step moves each weight by the learning rate, whatever the gradient."""
    moved = step(small("MobileNetV2", embedding_size=16), rate=0.1)
    assert moved["embedding/kernel"] == pytest.approx(1e-3, rel=0.01)
    assert moved["tiny/conv/kernel"] == pytest.approx(1e-4, rel=0.01)


def test_a_saved_tower_stays_frozen_and_has_the_same_fingerprint(
    pretrained: sv.BackboneTower, tmp_path: Path
) -> None:
    def fingerprint(tower: keras.Model) -> str:
        return sv.Verifier(tower, sv.Preprocessing(SIZE, 3), head=sv.CosineHead()).fingerprint

    pretrained.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    assert fingerprint(loaded) == fingerprint(pretrained)
    assert len(loaded.trainable_variables) == 2
    assert all(hasattr(variable, "is_of_backbone") for variable in loaded.network.variables)
    before = fingerprint(loaded)
    assert fingerprint(loaded.unfreeze()) == before


def test_a_network_of_ones_own_can_be_a_backbone() -> None:
    tokens = keras.Sequential([keras.Input((*SIZE, 3)), keras.layers.Reshape((64, 48))])
    tower = sv.BackboneTower(tokens, sv.InputRange(1.0))
    expected = images().reshape(8, 64, 48).mean(axis=1)
    np.testing.assert_allclose(to_numpy(tower(images())), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "channels", "message"),
    [((*SIZE, 1), 3, "built model of RGB"), ((*SIZE, 3), 2, "`channels` must be 1 or 3")],
)
def test_another_network_raises(shape: tuple[int, ...], channels: int, message: str) -> None:
    network = keras.Sequential([keras.Input(shape), keras.layers.Flatten()])
    with pytest.raises(ValueError, match=message):
        sv.BackboneTower(network, sv.InputRange(1.0), channels=channels)


@pytest.mark.parametrize("size", [32, (32,), (0, 32), ("32", 32)])
def test_an_image_size_that_is_no_size_raises(size: object) -> None:
    with pytest.raises(ValueError, match="`image_size` must be a height and a width"):
        sv.backbone("MobileNetV2", weights=None, image_size=size)


def test_an_unknown_name_raises_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keras_hub", None)
    with pytest.raises(ImportError, match=r"'MobileNetV9' is not a class.*pip install keras-hub"):
        sv.backbone("MobileNetV9", weights=None)


def test_a_preset_of_keras_hub_has_its_own_range(tmp_path: Path) -> None:
    hub = pytest.importorskip("keras_hub")
    network = hub.models.ResNetBackbone(
        *([64], [3], [64], [1], [1], "basic_block"), image_shape=(None, None, 3)
    )
    network.save_to_preset(tmp_path)
    hub.layers.ImageConverter(scale=1 / 127.5, offset=-1.0, image_size=SIZE).save_to_preset(
        tmp_path
    )
    tower = sv.backbone(str(tmp_path), image_size=SIZE)
    np.testing.assert_allclose(
        to_numpy(tower.input_range(images())),
        2 * images() - 1,
        rtol=1e-3,
        atol=1e-3,
    )
    expected = to_numpy(network(2 * images() - 1)).mean(axis=(1, 2))
    np.testing.assert_allclose(to_numpy(tower(images())), expected, rtol=1e-3, atol=1e-4)
