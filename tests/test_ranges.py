"""Tests of the ranges of pixels: one meaning by every method, and another range is told."""

import warnings
from collections.abc import Callable

import keras
import numpy as np
import pytest

import siamese_verify as sv

layers = keras.layers
SHAPE = (8, 8, 3)
LABELS = np.array([0, 1, 0, 1])


def make(*first: keras.layers.Layer) -> keras.Model:
    """A small tower, which begins with some layers."""
    return keras.Sequential(
        [keras.Input(SHAPE), *first, layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(6)]
    )


@pytest.fixture(scope="module")
def model() -> sv.SiameseModel:
    """A model that no training changes."""
    keras.utils.set_random_seed(0)
    model = sv.SiameseModel(make(), sv.WeightedL1Head())
    model.compile(keras.optimizers.SGD(0.0), "binary_crossentropy")
    return model


def pixels(seed: int = 0, n: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *SHAPE), np.uint8)


def pair() -> tuple[np.ndarray, np.ndarray]:
    return pixels(0), pixels(1)


def scored(model: sv.SiameseModel, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    rows = np.arange(len(left))
    return model.score(np.concatenate([left, right]), np.stack([rows, rows + len(left)], axis=1))


METHODS: dict[str, Callable] = {
    "call": lambda model, x: model(x),
    "call by name": lambda model, x: model(inputs=x),
    "call on tensors": lambda model, x: model(tuple(map(keras.ops.convert_to_tensor, x))),
    "fit": lambda model, x: model.fit(x, LABELS, verbose=0).history["loss"],
    "fit by name": lambda model, x: model.fit(x=x, y=LABELS, verbose=0).history["loss"],
    "validation": lambda model, x: model.fit(
        pair(), LABELS, validation_data=(x, LABELS), verbose=0
    ).history["val_loss"],
    "evaluate": lambda model, x: model.evaluate(x, LABELS, verbose=0),
    "predict": lambda model, x: model.predict(x, verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, LABELS),
    "test_on_batch": lambda model, x: model.test_on_batch(x, LABELS),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "embed": lambda model, x: model.embed(x[0]),
    "score": lambda model, x: scored(model, *x),
}
every_method = pytest.mark.parametrize("method", METHODS)


@every_method
def test_uint8_and_floats_mean_the_same_to_every_method(
    method: str, model: sv.SiameseModel
) -> None:
    of_integers = METHODS[method](model, pair())
    of_floats = METHODS[method](model, tuple(x / np.float32(255) for x in pair()))
    np.testing.assert_allclose(np.asarray(of_integers), np.asarray(of_floats), atol=1e-5)


@every_method
@pytest.mark.parametrize(
    ("images", "match"),
    [
        (np.full((4, *SHAPE), 255.0, np.float32), "Divide pixels by 255.*from 255.0 to 255.0"),
        (np.full((4, *SHAPE), -0.5, np.float32), "from -0.5"),
        (np.full((4, *SHAPE), np.nan, np.float32), "nan"),
        (np.zeros((4, *SHAPE), np.int32), "dtype=int32"),
    ],
)
def test_other_pixels_raise_in_every_method(
    method: str, images: np.ndarray, match: str, model: sv.SiameseModel
) -> None:
    with pytest.raises(ValueError, match=match):
        METHODS[method](model, (images, images))


@every_method
@pytest.mark.parametrize(
    ("images", "match"),
    [
        (pixels() / np.float32(255) / 255, "divided by 255 twice"),
        ((pixels() > 127).astype(np.uint8), "cast to uint8"),
    ],
)
def test_images_that_were_divided_twice_are_warned_of_by_every_method(
    method: str, images: np.ndarray, match: str, model: sv.SiameseModel
) -> None:
    with pytest.warns(UserWarning, match=match) as caught:
        METHODS[method](model, (images, images))
    assert caught[0].filename == __file__


def test_dark_images_are_not_warned_of(model: sv.SiameseModel) -> None:
    dark = np.zeros((4, *SHAPE), np.uint8)
    model.embed(dark)
    dark[3, 0, 0, 0] = 2
    model.predict((dark, dark), verbose=0)


RESCALING = {
    "Rescaling(1/255)": lambda: make(layers.Rescaling(1 / 255)),
    "Rescaling(1/127.5)": lambda: make(layers.Rescaling(1 / 127.5, offset=-1.0)),
    "by channel": lambda: make(layers.Rescaling([1 / 255] * 3, offset=[0.1, 0.2, 0.3])),
    "Normalization": lambda: make(layers.Normalization(mean=[123, 116, 103], variance=[1, 1, 1])),
    "after augmentation": lambda: make(layers.RandomFlip(), layers.Rescaling(1 / 255)),
    "nested": lambda: keras.Sequential([keras.Input(SHAPE), make(layers.Rescaling(1 / 255))]),
    "flip": lambda: sv.FlipAverage(make(layers.Rescaling(1 / 255))),
    "keras.applications": lambda: keras.applications.MobileNetV3Small(
        weights=None, include_top=False, pooling="avg", input_shape=(32, 32, 3)
    ),
}


@pytest.mark.parametrize("kind", RESCALING)
def test_a_tower_that_rescales_its_images_is_warned_of_until_it_gets_its_range(kind: str) -> None:
    tower = RESCALING[kind]()
    with pytest.warns(UserWarning, match=r"Put keras.layers.Rescaling\(255.0\)") as got:
        sv.SiameseModel(tower, sv.CosineHead())
    assert got[0].filename == __file__
    preprocessing = sv.Preprocessing(tower.input_shape[1:3], 3)
    with pytest.warns(UserWarning, match=r"Rescaling\(255.0\)"):
        sv.Verifier(tower, preprocessing, head=sv.CosineHead())
    behind = keras.Sequential([keras.Input(tower.input_shape[1:]), layers.Rescaling(255.0), tower])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sv.Verifier(behind, preprocessing, head=sv.CosineHead()).embed(
            np.random.default_rng(0).integers(0, 256, (9, *tower.input_shape[1:]), np.uint8)
        )


@pytest.mark.parametrize(
    "first",
    [
        layers.Rescaling(2.0, offset=-1.0),
        layers.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.05, 0.05, 0.05]),
        layers.RandomFlip(),
        layers.Conv2D(3, 1),
    ],
)
def test_a_tower_for_the_range_from_0_to_1_is_not_warned_of(first: keras.layers.Layer) -> None:
    sv.SiameseModel(make(first), sv.CosineHead())


