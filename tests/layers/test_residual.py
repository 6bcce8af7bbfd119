"""Tests of `ResidualBlock`, and of towers made of such blocks."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from siamese_verify import ConvBlock, ConvTower, ResidualBlock
from siamese_verify.testing import check_tower


def random_images(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


def embed(tower, images, training=False):
    return ops.convert_to_numpy(tower(images, training=training))


def randomize(tower):
    """Change weights and averages from their initial values."""
    rng = np.random.default_rng(1)
    tower.set_weights([w + 0.1 * rng.random(w.shape) for w in tower.get_weights()])
    return tower


def mixed_tower(**arguments):
    blocks = [
        ConvBlock(4, 3, 1, method="spectral"),
        ResidualBlock(4),
        ResidualBlock(6, stride=2, dropout=0.2),
    ]
    return ConvTower(blocks, **{"input_shape": (12, 9, 2), "embedding_size": 5, **arguments})


# --- The block, computed with NumPy


def windows(x, size, stride, fill):
    """Inputs of each output of a "same" window: `(n, height, width, channels, size, size)`."""
    pads = []
    for n in x.shape[1:3]:
        total = max((-(-n // stride) - 1) * stride + size - n, 0)
        pads.append((total // 2, total - total // 2))
    x = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    seen = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    return seen[:, ::stride, ::stride]


def normalized_conv(tower, x, part, stride):
    conv, norm = (tower.get_layer(f"block_1_{kind}_{part}") for kind in ("conv", "batch_norm"))
    (kernel,) = conv.get_weights()
    x = np.einsum("nhwcij,ijcf->nhwf", windows(x, len(kernel), stride, 0), kernel)
    gamma, beta, mean, variance = norm.get_weights()
    return gamma * (x - mean) / np.sqrt(variance + 0.001) + beta


def block_by_hand(tower, x, stride, projection):
    y = np.maximum(normalized_conv(tower, x, "1", stride), 0)
    y = normalized_conv(tower, y, "2", 1)
    if projection:
        pooled = np.nanmean(windows(x, stride, stride, np.nan), axis=(4, 5))
        x = normalized_conv(tower, pooled, "shortcut", 1)
    return np.maximum(y + x, 0)


@pytest.mark.parametrize("size", [(8, 10), (7, 9)])
@pytest.mark.parametrize(
    ("channels", "filters", "stride", "projection"),
    [(3, 3, 1, False), (3, 5, 1, True), (3, 3, 2, True), (2, 4, 2, True), (2, 4, 3, True)],
)
def test_a_block_equals_the_block_of_he_2016(channels, filters, stride, projection, size):
    block = ResidualBlock(filters, stride)
    tower = randomize(ConvTower([block], (*size, channels), 2))
    images = random_images(2, *size, channels)
    outputs = keras.Model(tower.input, tower.get_layer("flatten").input)(images)
    expected = block_by_hand(tower, images.astype(np.float64), stride, projection)
    np.testing.assert_allclose(ops.convert_to_numpy(outputs), expected, atol=1e-5)
    assert expected.shape[1:3] == tuple(block.output_size(n) for n in size)
    convs = [layer for layer in tower.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convs) == 2 + projection
    for conv in convs:
        assert not conv.use_bias
        assert isinstance(conv.kernel_initializer, keras.initializers.HeNormal)


def test_dropout_acts_in_training_only():
    tower = ConvTower([ResidualBlock(1, dropout=0.5)], (4, 4, 1), 4)
    dropout = tower.get_layer("block_1_dropout")
    assert (dropout.rate, dropout.output) == (0.5, tower.get_layer("flatten").input)
    images = random_images(2, 4, 4, 1)
    first, second = embed(tower, images, training=True), embed(tower, images, training=True)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(embed(tower, images), embed(tower, images))


def test_every_weight_of_a_block_learns():
    tower = mixed_tower()
    before = tower.get_weights()
    tower.compile(keras.optimizers.SGD(0.1), loss="mse")
    tower.train_on_batch(random_images(4, 12, 9, 2), random_images(4, 5))
    for weight, old, new in zip(tower.weights, before, tower.get_weights(), strict=True):
        assert np.all(np.isfinite(new)), weight.path
        assert np.any(old != new), weight.path


@pytest.mark.parametrize(
    "wrong",
    [{"filters": 0}, {"stride": 0}, {"dropout": 1.0}, {"dropout": -0.1}, {"dropout": float("nan")}],
)
def test_a_block_out_of_range_raises_an_error(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        ResidualBlock(**{"filters": 8, **wrong})


# --- Towers of both kinds of blocks


def test_blocks_may_be_mixed():
    tower = mixed_tower()
    assert tower.get_layer("conv_1").output.shape == (None, 10, 7, 4)
    assert tower.get_layer("block_2_add").output.shape == (None, 10, 7, 4)
    assert tower.get_layer("block_3_add").output.shape == (None, 5, 4, 6)
    assert tower.output_shape == (None, 5)


def test_images_too_small_raise_an_error_that_names_the_block():
    blocks = [ResidualBlock(4, stride=2), ConvBlock(4, 3, 1)]
    assert ConvTower(blocks, (5, 5, 1), 2).output_shape == (None, 2)
    with pytest.raises(ValueError, match=r"too small.*block 2.*input_shape=\(4, "):
        ConvTower(blocks, (4, 5, 1))


def test_the_summary_tells_how_convolutions_are_computed_where_there_is_a_choice():
    lines = []
    mixed_tower().summary(print_fn=lines.append)
    assert lines[-1] == " Convolutions: conv_1 spectral"
    ConvTower([ResidualBlock(4)], (5, 5, 1), 2).summary(print_fn=lines.append)
    assert "Convolutions" not in lines[-1]


def test_a_tower_is_made_again_from_its_configuration_as_json():
    tower = randomize(mixed_tower(name="mine", dropout=0.3))
    config = json.loads(json.dumps(tower.get_config()))
    assert [block["type"] for block in config["blocks"]] == ["ConvBlock"] + ["ResidualBlock"] * 2
    again = ConvTower.from_config(config)
    assert json.dumps(again.get_config()) == json.dumps(tower.get_config())
    again.set_weights(tower.get_weights())
    images = random_images(3, 12, 9, 2)
    np.testing.assert_array_equal(embed(again, images), embed(tower, images))


def test_a_tower_of_mixed_blocks_keeps_the_rules():
    check_tower(randomize(mixed_tower(activation=None)))


def test_frozen_layers_of_a_saved_tower_stay_frozen(tmp_path):
    tower = mixed_tower()
    frozen = {"conv_1", "block_2_conv_1", "block_3_batch_norm_shortcut"}
    for name in frozen:
        tower.get_layer(name).trainable = False
    tower.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    assert type(loaded) is ConvTower
    assert {layer.name for layer in loaded.layers if not layer.trainable} == frozen


def test_a_tower_has_the_precision_of_its_argument():
    tower = mixed_tower(dtype="mixed_bfloat16", dropout=0.1)
    assert {layer.compute_dtype for layer in tower.layers[1:]} == {"bfloat16"}


# --- The residual network


def test_residual_is_a_convolution_and_one_block_for_each_of_the_filters():
    tower = ConvTower.residual(filters=(8, 12), input_shape=(21, 32, 3), embedding_size=7)
    assert tower.get_config()["blocks"] == [
        {"type": "ConvBlock"}
        | {"filters": 8, "kernel_size": 5, "pool_size": 1, "batch_norm": True, "dropout": 0.0}
        | {"l2": 0.0, "method": "auto", "stride": 2, "padding": "same"},
        {"type": "ResidualBlock", "filters": 8, "stride": 2, "dropout": 0.0},
        {"type": "ResidualBlock", "filters": 12, "stride": 2, "dropout": 0.0},
    ]
    assert tower.get_layer("flatten").input.shape == (None, 3, 4, 12)
    assert tower.get_layer("dropout").rate == 0.4
    embedding = tower.get_layer("embedding")
    assert embedding.activation is keras.activations.linear
    assert embedding.kernel_regularizer is None
    assert tower.output_shape == (None, 7)


def test_residual_has_the_parameters_that_its_documentation_states():
    tower = ConvTower.residual()
    assert tower.input_shape == (None, 80, 80, 1)
    assert tower.output_shape == (None, 128)
    assert tower.count_params() == 2_051_328
    assert sum(np.prod(weight.shape) for weight in tower.non_trainable_weights) == 2_816


def test_residual_needs_filters():
    with pytest.raises(ValueError, match=r"`filters`.*Received: filters=\(\)"):
        ConvTower.residual(filters=())
