"""Tests of `SiameseModel`."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from siamese_verify import (
    ContrastiveLoss,
    ConvBlock,
    ConvTower,
    CosineHead,
    EqualErrorRate,
    EuclideanHead,
    MarginSoftmaxLoss,
    SiameseModel,
    SigmoidCosineHead,
    SupervisedContrastiveLoss,
    WeightedL1Head,
)

SHAPE = (8, 8, 1)
HEADS = {"l1": WeightedL1Head, "euclidean": EuclideanHead, "cosine": CosineHead}
every_head = pytest.mark.parametrize("head", HEADS)


def images(n, seed=0, shape=SHAPE):
    return np.random.default_rng(seed).random((n, *shape), np.float32)


def make(head="l1", **arguments):
    blocks = [ConvBlock(4, 3, batch_norm=True, l2=0.01)]
    return SiameseModel(ConvTower(blocks, SHAPE, 6, **arguments), HEADS[head](), name="verifier")


def compiled(model):
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=[EqualErrorRate()])
    return model


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def train(seed):
    """Two steps, after which optimizer and batch norm have moved."""
    keras.utils.set_random_seed(seed)
    model = compiled(make())
    pairs, labels = (images(8, 0), images(8, 1)), np.arange(8) % 2
    model.fit(pairs, labels, batch_size=4, epochs=1, verbose=0)
    return model


@pytest.fixture(scope="module")
def trained():
    return train(seed=0)


@pytest.fixture
def pairs():
    return images(5, 2), images(5, 3)


# --- One batch through one tower


def test_both_images_pass_the_tower_as_one_batch():
    batches = []

    class Spy(ConvTower):
        def call(self, inputs, training=None, mask=None):
            batches.append((inputs.shape[0], training))
            return super().call(inputs, training=training, mask=mask)

    model = SiameseModel(Spy([], SHAPE, 6), EuclideanHead())
    batches.clear()
    model((images(5, 0), images(5, 1)), training=True)
    assert batches == [(10, True)]


def test_batch_norm_sees_left_and_right_together():
    model, left, right = make(), images(5, 0), 0.1 * images(5, 1)
    model((left, right), training=True)
    together = numpy(model.tower.get_layer("conv_1")(np.concatenate([left, right])))
    mean, variance = together.mean(axis=(0, 1, 2)), together.var(axis=(0, 1, 2))
    batch_norm = model.tower.get_layer("batch_norm_1")
    moved = 1 - batch_norm.momentum
    np.testing.assert_allclose(numpy(batch_norm.moving_mean), moved * mean, rtol=1e-4)
    expected = batch_norm.momentum + moved * variance
    np.testing.assert_allclose(numpy(batch_norm.moving_variance), expected, rtol=1e-4)


def test_a_model_has_the_weights_of_one_tower_and_the_head(trained):
    assert trained.count_params() == trained.tower.count_params() + 6 + 1


@every_head
def test_the_score_of_images_is_the_score_of_their_embeddings(head, pairs):
    model, (left, right) = make(head), pairs
    from_images = model.predict(pairs, verbose=0)
    from_embeddings = numpy(model.head((model.embed(left), model.embed(right))))
    assert from_images.shape == (5, 1)
    np.testing.assert_allclose(from_images, from_embeddings, atol=1e-6)


@every_head
def test_left_and_right_may_be_exchanged(head, pairs):
    model, (left, right) = make(head), pairs
    exchanged = model.predict((right, left), verbose=0)
    np.testing.assert_allclose(model.predict(pairs, verbose=0), exchanged, atol=1e-6)


def test_a_score_does_not_depend_on_the_batch_it_is_in(trained, pairs):
    at_once = trained.predict(pairs, batch_size=5, verbose=0)
    np.testing.assert_allclose(trained.predict(pairs, batch_size=2, verbose=0), at_once, atol=1e-6)


@pytest.mark.parametrize(("n_left", "n_right"), [(3, 2), (3, 1), (1, 3), (2, 4)])
def test_as_many_left_as_right_images_are_needed(trained, n_left, n_right):
    # A single image would be broadcast without an error. A batch of 2 and 4 images would be divided
    # at the wrong place.
    with pytest.raises(ValueError, match="as many"):
        trained((images(n_left), images(n_right)))


def test_the_same_seed_gives_the_same_training(trained):
    for expected, actual in zip(trained.get_weights(), train(seed=0).get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)


# --- Embeddings


def test_pixels_may_be_uint8_or_floats(trained):
    pixels = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)
    embeddings = trained.embed(pixels)
    assert (embeddings.shape, embeddings.dtype) == ((5, 6), np.float32)
    np.testing.assert_array_equal(embeddings, trained.embed((pixels / 255).astype(np.float32)))
    np.testing.assert_allclose(embeddings, trained.embed(pixels / 255.0), atol=1e-6)


def test_an_embedding_is_the_output_of_the_tower_in_inference(trained):
    pixels = images(5)
    expected = numpy(trained.tower(pixels, training=False))
    np.testing.assert_allclose(trained.embed(pixels), expected, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 128])
def test_an_embedding_does_not_depend_on_the_batch_it_is_in(trained, batch_size):
    pixels = images(5)
    actual = trained.embed(pixels, batch_size=batch_size)
    np.testing.assert_allclose(actual, trained.embed(pixels), atol=1e-6)


def test_no_images_give_no_embeddings(trained):
    embeddings = trained.embed(np.empty((0, *SHAPE), np.uint8))
    assert (embeddings.shape, embeddings.dtype) == ((0, 6), np.float32)


@pytest.mark.parametrize("shape", [(0,), (8, 8, 1), (2, 8, 8), (2, 8, 9, 1), (2, 8, 8, 3)])
def test_images_of_another_shape_are_not_embedded(trained, shape):
    with pytest.raises(ValueError, match=r"shape \(n, 8, 8, 1\)"):
        trained.embed(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    ("images", "match"),
    [
        (np.zeros((2, *SHAPE), np.int32), "dtype=int32"),
        (np.zeros((2, *SHAPE), bool), "dtype=bool"),
        (np.full((2, *SHAPE), 255.0), "Divide pixels by 255"),
        (np.full((2, *SHAPE), -0.1), "from -0.1"),
        (np.full((2, *SHAPE), np.nan), "nan"),
    ],
)
def test_pixels_of_another_type_or_range_are_not_embedded(trained, images, match):
    with pytest.raises(ValueError, match=match):
        trained.embed(images)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_below_1_raises(trained, batch_size):
    with pytest.raises(ValueError, match=f"`batch_size`.*Received: batch_size={batch_size}"):
        trained.embed(images(2), batch_size=batch_size)


def test_embeddings_are_float32_whatever_the_tower_computes_in():
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = SiameseModel(ConvTower([], SHAPE, 6), CosineHead())
    finally:
        keras.config.set_dtype_policy(usual)
    assert model.embed(images(2)).dtype == np.float32


# --- Any tower


def test_every_method_scales_uint8_alike():
    images = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), np.uint8)
    model, pairs = make("euclidean"), [[i, (i + 1) % 6] for i in range(6)]
    left, right = (images[list(side)] for side in zip(*pairs, strict=True))
    expected = model.predict((left / np.float32(255), right / np.float32(255)), verbose=0)[:, 0]
    for actual in (
        model.score(images, pairs),
        model.predict((left, right), verbose=0)[:, 0],
        numpy(model((left, right)))[:, 0],
    ):
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_pixels_of_other_integers_raise():
    images = np.zeros((2, *SHAPE), np.int32)
    with pytest.raises(ValueError, match="Received: dtype=int32"):
        make("euclidean")((images, images))


@pytest.mark.parametrize("pairs", [[], [[0.0, 1.0]], [0, 1]])
def test_pairs_of_another_shape_or_type_raise(pairs):
    with pytest.raises(ValueError, match=r"`pairs` must be an integer array of shape \(p, 2\)"):
        make("euclidean").score(np.zeros((2, *SHAPE), np.uint8), pairs)


class FlattenTower(keras.layers.Layer):
    """A tower that is a layer, not a model."""

    def call(self, images):
        return ops.reshape(images, (-1, 64))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 64)


class SubclassedTower(keras.Model):
    """A tower that has no `input_shape` to ask for."""

    def __init__(self):
        super().__init__()
        self.flatten, self.dense = keras.layers.Flatten(), keras.layers.Dense(6)

    def build(self, input_shape):
        self.dense.build((None, 64))

    def call(self, images):
        return self.dense(self.flatten(images))


class TowerWithoutTraining(SubclassedTower):
    """A tower whose `call` knows no `training`, with a layer that is random in training."""

    def __init__(self):
        super().__init__()
        self.flip = keras.layers.RandomFlip()

    def call(self, images):
        return super().call(self.flip(images))


def test_the_layers_of_every_tower_are_in_inference_when_it_embeds():
    model, pixels = SiameseModel(TowerWithoutTraining(), EuclideanHead()), images(5)
    model.build(((None, *SHAPE),) * 2)
    expected = numpy(SubclassedTower.call(model.tower, pixels))
    np.testing.assert_allclose(model.embed(pixels), expected, atol=1e-6)


OTHER_TOWERS = {
    "functional": lambda: keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(6)]
    ),
    "not yet built": lambda: keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(6)]),
    "layer": FlattenTower,
    "subclass": SubclassedTower,
}


@pytest.mark.parametrize("kind", OTHER_TOWERS)
def test_any_model_or_layer_can_be_the_tower(kind, pairs):
    model, (left, right) = SiameseModel(OTHER_TOWERS[kind](), CosineHead()), pairs
    from_embeddings = numpy(model.head((model.embed(left), model.embed(right))))
    np.testing.assert_allclose(model.predict(pairs, verbose=0), from_embeddings, atol=1e-6)


# JAX needs a minute to compile this network.
@pytest.mark.slow
def test_a_network_of_keras_applications_can_be_the_tower():
    size = 64
    shape = (size, size, 3)
    network = keras.applications.MobileNetV3Small(
        weights=None, include_top=False, pooling="avg", input_shape=shape
    )
    tower = keras.Sequential([keras.Input(shape), keras.layers.Rescaling(255.0), network])
    model = SiameseModel(tower, WeightedL1Head())
    eagerly = keras.backend.backend() == "tensorflow"  # which spares the time to compile
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy", run_eagerly=eagerly)
    before = tower.get_weights()
    loss = model.train_on_batch((images(2, 0, shape), images(2, 1, shape)), np.ones(2))
    assert np.isfinite(loss)
    after = tower.get_weights()
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert np.mean(changed) > 0.9
    assert model.embed(images(1, 0, shape)).shape == (1, 576)


@pytest.mark.parametrize(
    "layers",
    [
        [keras.layers.Conv2D(2, 3)],
        [keras.layers.Flatten(), keras.layers.Reshape((8, 8))],
    ],
    ids=["feature maps", "matrix"],
)
@pytest.mark.parametrize("known_shape", [True, False])
def test_a_tower_that_returns_no_vectors_raises(layers, known_shape):
    tower = keras.Sequential([keras.Input(SHAPE), *layers] if known_shape else layers)
    with pytest.raises(ValueError, match="one vector for each image"):
        SiameseModel(tower, CosineHead())((images(2), images(2)))


def test_a_tower_with_several_outputs_raises():
    image = keras.Input(SHAPE)
    vector = keras.layers.Flatten()(image)
    with pytest.raises(ValueError, match="one vector for each image"):
        SiameseModel(keras.Model(image, [vector, vector]), CosineHead())


# --- Head and loss


class OwnHead(keras.layers.Layer):
    """A head without an attribute `score_kind`."""

    def build(self, input_shape):
        pass

    def call(self, inputs):
        return ops.sum(inputs[0] * inputs[1], axis=-1, keepdims=True)


def flat(head):
    return SiameseModel(keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten()]), head)


def own_loss(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


FITTING = [
    *[
        (head, loss)
        for head in (WeightedL1Head, SigmoidCosineHead)
        for loss in (
            "binary_crossentropy",
            "bce",
            "BinaryCrossentropy",
            "mse",
            keras.losses.BinaryCrossentropy(),
            keras.losses.BinaryFocalCrossentropy(),
            keras.losses.binary_crossentropy,
            ["binary_crossentropy"],
            own_loss,
            None,
        )
    ],
    (EuclideanHead, ContrastiveLoss()),
    (EuclideanHead, [ContrastiveLoss(0.5)]),
    (EuclideanHead, own_loss),
    (EuclideanHead, None),
    (CosineHead, "mse"),
    (EuclideanHead, "mse"),
    (CosineHead, None),
    *[
        (OwnHead, loss)
        for loss in ("bce", ContrastiveLoss(), keras.losses.BinaryCrossentropy(from_logits=True))
    ],
]
CONTRADICTING = [
    *[
        (head, loss, needs)
        for head in (CosineHead, EuclideanHead)
        for loss, needs in (
            ("binary_crossentropy", "a probability"),
            ("bce", "a probability"),
            ("binary_focal_crossentropy", "a probability"),
            (keras.losses.BinaryCrossentropy(), "a probability"),
            (keras.losses.BinaryCrossentropy(from_logits=True), "a logit"),
            (keras.losses.BinaryFocalCrossentropy(), "a probability"),
            (keras.losses.binary_crossentropy, "a probability"),
            (["binary_crossentropy"], "a probability"),
            ({"score": keras.losses.BinaryCrossentropy()}, "a probability"),
        )
    ],
    *[
        (head, loss, "a negative distance")
        for head in (CosineHead, WeightedL1Head, SigmoidCosineHead)
        for loss in (ContrastiveLoss(), [ContrastiveLoss()], {"score": ContrastiveLoss()})
    ],
    *[
        (head, loss(from_logits=True), "a logit")
        for head in (WeightedL1Head, SigmoidCosineHead)
        for loss in (keras.losses.BinaryCrossentropy, keras.losses.BinaryFocalCrossentropy)
    ],
    *[
        (head, loss, "an output for each class or an embedding")
        for head in (WeightedL1Head, EuclideanHead, CosineHead, SigmoidCosineHead)
        for loss in (
            MarginSoftmaxLoss(),
            SupervisedContrastiveLoss(),
            "categorical_crossentropy",
            "sparse_categorical_crossentropy",
        )
    ],
]


@pytest.mark.parametrize(("head", "loss"), FITTING)
def test_a_loss_that_fits_the_head_compiles(head, loss):
    model = flat(head())
    model.compile("sgd", loss, metrics=[EqualErrorRate()])
    assert model.compiled


@pytest.mark.parametrize(("head", "loss", "needs"), CONTRADICTING)
def test_a_loss_that_contradicts_the_head_raises(head, loss, needs):
    model = flat(head())
    with pytest.raises(ValueError, match=f"{head.__name__} and the loss .* {needs}.*These fit: "):
        model.compile("sgd", loss=loss)


def test_the_error_names_losses_that_fit():
    with pytest.raises(ValueError, match="CosineHead and the loss bce contradict") as error:
        flat(CosineHead()).compile("sgd", "bce")
    assert "the head returns a cosine, the loss needs a probability" in str(error.value)
    for fitting in (
        'WeightedL1Head or SigmoidCosineHead with "binary_crossentropy"',
        "EuclideanHead with ContrastiveLoss()",
        "MarginSoftmaxLoss or SupervisedContrastiveLoss",
    ):
        assert fitting in str(error.value)


def test_a_derived_head_is_checked_as_its_base_unless_it_says_otherwise():
    class Derived(CosineHead):
        pass

    class Probability(CosineHead):
        score_kind = "probability"

    class Free(CosineHead):
        score_kind = None

    with pytest.raises(ValueError, match="Derived and the loss"):
        flat(Derived()).compile("sgd", "bce")
    flat(Probability()).compile("sgd", "bce")
    flat(Free()).compile("sgd", "bce")


def test_compile_has_its_arguments_in_the_order_of_keras(pairs):
    model = flat(WeightedL1Head())
    model.compile("sgd", "bce", [0.5], ["accuracy"])
    logs = model.evaluate(pairs, np.ones(5), verbose=0, return_dict=True)
    assert logs.keys() == {"loss", "accuracy"}
    plain = flat(WeightedL1Head())
    plain.compile("sgd", "bce")
    assert logs["loss"] == pytest.approx(0.5 * plain.evaluate(pairs, np.ones(5), verbose=0))


def test_keras_reports_an_unknown_name_of_a_loss(pairs):
    model = flat(WeightedL1Head())
    model.compile("sgd", "no_such_loss")
    with pytest.raises(ValueError, match="no_such_loss"):
        model.evaluate(pairs, np.ones(5), verbose=0)


# --- Files


def test_an_older_file_with_a_contradicting_loss_is_loaded_with_a_warning(tmp_path, pairs):
    model = flat(CosineHead())
    keras.Model.compile(model, keras.optimizers.Adam(0.01), ContrastiveLoss(), metrics=["mae"])
    model.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match=r"CosineHead and .* contradict.*Compile it with another"):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = model.predict(pairs, verbose=0)
    np.testing.assert_array_equal(loaded.predict(pairs, verbose=0), expected)
    assert isinstance(loaded.optimizer, keras.optimizers.Adam)


def test_an_older_file_scores_as_before_with_a_warning(tmp_path, pairs, monkeypatch):
    model = SiameseModel(ConvTower([], SHAPE, 6), WeightedL1Head(unconstrained=True))
    without = {k: v for k, v in model.head.get_config().items() if k != "unconstrained"}
    monkeypatch.setattr(model.head, "get_config", lambda: without)
    compiled(model).fit(pairs, np.ones(5), verbose=0)
    model.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match="without the setting `unconstrained`"):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = model.predict(pairs, verbose=0)
    np.testing.assert_array_equal(loaded.predict(pairs, verbose=0), expected)


FRESH = """
import sys
import keras, siamese_verify
import numpy as np
folder = sys.argv[1]
images = np.load(folder + "/images.npy")
for name in sys.argv[2:]:
    model = keras.saving.load_model(f"{folder}/{name}.keras", safe_mode=True)
    np.save(f"{folder}/{name}.npy", model.predict(tuple(images), batch_size=6, verbose=0))
    np.save(f"{folder}/{name}_embeddings.npy", model.embed(images[0], batch_size=6))
