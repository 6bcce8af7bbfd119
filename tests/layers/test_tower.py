"""Tests of `ConvTower`: the network of Koch et al. (2015), and any other."""

import itertools
import json

import keras
import numpy as np
import pytest
from keras import ops

from siamese_verify import ConvBlock, ConvTower, MultiCropTower
from siamese_verify.testing import check_tower

# The published table: kind, output shape, parameters.
PUBLISHED = [
    ("Conv2D", (96, 96, 64), 6_464),
    ("BatchNormalization", (96, 96, 64), 256),
    ("MaxPooling2D", (48, 48, 64), 0),
    ("Dropout", (48, 48, 64), 0),
    ("Conv2D", (42, 42, 128), 401_536),
    ("BatchNormalization", (42, 42, 128), 512),
    ("MaxPooling2D", (21, 21, 128), 0),
    ("Dropout", (21, 21, 128), 0),
    ("Conv2D", (18, 18, 128), 262_272),
    ("BatchNormalization", (18, 18, 128), 512),
    ("MaxPooling2D", (9, 9, 128), 0),
    ("Dropout", (9, 9, 128), 0),
    ("Conv2D", (6, 6, 256), 524_544),
    ("BatchNormalization", (6, 6, 256), 1_024),
    ("Flatten", (9_216,), 0),
    ("Dense", (4_096,), 37_752_832),
]


def kind(layer):
    return "Conv2D" if isinstance(layer, keras.layers.Conv2D) else type(layer).__name__


def rows(tower):
    assert isinstance(tower.layers[0], keras.layers.InputLayer)
    return [
        (kind(layer), layer.output.shape[1:], layer.count_params()) for layer in tower.layers[1:]
    ]


