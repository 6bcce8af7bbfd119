"""Tests of several towers that see more or less of one image."""

import keras
import numpy as np
import pytest

from siamese_verify import (
    ConvBlock,
    ConvTower,
    CosineClassifier,
    CosineHead,
    FlipAverage,
    MultiCropTower,
    SiameseModel,
)
from siamese_verify.testing import check_tower

RNG = np.random.default_rng(0)


def tower(height: int, width: int, size: int, name: str) -> ConvTower:
    return ConvTower([ConvBlock(4, 3)], (height, width, 1), size, None, name=name)


CROPS, SIZE = (1.0, 0.7), (11, 10)


@pytest.fixture(scope="module")
def towers() -> list[ConvTower]:
    keras.utils.set_random_seed(0)  # By chance, no ReLU of so few might be alive.
    return [tower(11, 10, 6, "large"), tower(8, 7, 4, "small")]


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_each_tower_sees_the_centre_and_embeddings_stand_side_by_side(
    towers: list[ConvTower],
) -> None:
    def side_by_side(images: np.ndarray) -> np.ndarray:
        large = unit(towers[0].predict(images, verbose=0))
        small = unit(towers[1].predict(images[:, 1:9, 1:8], verbose=0))
        return np.concatenate([large, small], axis=1)

    check_tower(MultiCropTower(towers, CROPS, SIZE), side_by_side)


def test_the_cosine_of_two_is_the_mean_of_the_towers_cosines(towers: list[ConvTower]) -> None:
    both = RNG.random((2, 11, 10, 1), np.float32)
    model = SiameseModel(MultiCropTower(towers, CROPS, SIZE), CosineHead())
    score = model.predict((both[:1], both[1:]), verbose=0)[0, 0]
    crops = (both, both[:, 1:9, 1:8])
    pairs = (unit(t.predict(crop, verbose=0)) for t, crop in zip(towers, crops, strict=True))
    assert score == pytest.approx(np.mean([left @ right for left, right in pairs]), abs=1e-5)


def test_each_embedding_can_have_a_loss_of_its_own(towers: list[ConvTower]) -> None:
    several = MultiCropTower(towers, CROPS, SIZE)
    before = [np.array(t.get_layer("embedding").kernel) for t in towers]
    model = keras.Model(several.input, [CosineClassifier(3)(x) for x in several.embeddings])
    model.compile("sgd", loss=["sparse_categorical_crossentropy"] * 2)
    labels = np.array([0, 1, 2, 0])
    model.train_on_batch(RNG.random((4, 11, 10, 1), np.float32), (labels, labels))
    for t, kernel in zip(towers, before, strict=True):
        assert not np.allclose(np.array(t.get_layer("embedding").kernel), kernel)


def test_it_comes_back_from_a_file_with_its_mirror_images(
    towers: list[ConvTower], tmp_path: object
) -> None:
    model = SiameseModel(
        FlipAverage(MultiCropTower(towers, CROPS, SIZE, name="several")), CosineHead()
    )
    images = RNG.random((3, 11, 10, 1), np.float32)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.embed(images), model.embed(images), atol=1e-6)
    assert [t.name for t in loaded.tower.tower.towers] == ["large", "small"]


def test_a_crop_is_resized_to_the_input_of_its_tower(towers: list[ConvTower]) -> None:
    # The centre of a slope is a slope of half the rise, whatever its size.
    slope = np.tile(np.linspace(0, 1, 40, dtype=np.float32)[None, :, None, None], (1, 1, 28, 1))
    pixels = keras.Sequential([keras.Input((10, 7, 1)), keras.layers.Flatten()])
    seen = MultiCropTower([pixels], (0.5,), (40, 28)).predict(slope, verbose=0)
    expected = slope[0, 10:30, 0, 0].reshape(10, 2).mean(axis=1)
    np.testing.assert_allclose(seen, unit(expected.repeat(7)[None]), atol=1e-6)


@pytest.mark.parametrize("flip", [False, True])
def test_called_it_embeds_as_it_predicts_and_learns_nothing(flip: bool) -> None:
    block = ConvBlock(4, 3, batch_norm=True, dropout=0.5)
    towers = [ConvTower([block], (8, 8, 1), 4, None, name=name) for name in "ab"]
    several = MultiCropTower(towers, (1.0, 0.5), (16, 16))
    several = FlipAverage(several) if flip else several
    images = RNG.random((3, 16, 16, 1), np.float32)
    before = [w.copy() for w in several.get_weights()]
    called = keras.ops.convert_to_numpy(several(images))
    np.testing.assert_allclose(called, several.predict(images, verbose=0), atol=1e-6)
    for old, new in zip(before, several.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("crops", [(1.0,), (1.0, 0.0), (1.0, 1.1), (1.0, float("nan"))])
def test_crops_that_are_not_shares_raise_an_error(
    towers: list[ConvTower], crops: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="Received: crops="):
        MultiCropTower(towers, crops, SIZE)


def test_no_towers_unbuilt_towers_and_other_channels_raise_an_error() -> None:
    colour = ConvTower([ConvBlock(4, 3)], (8, 8, 3), 4, name="colour")
    for wrong in ([], [keras.Sequential([keras.layers.Dense(2)])], [tower(8, 8, 4, "a"), colour]):
        with pytest.raises(ValueError, match="Received: towers of the input shapes"):
            MultiCropTower(wrong, (1.0,) * len(wrong), (8, 8))
