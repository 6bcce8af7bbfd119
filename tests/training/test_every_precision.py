"""Tests that every tower, head, loss and optimizer trains in mixed precision, and decides."""

import contextlib
import warnings

import keras
import numpy as np
import pytest

import siamese_verify as sv
from siamese_verify.evaluation.calibration import CalibrationWarning

SHAPE = (16, 16, 1)
POLICIES = ("mixed_bfloat16", "mixed_float16")
every_policy = pytest.mark.parametrize("policy", POLICIES)
RNG = np.random.default_rng(0)
LEFT, RIGHT = RNG.random((2, 8, *SHAPE), np.float32)
LABELS = np.arange(8) % 2
NAMES = np.arange(8) % 3


@contextlib.contextmanager
def precision(policy):
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(usual)


def conv_tower(*blocks, **arguments):
    return sv.ConvTower(blocks or [sv.ConvBlock(4, 3, 4)], SHAPE, 8, None, **arguments)


def backbone_tower():
    layers = [keras.layers.Conv2D(4, 3, 2), keras.layers.BatchNormalization(momentum=0.5)]
    network = keras.Sequential([keras.Input((16, 16, 3)), *layers])
    return sv.BackboneTower(network, sv.InputRange(2.0, -1.0), 8, channels=1, is_pretrained=False)


TOWERS = {
    "direct": lambda: conv_tower(
        sv.ConvBlock(4, 5, 2, batch_norm=True, dropout=0.1, l2=1e-3, method="direct"),
        sv.ConvBlock(4, 3, 1, stride=2, padding="same"),
        l2=1e-3,
        dropout=0.1,
        normalize=True,
    ),
    "spectral": lambda: conv_tower(
        sv.ConvBlock(4, 7, 2, batch_norm=True, method="spectral"),
        sv.ConvBlock(4, 3, 1, method="spectral", padding="same"),
    ),
    "residual": lambda: conv_tower(sv.ResidualBlock(4, stride=4, dropout=0.1)),
    "flip": lambda: sv.FlipAverage(conv_tower()),
    "crops": lambda: sv.MultiCropTower(
        [conv_tower(name="whole"), conv_tower(name="centre")], (1.0, 0.6), (20, 20)
    ),
    "backbone": backbone_tower,
}
# Each head is trained with its loss on one of the towers.
HEADS = {
    "direct": (sv.WeightedL1Head, "binary_crossentropy"),
    "spectral": (sv.EuclideanHead, sv.ContrastiveLoss()),
    "residual": (sv.SigmoidCosineHead, "binary_crossentropy"),
    "flip": (sv.EuclideanHead, sv.ContrastiveLoss()),
    "crops": (lambda: sv.WeightedL1Head(unconstrained=True), "binary_crossentropy"),
    "backbone": (sv.SigmoidCosineHead, "binary_crossentropy"),
}
LOSSES = {
    "CosFace": (lambda: sv.CosineClassifier(3), sv.MarginSoftmaxLoss(16.0)),
    "ArcFace": (lambda: sv.CosineClassifier(3), sv.MarginSoftmaxLoss(16.0, 0.5, 0.0)),
    "contrastive": (lambda: keras.layers.Identity(), sv.SupervisedContrastiveLoss()),
}