def far_off() -> sv.SiameseModel:
    """A tower whose large biases stand for images of 0 to 255."""
    tower = make(layers.Conv2D(3, 1, bias_initializer=keras.initializers.Constant(300.0)))
    return sv.SiameseModel(tower, sv.CosineHead())


def test_equal_embeddings_of_different_images_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="hardly differ.*expect another range.*Received: emb"):
        far_off().embed(pixels(n=12))


@pytest.mark.parametrize(
    "images", [pixels(n=3), np.repeat(pixels(n=1), 12, axis=0), np.zeros((12, *SHAPE), np.uint8)]
)
def test_few_or_equal_images_say_nothing_of_the_range(images: np.ndarray) -> None:
    far_off().embed(images)


@pytest.mark.parametrize("head", [sv.CosineHead, sv.WeightedL1Head])
@pytest.mark.parametrize(
    "tower",
    [
        sv.ConvTower.koch2015,
        lambda: sv.ConvTower.residual((48, 48, 1)),
        lambda: sv.ConvTower([sv.ConvBlock(8, 3)], (48, 48, 1), 16, normalize=True),
        lambda: sv.FlipAverage(sv.ConvTower([sv.ConvBlock(8, 3)], (48, 48, 1), 16)),
    ],
)
def test_towers_of_the_library_are_not_warned_of(tower: Callable, head: type) -> None:
    model = sv.SiameseModel(tower(), head())
    images = np.random.default_rng(0).integers(0, 256, (12, *model.image_shape), np.uint8)
    model.embed(images)