def random_images(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


def embed(tower, images, training=False):
    return ops.convert_to_numpy(tower(images, training=training))


def small_tower(**arguments):
    blocks = [
        ConvBlock(4, 3, batch_norm=True, dropout=0.2, l2=0.01),
        {"filters": 5, "kernel_size": 2},
    ]
    return ConvTower(blocks, **{"input_shape": (12, 10, 2), "embedding_size": 6, **arguments})


@pytest.fixture(scope="module")
def koch():
    return ConvTower.koch2015(batch_norm=True, dropout=0.1)


@pytest.fixture(scope="module")
def base():
    return ConvTower.koch2015()


# --- The network of Koch et al. (2015)


def test_koch2015_has_the_published_layers_in_order(koch):
    assert rows(koch) == PUBLISHED


def test_koch2015_has_the_published_parameter_counts(koch):
    assert koch.count_params() == 38_949_952
    assert sum(np.prod(weight.shape) for weight in koch.trainable_weights) == 38_948_800
    assert sum(np.prod(weight.shape) for weight in koch.non_trainable_weights) == 1_152


def test_the_base_network_is_the_same_without_batch_norm_and_dropout(base):
    assert base.count_params() == 38_947_648
    assert rows(base) == [
        row for row in PUBLISHED if row[0] not in ("BatchNormalization", "Dropout")
    ]


def test_each_layer_gets_the_output_of_the_layer_before(koch):
    # A published listing builds dropout layers that nothing passes through.
    for before, after in itertools.pairwise(koch.layers):
        assert after.input is before.output, after.name


def test_relu_comes_before_batch_norm_and_the_embedding_is_a_sigmoid(koch):
    activations = [layer.activation.__name__ for layer in koch.layers if hasattr(layer, "kernel")]
    assert activations == ["relu"] * 4 + ["sigmoid"]


def test_every_kernel_and_nothing_else_has_the_penalty(koch):
    kernels = [layer.kernel for layer in koch.layers if hasattr(layer, "kernel")]
    assert len(kernels) == len(koch.losses) == 5
    squares = sum(np.square(ops.convert_to_numpy(k), dtype=np.float64).sum() for k in kernels)
    assert float(ops.convert_to_numpy(sum(koch.losses))) == pytest.approx(0.001 * squares, rel=1e-4)


def test_weights_start_from_the_defaults_of_tensorflow(base):
    for layer in base.layers:
        if hasattr(layer, "kernel"):
            assert isinstance(layer.kernel_initializer, keras.initializers.GlorotUniform)
            assert not np.any(ops.convert_to_numpy(layer.bias))


def test_the_summary_shows_every_layer_and_the_totals(koch, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    lines = []
    koch.summary(print_fn=lines.append)
    shown = "\n".join(lines)
    for layer, (_, shape, parameters) in zip(koch.layers[1:], PUBLISHED, strict=True):
        assert f"{layer.name} ({type(layer).__name__})" in shown
        assert f"(None, {', '.join(map(str, shape))})" in shown
        assert f"{parameters:,}" in shown
    for total in ("38,949,952", "38,948,800", "1,152"):
        assert total in shown


def test_the_penalty_of_the_embedding_can_be_set_apart():
    tower = ConvTower.koch2015(l2=0.01, embedding_l2=0, input_shape=(65, 65, 1))
    penalties = [
        layer.kernel_regularizer and float(layer.kernel_regularizer.l2)
        for layer in tower.layers
        if hasattr(layer, "kernel")
    ]
    assert penalties == [pytest.approx(0.01)] * 4 + [None]


def test_koch2015_accepts_images_down_to_65_pixels():
    with pytest.raises(ValueError, match="after block 4"):
        ConvTower.koch2015(input_shape=(64, 65, 1))


# --- Any network


def test_blocks_of_any_number_and_kind_make_a_tower():
    tower = ConvTower(
        iter([ConvBlock(3, 5, pool_size=3, dropout=0.5), ConvBlock(7, 2, pool_size=1)]),
        input_shape=(20, 31, 3),
        embedding_size=11,
        activation=None,
        normalize=True,
    )
    *others, normalization = rows(tower)
    assert normalization[1:] == ((11,), 0)
    assert others == [
        ("Conv2D", (16, 27, 3), 5 * 5 * 3 * 3 + 3),
        ("MaxPooling2D", (5, 9, 3), 0),
        ("Dropout", (5, 9, 3), 0),
        ("Conv2D", (4, 8, 7), 2 * 2 * 3 * 7 + 7),
        ("Flatten", (224,), 0),
        ("Dense", (11,), 225 * 11),
    ]


def test_a_tower_may_have_no_blocks():
    assert rows(ConvTower([], (4, 3, 1), 2)) == [("Flatten", (12,), 0), ("Dense", (2,), 26)]


def test_a_block_may_be_given_as_its_fields():
    fields = {"filters": 4, "kernel_size": 3, "batch_norm": True, "l2": 0.1}
    as_fields, as_block = ConvTower([fields]), ConvTower([ConvBlock(**fields)])
    assert as_fields.get_config() == as_block.get_config()


@pytest.mark.parametrize(
    ("activation", "formula"),
    [
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("relu", lambda x: np.maximum(x, 0)),
        ("tanh", np.tanh),
    ],
)
def test_the_embedding_has_the_activation_of_the_argument(activation, formula):
    images = random_images(5, 4, 3, 1)
    linear = ConvTower([], (4, 3, 1), 2, activation=None)
    tower = ConvTower([], (4, 3, 1), 2, activation=activation)
    tower.set_weights(linear.get_weights())
    expected = formula(embed(linear, images).astype(np.float64))
    np.testing.assert_allclose(embed(tower, images), expected, atol=1e-6)


def test_normalized_embeddings_have_length_1_and_keep_their_direction():
    images = random_images(5, 4, 3, 1)
    plain = ConvTower([], (4, 3, 1), 2, activation=None)
    tower = ConvTower([], (4, 3, 1), 2, activation=None, normalize=True)
    tower.set_weights(plain.get_weights())
    expected = embed(plain, images)
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(embed(tower, images), expected, atol=1e-6)


def test_a_black_image_does_not_spoil_the_weights_of_a_normalized_tower():
    # Its embedding is 0 at first, where length has no gradient.
    tower = ConvTower([], (4, 3, 1), 2, activation=None, normalize=True)
    tower.compile(keras.optimizers.SGD(0.1), loss="mse")
    tower.train_on_batch(np.zeros((2, 4, 3, 1), np.float32), np.ones((2, 2), np.float32))
    assert all(np.all(np.isfinite(weight)) for weight in tower.get_weights())


def test_dropout_acts_in_training_only():
    tower = ConvTower([ConvBlock(8, 3, dropout=0.5)], (8, 8, 1), 4)
    images = random_images(2, 8, 8, 1)
    first, second = embed(tower, images, training=True), embed(tower, images, training=True)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(embed(tower, images), embed(tower, images))


@pytest.mark.parametrize(
    ("blocks", "shape", "index"),
    [
        ([ConvBlock(1, 5)], (4, 9, 1), 1),
        ([ConvBlock(1, 5)], (9, 4, 1), 1),
        ([ConvBlock(1, 3, pool_size=5)], (6, 6, 1), 1),
        ([ConvBlock(1, 3), ConvBlock(1, 3)], (9, 20, 1), 2),
        ([ConvBlock(1, 5, 1, stride=3)], (4, 9, 1), 1),
        ([ConvBlock(1, 3, 2, stride=2)], (9, 4, 1), 1),
        ([ConvBlock(1, 9, 2, padding="same")] * 3, (7, 9, 1), 3),
    ],
)
def test_images_too_small_raise_an_error_that_names_the_block(blocks, shape, index):
    with pytest.raises(ValueError, match=rf"too small.*block {index}.*input_shape=\({shape[0]}, "):
        ConvTower(blocks, shape)


def test_images_just_large_enough_are_embedded():
    tower = ConvTower([ConvBlock(1, 3), ConvBlock(1, 3)], (10, 10, 1), 2)
    assert embed(tower, random_images(1, 10, 10, 1)).shape == (1, 2)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("kernel_size", "stride", "pool_size"), [(3, 1, 2), (4, 2, 1), (2, 3, 1), (5, 2, 2), (1, 2, 3)]
)
def test_a_block_knows_the_size_of_its_output(kernel_size, stride, pool_size, padding):
    block = ConvBlock(1, kernel_size, pool_size, stride=stride, padding=padding)
    for size in [(9, 10), (11, 16)]:
        output = block.apply(keras.Input((*size, 1)), 1, "float32")
        assert output.shape[1:3] == tuple(block.output_size(n) for n in size)


@pytest.mark.parametrize(
    ("method", "stride"), [("direct", 1), ("spectral", 1), ("direct", 2), ("auto", 3)]
)
def test_stride_and_padding_reach_the_convolution(method, stride):
    block = ConvBlock(4, 5, 1, method=method, stride=stride, padding="same")
    tower = ConvTower([block], (11, 14, 2), 3)
    images = random_images(2, 11, 14, 2)
    conv = tower.get_layer("conv_1")
    expected = ops.nn.conv(images, conv.kernel, stride, "same") + conv.bias
    outputs = keras.Model(tower.input, conv.output)(images)
    np.testing.assert_allclose(
        ops.convert_to_numpy(outputs),
        np.maximum(ops.convert_to_numpy(expected), 0),
        atol=1e-5,
    )


def test_dropout_before_the_embedding_acts_in_training_only():
    tower = ConvTower([], (8, 8, 1), 4, None, dropout=0.5)
    assert [kind for kind, *_ in rows(tower)] == ["Flatten", "Dropout", "Dense"]
    images = random_images(2, 8, 8, 1)
    assert not np.allclose(embed(tower, images, training=True), embed(tower, images))
    plain = ConvTower([], (8, 8, 1), 4, None)
    plain.set_weights(tower.get_weights())
    np.testing.assert_array_equal(embed(tower, images), embed(plain, images))


@pytest.mark.parametrize(
    "wrong",
    [
        {"filters": 0},
        {"kernel_size": 0},
        {"pool_size": 0},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": float("nan")},
        {"l2": -0.001},
        {"l2": float("nan")},
        {"stride": 0},
        {"stride": 1.5},
        {"padding": "full"},
        {"method": "fast"},
        {"l2": float("inf")},
    ],
)
def test_a_block_out_of_range_raises_an_error(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value!r}"):
        ConvBlock(**{"filters": 8, "kernel_size": 3, **wrong})


def test_a_block_accepts_the_integers_of_numpy():
    fields = {"filters": 8, "kernel_size": 3, "pool_size": 2, "stride": 1}
    block = ConvBlock(**{name: np.int64(n) for name, n in fields.items()})
    tower = ConvTower([block], (9, 9, 1), 4)
    assert json.loads(json.dumps(tower.get_config()))["blocks"][0].items() >= fields.items()


def test_a_stride_is_direct():
    with pytest.raises(ValueError, match=r"`method`.*Received: method='spectral', stride=2"):
        ConvBlock(8, 3, method="spectral", stride=2)


def test_the_order_of_a_blocks_arguments_stays():
    block = ConvBlock(8, 3, 2, True, 0.1, 0.01, "direct", 2, "same")
    assert block == ConvBlock(
        filters=8,
        kernel_size=3,
        pool_size=2,
        batch_norm=True,
        dropout=0.1,
        l2=0.01,
        method="direct",
        stride=2,
        padding="same",
    )


@pytest.mark.parametrize("wrong", [{"embedding_size": 0}, {"l2": -0.1}, {"dropout": 1.0}])
def test_a_tower_out_of_range_raises_an_error(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}={value}"):
        small_tower(**wrong)


# --- Configuration and files


@pytest.mark.parametrize(
    "arguments", [{}, {"normalize": True, "activation": None, "l2": 0.1, "dropout": 0.5}]
)
def test_a_tower_keeps_the_rules(arguments):
    tower = small_tower(**arguments)
    embed(tower, random_images(3, 12, 10, 2), training=True)  # Moves batch norm's statistics.
    check_tower(tower)


@pytest.mark.parametrize(
    "arguments", [{}, {"normalize": True, "activation": None, "l2": 0.1, "dropout": 0.5}]
)
def test_a_tower_is_made_again_from_its_configuration_as_json(arguments):
    tower = small_tower(name="mine", **arguments)
    again = ConvTower.from_config(json.loads(json.dumps(tower.get_config())))
    assert json.dumps(again.get_config()) == json.dumps(tower.get_config())
    assert (again.name, rows(again)) == ("mine", rows(tower))
    again.set_weights(tower.get_weights())
    images = random_images(3, 12, 10, 2)
    np.testing.assert_array_equal(embed(again, images), embed(tower, images))
    losses = [ops.convert_to_numpy(sum(tower.losses)) for tower in (again, tower)]
    np.testing.assert_allclose(*losses)


def test_a_configuration_of_earlier_versions_makes_the_same_tower():
    config = small_tower().get_config()
    old = {name: value for name, value in config.items() if name != "dropout"}
    new_fields = ("type", "stride", "padding")
    old["blocks"] = [
        {name: value for name, value in block.items() if name not in new_fields}
        for block in config["blocks"]
    ]
    assert ConvTower.from_config(old).get_config() == config


def test_a_block_of_an_unknown_type_raises_an_error():
    with pytest.raises(ValueError, match=r"'ResidualBlock'.*Received: type='Other'"):
        ConvTower([{"type": "Other", "filters": 4}])


@pytest.mark.parametrize("frozen", [{"conv_1"}, {"conv_1", "batch_norm_1", "conv_2", "embedding"}])
def test_layers_that_are_frozen_are_frozen_when_loaded(frozen, tmp_path):
    tower = small_tower()
    for name in frozen:
        tower.get_layer(name).trainable = False
    tower.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    assert {layer.name for layer in loaded.layers if not layer.trainable} == frozen


def test_a_tower_keeps_its_precision_when_loaded(tmp_path):
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        tower = small_tower()
    finally:
        keras.config.set_dtype_policy(usual)
    tower.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    precisions = [layer.compute_dtype for layer in loaded.layers[1:]]
    assert precisions == [layer.compute_dtype for layer in tower.layers[1:]]


@pytest.mark.parametrize("shape", [(None, None, 1), (65.0, 65, 1), (65, 65), (65, 65, 0)])
def test_the_shape_of_images_must_be_known(shape):
    with pytest.raises(ValueError, match=r"`input_shape`.*Received: input_shape=\("):
        ConvTower([ConvBlock(8, 3)], shape)


def test_the_size_of_embeddings_may_be_an_integer_of_numpy():
    assert ConvTower([], (4, 4, 1), np.int64(8)).output_shape == (None, 8)
    with pytest.raises(ValueError, match=r"`embedding_size`.*Received: embedding_size=8.5"):
        ConvTower([], (4, 4, 1), 8.5)


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


def towers():
    small = [ConvBlock(4, 3, 2, batch_norm=True), ConvBlock(4, 3, stride=2, padding="same")]
    conv = ConvTower(small, (16, 12, 1), 8, dropout=0.1, name="conv")
    residual = ConvTower.residual((16, 12, 1), 8, (4, 8))
    return conv, residual, MultiCropTower([conv, residual], (1.0, 0.5), (40, 30))


def test_channels_are_last_whatever_keras_has_as_default(channels_first):
    first = towers()
    keras.config.set_image_data_format("channels_last")
    for one, other in zip(first, towers(), strict=True):
        assert [w.shape for w in one.weights] == [w.shape for w in other.weights]
        other.set_weights(one.get_weights())
        images = np.random.default_rng(0).random((3, *one.input_shape[1:]), np.float32)
        keras.config.set_image_data_format("channels_first")
        expected = embed(one, images)
        keras.config.set_image_data_format("channels_last")
        np.testing.assert_allclose(embed(other, images), expected, atol=1e-6)
