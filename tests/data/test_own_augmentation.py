"""Tests of augmentation by Keras layers and functions: what they get, and that seeds decide."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from siamese_verify.data.batching import live_streams, stream
from siamese_verify.data.own_augmentation import OwnAugmentation

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
FLOATS = IMAGES.astype(np.float32) / 255


def epochs(augment, count: int = 2, **arguments) -> list[np.ndarray]:
    data = stream(
        IMAGES,
        lambda rng: np.arange(6),
        lambda rows: (rows, rows.astype(np.int32)),
        6,
        4,
        **{"seed": 0, "augment": augment, **arguments},
    )
    return [
        np.concatenate([images for images, _ in data.as_numpy_iterator()]) for _ in range(count)
    ]


def several() -> keras.Sequential:
    return keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomTranslation(0.2, 0.2),
            keras.layers.RandomBrightness(0.2, value_range=(0, 1)),
        ]
    )


@pytest.mark.parametrize("make", [keras.layers.RandomFlip, several])
def test_the_same_seed_has_the_same_epochs_by_keras_layers(make):
    used = make()
    first, second = epochs(used)
    assert first.dtype == np.float32
    assert (first != FLOATS).any()
    assert (first != second).any()
    for again in (make(), used):
        np.testing.assert_array_equal(epochs(again), [first, second])
    np.testing.assert_array_equal(epochs(make(), 1, initial_epoch=1)[0], second)
    assert (epochs(make(), 1, seed=1)[0] != first).any()


def test_a_function_gets_floats_and_a_seed():
    got = []

    def augment(images, seed):
        got.append((images.shape, images.dtype, images.min() >= 0, images.max() <= 1))
        assert seed.shape == (2,)
        assert seed.dtype == np.int32
        return images * np.random.default_rng(seed).random()

    first, second = epochs(augment)
    assert got[0] == ((4, 8, 8, 3), np.float32, True, True)
    assert got[1][0] == (2, 8, 8, 3)
    assert (first != second).any()
    np.testing.assert_array_equal(epochs(augment), [first, second])


@pytest.mark.parametrize(
    "augment",
    [
        lambda images: images[:, :, ::-1],
        np.fliplr,
        tf.image.flip_left_right,
        lambda images: keras.ops.flip(images, axis=2),
        lambda images, seed: tf.reverse(images, [2]),
    ],
    ids=["lambda", "NumPy", "TensorFlow", "Keras", "with a seed"],
)
def test_a_function_of_any_library_augments(augment):
    expected = FLOATS[:, :, ::-1]
    if augment is np.fliplr:
        expected = FLOATS[:, ::-1]
    np.testing.assert_array_equal(epochs(augment, 1)[0], expected)


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (lambda images: images * 255, r"must return images in \[0, 1\].*values from"),
        (lambda images: images * np.nan, r"must return images in \[0, 1\].*values from nan"),
        (keras.layers.RandomBrightness((0.5, 0.6)), r"value_range=\(0, 1\).*RandomBrightness"),
        (lambda images: images[:1], r"of the shape of its images.*float32 of shape \(1, 8, 8, 3\)"),
        (lambda images: (images * 255).astype(np.uint8), "must return floats .*uint8 of shape"),
    ],
)
def test_wrong_pixels_raise_an_error(augment, message: str):
    with pytest.raises(ValueError, match=message):
        OwnAugmentation(augment)(IMAGES, np.array([0, 1], np.int32))
    with pytest.raises(tf.errors.OpError, match=message):
        epochs(augment)


def test_rounding_is_clipped():
    result = OwnAugmentation(lambda images: images + 1e-4)(IMAGES, np.array([0, 1], np.int32))
    assert result.max() == 1


@pytest.mark.parametrize("augment", ["flip", 1, None, {}])
def test_something_else_raises(augment):
    with pytest.raises(TypeError, match=r"`augment` must be .*Received: augment="):
        epochs(augment)


@pytest.mark.parametrize("augment", [lambda: 0, lambda images, strength: images])
def test_a_function_of_other_parameters_raises_at_once(augment):
    with pytest.raises(TypeError, match="`augment` must be callable with images"):
        epochs(augment)


def test_the_fingerprint_names_the_layers_and_no_address():
    def named(augment) -> str:
        before = live_streams()
        data = stream(
            IMAGES,
            lambda rng: np.arange(6),
            lambda rows: (rows, rows),
            6,
            4,
            seed=0,
            augment=augment,
        )
        (source,) = [source for source in live_streams() if source not in before]
        del data
        return source.fingerprint

    assert named(several()) == named(several())
    assert len({named(augment) for augment in (several(), keras.layers.RandomFlip(), np.flip)}) == 3
