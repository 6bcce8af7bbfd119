"""Tests of `SpectralConv2D`, against `keras.layers.Conv2D`."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keras import ops

from siamese_verify import ConvBlock, ConvTower, SiameseModel, SpectralConv2D, WeightedL1Head
from siamese_verify.testing.gradients import value_and_gradients


def assert_close(actual, expected):
    """To the accuracy of float32: errors are small compared with the largest value."""
    scale = np.abs(expected).max() or 1.0
    np.testing.assert_allclose(actual / scale, expected / scale, atol=1e-5)


def pair_of_layers(shape, **arguments):
    """A spectral and a direct layer of the same weights."""
    spectral = SpectralConv2D(**arguments)
    direct = keras.layers.Conv2D(**{k: v for k, v in arguments.items() if k != "method"})
    for layer in (direct, spectral):
        layer.build((None, *shape))
    rng = np.random.default_rng(1)
    direct.set_weights([rng.normal(size=w.shape) for w in direct.weights])
    spectral.set_weights(direct.get_weights())
    return spectral, direct


sizes = st.tuples(st.integers(1, 17), st.integers(1, 17))
kernels = st.tuples(st.integers(1, 9), st.integers(1, 9))
small = st.integers(1, 4)


# JAX compiles for each shape.
@settings(max_examples=40 if keras.backend.backend() == "tensorflow" else 4, deadline=None)
@given(sizes, kernels, small, small, small, st.sampled_from(["valid", "same"]))
@example((48, 48), (7, 7), 3, 5, 2, "valid")
@example((21, 20), (4, 3), 3, 5, 2, "same")
@example((5, 5), (5, 5), 1, 1, 1, "valid")
@example((2, 2), (9, 8), 1, 1, 1, "same")
@example((1, 1), (1, 1), 1, 1, 1, "valid")
def test_output_and_gradients_equal_conv2ds(size, kernel, channels, filters, batch, padding):
    if padding == "valid":
        kernel = tuple(map(min, kernel, size))
    spectral, direct = pair_of_layers(
        (*size, channels), filters=filters, kernel_size=kernel, padding=padding
    )
    rng = np.random.default_rng(0)
    images = rng.normal(size=(batch, *size, channels)).astype(np.float32)
    direction = rng.normal(size=direct(images).shape).astype(np.float32)
    for actual, expected in zip(
        value_and_gradients(spectral, images, direction),
        value_and_gradients(direct, images, direction),
        strict=True,
    ):
        assert_close(actual, expected)


@pytest.mark.parametrize(
    "arguments",
    [
        {"use_bias": False},
        {"activation": "relu"},
        {"kernel_regularizer": keras.regularizers.L2(0.1), "bias_initializer": "ones"},
    ],
)
def test_it_accepts_the_arguments_of_conv2d(arguments):
    spectral, direct = pair_of_layers((8, 9, 2), filters=3, kernel_size=4, **arguments)
    images = np.random.default_rng(0).normal(size=(2, 8, 9, 2)).astype(np.float32)
    assert_close(ops.convert_to_numpy(spectral(images)), ops.convert_to_numpy(direct(images)))
    spectral_losses, direct_losses = map(ops.convert_to_numpy, (spectral.losses, direct.losses))
    np.testing.assert_array_equal(spectral_losses, direct_losses)
    weights = [(w.name, tuple(w.shape)) for w in spectral.weights]
    assert weights == [(w.name, tuple(w.shape)) for w in direct.weights]
    for layer, other in itertools.permutations((spectral, direct)):
        layer.set_weights(other.get_weights())
        store = {}
        layer.save_own_variables(store)
        other.load_own_variables(store)


@pytest.mark.parametrize("method", ["direct", "auto", "spectral"])
def test_it_is_made_again_from_its_configuration(method):
    layer = SpectralConv2D(3, (4, 2), method=method, padding="same", activation="relu")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is SpectralConv2D
    assert again.get_config() == layer.get_config()
    assert again.method == method


def test_half_precision_is_computed_in_full():
    images = np.random.default_rng(0).normal(size=(2, 20, 20, 3)).astype(np.float32)
    half = SpectralConv2D(4, 7, dtype="mixed_float16")
    full = SpectralConv2D(4, 7)
    for layer in (half, full):
        layer.build((None, 20, 20, 3))
    full.set_weights(half.get_weights())
    output = ops.convert_to_numpy(half(images))
    assert output.dtype == np.float16
    np.testing.assert_allclose(output, ops.convert_to_numpy(full(images)), atol=5e-3)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"strides": 2}, r"strides=\(2, 2\)"),
        ({"dilation_rate": (1, 2)}, r"dilation_rate=\(1, 2\)"),
        ({"groups": 2, "filters": 4}, "groups=2"),
        ({"data_format": "channels_first"}, "data_format='channels_first'"),
        ({"method": "fast"}, "method='fast'"),
    ],
)
def test_unsupported_arguments_raise_an_error(wrong, match):
    with pytest.raises(ValueError, match=f"Received: {match}"):
        SpectralConv2D(**{"filters": 3, "kernel_size": 3, **wrong})


def test_images_of_unknown_size_raise_an_error_or_are_computed_directly():
    with pytest.raises(ValueError, match="height and width"):
        SpectralConv2D(3, 3).build((None, None, 8, 1))
    layer = SpectralConv2D(3, 3, method="auto")
    layer.build((None, None, 8, 1))
    assert not layer.spectral


# --- In a tower


def spectral_layers(tower):
    return [layer.spectral for layer in tower.layers if isinstance(layer, SpectralConv2D)]


def test_a_tower_uses_the_method_that_costs_less():
    # The first convolution of this network has only one channel.
    assert spectral_layers(ConvTower.koch2015()) == [False, True, True, True]
    small = ConvTower([ConvBlock(16, 3), ConvBlock(32, 3), ConvBlock(64, 3)], (48, 48, 1))
    assert spectral_layers(small) == [False, False, False]


@pytest.mark.parametrize("method", ["direct", "spectral"])
def test_the_method_can_be_set_by_hand_and_is_shown(method):
    tower = ConvTower([ConvBlock(4, 3, method=method)], (8, 8, 1), 4)
    assert spectral_layers(tower) == [method == "spectral"]
    lines = []
    tower.summary(print_fn=lines.append)
    assert f"conv_1 {method}" in lines[-1]


def test_the_method_changes_nothing_that_is_saved(tmp_path):
    towers = [
        ConvTower.koch2015(method=method, input_shape=(65, 65, 1))
        for method in ("direct", "spectral")
    ]
    images = np.random.default_rng(0).random((2, 65, 65, 1), np.float32)
    for tower, other in itertools.permutations(towers):
        assert tower.count_params() == other.count_params()
        tower.save_weights(tmp_path / "tower.weights.h5")
        other.load_weights(tmp_path / "tower.weights.h5")
        np.testing.assert_allclose(
            ops.convert_to_numpy(tower(images)), ops.convert_to_numpy(other(images)), atol=1e-5
        )


@pytest.mark.parametrize("use_bias", [True, False])
def test_few_images_outside_of_training_are_computed_directly_and_alike(use_bias):
    arguments = {"filters": 64, "kernel_size": 7, "activation": "relu", "use_bias": use_bias}
    layer, direct = pair_of_layers((24, 24, 16), method="auto", **arguments)
    assert layer.spectral
    images = np.random.default_rng(0).normal(size=(9, 24, 24, 16)).astype(np.float32)
    outputs = keras.Sequential([layer]).predict(images, batch_size=9, verbose=0)
    assert_close(outputs, ops.convert_to_numpy(direct(images)))
    for n in (1, 8):
        few = keras.Sequential([layer]).predict(images[:n], verbose=0)
        np.testing.assert_array_equal(few, ops.convert_to_numpy(direct(images[:n])))
        np.testing.assert_array_equal(
            ops.convert_to_numpy(layer(images[:n])), ops.convert_to_numpy(direct(images[:n]))
        )
        in_training = ops.convert_to_numpy(layer(images[:n], training=True))
        assert_close(in_training, few)
        assert np.any(in_training != few)


@pytest.mark.slow
def test_training_takes_the_same_course():
    rng = np.random.default_rng(0)
    images, labels = rng.random((2, 40, 24, 24, 1), np.float32), np.arange(40) % 2
    blocks = [ConvBlock(8, 7, batch_norm=True, l2=0.001), ConvBlock(8, 5, l2=0.001)]
    losses = []
    for method in ("direct", "spectral"):
        keras.utils.set_random_seed(0)
        fields = [{**vars(block), "method": method} for block in blocks]
        model = SiameseModel(ConvTower(fields, (24, 24, 1), 16), WeightedL1Head())
        model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
        history = model.fit(
            tuple(images), labels, batch_size=10, epochs=5, shuffle=False, verbose=0
        )
        losses.append(history.history["loss"])
    assert losses[0][-1] < losses[0][0] - 0.01
    # Twenty steps, in which Adam makes the most of differences in the last digit.
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