def check_training(model, inputs, labels, optimizer, loss, metrics=(), run_eagerly=False):
    """Train for a few steps: the loss stays finite, and the weights move.

    The first steps in float16 may only halve the scale of the loss.
    """
    keras.utils.set_random_seed(0)
    model.compile(optimizer, loss, metrics=list(metrics), run_eagerly=run_eagerly)
    before = model.get_weights()
    history = model.fit(inputs, labels, batch_size=8, epochs=8, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert np.mean(moved) > 0.7  # A bias that both embeddings share has no gradient.
    assert {weight.dtype.name for weight in model.get_weights()} == {"float32"}


def is_scaled(model):
    return isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


@every_policy
@pytest.mark.parametrize("tower", TOWERS)
def test_every_tower_and_head_trains_and_scores_alike_by_every_route(tower, policy):
    head_class, loss = HEADS[tower]
    optimizer = sv.BackboneAdam() if tower == "backbone" else sv.FusedAdam()
    with precision(policy):
        model = sv.SiameseModel(TOWERS[tower](), head_class())
        images = np.random.default_rng(0).integers(0, 256, (8, *model.image_shape), np.uint8)
        sides = images[:4] / np.float32(255), images[4:] / np.float32(255)
        metrics = [sv.EqualErrorRate(capacity=16)]
        eager = (policy, keras.backend.backend()) == ("mixed_bfloat16", "tensorflow")
        # A graph needs long to build. In bfloat16 one suffices, since float16 has one per tower.
        check_training(
            model, sides, LABELS[:4], optimizer, loss, metrics, eager and tower != "direct"
        )
    assert is_scaled(model) == (policy == "mixed_float16")
    scores = model.score(images, [[i, 4 + i] for i in range(4)])
    predicted = model.predict_on_batch(sides)
    assert scores.dtype == predicted.dtype == np.float32
    np.testing.assert_allclose(predicted[:, 0], scores, atol=1e-5)


@every_policy
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_of_identities_trains(loss, policy):
    last_layer, function = LOSSES[loss]
    with precision(policy):
        model = keras.Sequential([keras.Input(SHAPE), conv_tower(), last_layer()])
        check_training(model, LEFT, NAMES, sv.FusedAdam(use_ema=True), function)


@pytest.mark.parametrize("head_class", [sv.CosineHead, sv.EuclideanHead, sv.WeightedL1Head])
@every_policy
def test_a_head_does_not_round_embeddings_in_float32(head_class, policy):
    left, right = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(head_class()((left, right)))
    head = head_class(dtype=policy)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(head((left, right))), expected, rtol=1e-5, atol=1e-6
    )
    matrix = sv.score_matrix(head, left, right)
    np.testing.assert_allclose(np.diag(matrix), expected[:, 0], rtol=1e-5, atol=1e-6)


@every_policy
def test_cosines_to_classes_are_float32_in_every_precision(policy):
    x = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    usual, mixed = sv.CosineClassifier(3), sv.CosineClassifier(3, dtype=policy)
    for layer in (usual, mixed):
        layer.build(x.shape)
    mixed.set_weights(usual.get_weights())
    np.testing.assert_allclose(*(keras.ops.convert_to_numpy(f(x)) for f in (usual, mixed)))


def test_the_loss_of_a_tower_in_float16_is_scaled_under_any_global_policy():
    for tower in (conv_tower(dtype="mixed_float16"), conv_tower(dtype="mixed_bfloat16")):
        model = sv.SiameseModel(sv.FlipAverage(tower), sv.SigmoidCosineHead())
        model.compile(sv.FusedAdam(), "binary_crossentropy")
        assert is_scaled(model) == ("float16" in {layer.compute_dtype for layer in tower.layers})


def test_a_step_whose_gradient_overflows_is_left_out_and_the_scale_halved():
    model = sv.SiameseModel(conv_tower(dtype="mixed_float16"), sv.SigmoidCosineHead())
    model.compile(sv.FusedAdam(), "binary_crossentropy")
    model.train_on_batch((LEFT, RIGHT), LABELS)
    model.optimizer.dynamic_scale.assign(2.0**100)
    steps, before = int(model.optimizer.iterations), model.get_weights()
    model.train_on_batch((LEFT, RIGHT), LABELS)
    assert int(model.optimizer.iterations) == steps
    assert float(model.optimizer.dynamic_scale) == 2.0**99
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@every_policy
def test_a_policy_may_be_an_object_and_is_kept_in_the_configuration(policy):
    tower = conv_tower(dtype=keras.DTypePolicy(policy))
    assert tower.get_config()["dtype"] == policy
    again = sv.ConvTower.from_config(tower.get_config())
    assert again.get_layer("embedding").dtype_policy.name == policy


@every_policy
def test_a_verifier_in_mixed_precision_decides_as_its_file_whatever_the_policy(policy, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 1), np.uint8)
    images[3::4] = images[2::4] ^ 1  # Every second pair is genuine.
    pairs = sv.PairDataset.from_arrays((images[::2], images[1::2]), np.arange(12) % 2)
    with precision(policy), warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)  # The pairs are few.
        model = sv.SiameseModel(sv.FlipAverage(conv_tower()), sv.SigmoidCosineHead())
        verifier = sv.Verifier(model, pairs.preprocessing).calibrate(pairs)
    verifier.enroll({"Ada": images[:2], "Bob": images[2:3]})
    verifier.save(tmp_path / "faces.keras")
    decisions = verifier.verify_many(zip(images[::2], images[1::2], strict=True))
    (found,) = verifier.identify(images[2])
    for other in ("float32", *POLICIES):
        with precision(other):
            again = sv.Verifier.load(tmp_path / "faces.keras")
            assert again.fingerprint == verifier.fingerprint
            assert again.verify_many(zip(images[::2], images[1::2], strict=True)) == decisions
    assert found.name == "Bob"
    assert found.score == pytest.approx(verifier.verify(images[2], images[2]).score, abs=1e-6)