"""


@pytest.mark.slow
def test_a_fresh_process_gives_bit_identical_scores(trained, tmp_path):
    models = {"trained": trained, "euclidean": make("euclidean", activation=None, normalize=True)}
    pixels = np.stack([images(6, 0), images(6, 1)])
    np.save(tmp_path / "images.npy", pixels)
    for name, model in models.items():
        model.save(tmp_path / f"{name}.keras")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", FRESH, str(tmp_path), *models]
    subprocess.run(command, check=True, env=environment)
    for name, model in models.items():
        expected = model.predict(tuple(pixels), batch_size=6, verbose=0)
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), expected)
        expected = model.embed(pixels[0], batch_size=6)
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}_embeddings.npy"), expected)


def test_a_loaded_model_goes_on_training_as_the_saved_one_does(tmp_path, pairs):
    labels = np.arange(5) % 2
    model = compiled(SiameseModel(ConvTower([], SHAPE, 6), WeightedL1Head(), name="verifier"))
    model.fit(pairs, labels, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (type(loaded.tower), type(loaded.head)) == (ConvTower, WeightedL1Head)
    assert (loaded.name, int(loaded.optimizer.iterations)) == ("verifier", 2)
    for going_on in (model, loaded):
        history = going_on.fit(
            pairs, labels, initial_epoch=2, epochs=4, shuffle=False, verbose=0
        ).history
        assert set(history) == {"loss", "equal_error_rate"}
    for expected, actual in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_a_frozen_tower_stays_frozen_when_loaded(tmp_path, pairs):
    model = SiameseModel(ConvTower([], SHAPE, 6), WeightedL1Head())
    model.tower.trainable = False
    compiled(model).fit(pairs, np.ones(5), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not loaded.tower.trainable_variables
    assert len(loaded.trainable_variables) == 2  # the head's


def test_a_model_of_other_parts_is_rebuilt_from_its_configuration():
    tower = OTHER_TOWERS["functional"]()
    model = SiameseModel(tower, WeightedL1Head(l2=0.5), name="mine")
    again = SiameseModel.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert (again.name, again.head.l2) == ("mine", 0.5)
