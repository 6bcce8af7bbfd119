"""Tests of the heads: from two embeddings to a score."""

import keras
import numpy as np
import pytest
from keras import ops

from siamese_verify import (
    CosineHead,
    EuclideanHead,
    SiameseModel,
    SigmoidCosineHead,
    WeightedL1Head,
)

HEADS = [WeightedL1Head, EuclideanHead, CosineHead, SigmoidCosineHead]
every_head = pytest.mark.parametrize("head_class", HEADS)


def embeddings(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def scores(head, left, right):
    return ops.convert_to_numpy(head((left, right)))


def made(head_class, size=8):
    """A head with weights as training leaves them: distance counts against a pair."""
    head = head_class()
    head.build(((None, size), (None, size)))
    if isinstance(head, SigmoidCosineHead):
        head.set_weights([np.log(3.0), np.array(-0.7)])
    elif head.weights:
        weights = -np.random.default_rng(1).uniform(0.01, 0.1, (size, 1)), np.array([0.7])
        head.set_weights(weights)
    return head


def expected(head, left, right):
    """The formulas, in NumPy and double precision."""
    left, right = left.astype(np.float64), right.astype(np.float64)
    if isinstance(head, WeightedL1Head):
        alpha, bias = (ops.convert_to_numpy(w).astype(np.float64) for w in head.weights)
        return 1 / (1 + np.exp(-(np.abs(left - right) @ alpha + bias)))
    if isinstance(head, EuclideanHead):
        return -np.linalg.norm(left - right, axis=-1, keepdims=True)
    lengths = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    cosine = (np.sum(left * right, axis=-1) / lengths)[..., None]
    if isinstance(head, SigmoidCosineHead):
        log_scale, bias = (ops.convert_to_numpy(w).astype(np.float64) for w in head.weights)
        return 1 / (1 + np.exp(-(np.exp(log_scale) * cosine + bias)))
    return cosine


def gradient(function, x):
    """Of a scalar function, by the backend."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(x))
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x).numpy()


@every_head
@pytest.mark.parametrize("scale", [1e-3, 1, 100])
def test_a_head_computes_its_formula(head_class, scale):
    head = made(head_class)
    left, right = scale * embeddings(20, 8, seed=0), scale * embeddings(20, 8, seed=1)
    actual = scores(head, left, right)
    assert actual.shape == (20, 1)
    np.testing.assert_allclose(actual, expected(head, left, right), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("size", [1e-3, 1, 1e3])
def test_half_precision_is_scored_in_float32(dtype, size):
    left, right = (
        ops.convert_to_tensor([[size, 0.0]], dtype),
        ops.convert_to_tensor([[size, size]], dtype),
    )
    cosine, distance = CosineHead(dtype=dtype), EuclideanHead(dtype=dtype)
    for head, value in ((cosine, 0.5**0.5), (distance, -size)):
        score = head((left, right))
        assert keras.backend.standardize_dtype(score.dtype) == "float32"
        assert float(score[0, 0]) == pytest.approx(value, rel=0.01)


@every_head
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_every_head_scores_in_any_precision(head_class, dtype):
    left, right = embeddings(20, 8, seed=0), embeddings(20, 8, seed=1)
    head, exact = head_class(dtype=dtype), made(head_class)
    head.build(((None, 8), (None, 8)))
    head.set_weights(exact.get_weights())
    score = head((left, right))
    assert keras.backend.standardize_dtype(score.dtype) == "float32"
    # Embeddings are rounded on the way in.
    np.testing.assert_allclose(
        ops.convert_to_numpy(score), scores(exact, left, right), rtol=0.02, atol=0.02
    )


@every_head
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_gets_no_score(head_class, wrong):
    left = np.array([[wrong, 1, 1, 1, 1, 1, 1, 1], [1] * 8], np.float32)
    actual = scores(made(head_class), left, left)
    assert np.isnan(actual).tolist() == [[True], [False]]


def test_integers_are_scored_as_numbers():
    left, right = np.array([[1, 0], [1, 0]]), np.array([[2, 1], [0, 1]])
    np.testing.assert_allclose(scores(EuclideanHead(), left, right), [[-(2**0.5)]] * 2, rtol=1e-6)
    expected_cosines = [[2 / 5**0.5], [0]]
    np.testing.assert_allclose(scores(CosineHead(), left, right), expected_cosines, rtol=1e-6)


@every_head
def test_left_and_right_may_be_exchanged(head_class):
    head, left, right = made(head_class), embeddings(20, 8, seed=0), embeddings(20, 8, seed=1)
    np.testing.assert_array_equal(scores(head, left, right), scores(head, right, left))


@every_head
def test_higher_is_more_alike(head_class):
    anchor, away = embeddings(1, 8, seed=0), embeddings(1, 8, seed=1)
    farther = anchor + np.linspace(0, 3, 10, dtype=np.float32)[:, None] * (away - anchor)
    along = scores(made(head_class), np.repeat(anchor, 10, axis=0), farther)[:, 0]
    assert np.all(np.diff(along) < 0)


@every_head
def test_nothing_is_more_alike_than_an_embedding_and_itself(head_class):
    head, left = made(head_class), embeddings(20, 8)
    best = {
        WeightedL1Head: 1 / (1 + np.exp(-0.7)),
        EuclideanHead: 0,
        CosineHead: 1,
        SigmoidCosineHead: 1 / (1 + np.exp(0.7 - 3)),
    }[head_class]
    np.testing.assert_allclose(scores(head, left, left), best, atol=1e-6)
    assert scores(head, left, embeddings(20, 8, seed=1)).max() < best


@every_head
def test_embeddings_are_broadcast_to_all_pairs(head_class):
    head, left, right = made(head_class), embeddings(3, 8, seed=0), embeddings(4, 8, seed=1)
    actual = scores(head, left[:, None], right[None])
    assert actual.shape == (3, 4, 1)
    for i, j in np.ndindex(3, 4):
        alone = scores(head, left[i : i + 1], right[j : j + 1])
        np.testing.assert_allclose(actual[i, j], alone[0], atol=1e-6)


@every_head
def test_the_gradient_is_finite_where_both_embeddings_are_equal(head_class):
    head, left = made(head_class), embeddings(3, 8)
    slope = gradient(lambda right: ops.sum(head((left, right))), left)
    assert np.all(np.isfinite(slope))


@every_head
def test_the_gradient_is_finite_where_an_embedding_is_zero(head_class):
    # As ReLU may leave it: one NaN there would spoil all weights.
    head, left = made(head_class), embeddings(3, 8)
    slope = gradient(lambda right: ops.sum(head((left, right))), np.zeros_like(left))
    assert np.all(np.isfinite(slope))


@pytest.mark.parametrize("head_class", [EuclideanHead, CosineHead, SigmoidCosineHead])
def test_the_gradient_is_that_of_the_formula(head_class):
    head, left, right = made(head_class), embeddings(1, 8, seed=0), embeddings(1, 8, seed=1)
    slope = gradient(lambda x: ops.sum(head((left, x))), right)
    steps = 1e-5 * np.eye(8)
    numeric = [
        (expected(head, left, right + step) - expected(head, left, right - step)).item() / 2e-5
        for step in steps
    ]
    np.testing.assert_allclose(slope[0], numeric, rtol=1e-3, atol=1e-5)


def test_the_cosine_with_a_zero_vector_is_0():
    zero, left = np.zeros((2, 8), np.float32), embeddings(2, 8)
    np.testing.assert_array_equal(scores(CosineHead(), zero, left), 0)
    np.testing.assert_array_equal(scores(CosineHead(), zero, zero), 0)


def test_a_cosine_never_leaves_its_range():
    left = embeddings(500, 64)
    assert np.abs(scores(CosineHead(), left, left)).max() <= 1
    np.testing.assert_allclose(scores(CosineHead(), left, -3 * left), -1, atol=1e-6)


def test_scale_and_bias_begin_at_the_arguments():
    left, right = embeddings(20, 8, seed=0), embeddings(20, 8, seed=1)
    cosine = scores(CosineHead(), left, right)
    actual = scores(SigmoidCosineHead(scale=4.0, bias=-1.0), left, right)
    np.testing.assert_allclose(actual, 1 / (1 + np.exp(1 - 4 * cosine)), rtol=1e-5)


def test_scale_and_bias_are_learned_and_higher_stays_more_alike():
    keras.utils.set_random_seed(0)
    left, head = embeddings(16, 8), SigmoidCosineHead(scale=0.5)
    # Labelled the wrong way round, which asks for a negative scale.
    right, labels = np.where(np.arange(16)[:, None] < 8, left, -left), np.arange(16) >= 8
    model = SiameseModel(keras.layers.Identity(), head)
    model.compile(keras.optimizers.SGD(1.0), loss="binary_crossentropy")
    model.fit((left, right), labels.astype(int), epochs=5, batch_size=10, verbose=0)
    log_scale, bias = head.get_weights()
    assert log_scale < np.log(0.5) - 0.1
    assert bias != 0
    assert scores(head, left, left).min() > scores(head, left, -left).max()


def test_the_weighted_distance_may_be_penalised():
    head = WeightedL1Head(l2=0.01)
    scores(head, embeddings(2, 8), embeddings(2, 8))
    alpha = ops.convert_to_numpy(head.kernel)
    assert float(sum(head.losses)) == pytest.approx(0.01 * np.square(alpha).sum(), rel=1e-5)
    assert made(WeightedL1Head).losses == []


@pytest.mark.parametrize("l2", [-0.1, float("nan"), float("inf")])
def test_a_negative_penalty_is_refused(l2):
    with pytest.raises(ValueError, match=f"`l2`.*Received: l2={l2}"):
        WeightedL1Head(l2=l2)


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf")])
def test_a_scale_not_above_0_is_refused(scale):
    with pytest.raises(ValueError, match=f"`scale`.*Received: scale={scale}"):
        SigmoidCosineHead(scale=scale)


def test_a_bias_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"`bias`.*Received: bias=nan"):
        SigmoidCosineHead(bias=float("nan"))


@every_head
@pytest.mark.parametrize("built", [False, True], ids=["at first", "later"])
@pytest.mark.parametrize("size", [1, 7])
def test_embeddings_of_different_sizes_are_refused(head_class, built, size):
    # A size of 1 would be broadcast without a word.
    head = made(head_class) if built else head_class()
    with pytest.raises(ValueError, match="same size"):
        head((embeddings(2, 8), embeddings(2, size)))


@every_head
@pytest.mark.parametrize("inputs", [embeddings(2, 8), [embeddings(2, 8)] * 3], ids=["one", "three"])
def test_a_head_takes_two_embeddings_no_more_no_less(head_class, inputs):
    with pytest.raises(ValueError, match="two embeddings"):
        head_class()(inputs)


@every_head
def test_a_size_not_known_is_refused(head_class):
    with pytest.raises(ValueError, match="known size"):
        head_class().build(((None, None), (None, None)))


@pytest.mark.parametrize(
    "head",
    [
        WeightedL1Head(l2=0.5, name="mine"),
        EuclideanHead(name="mine"),
        CosineHead(name="mine"),
        SigmoidCosineHead(scale=4.0, bias=-1.0, name="mine"),
    ],
    ids=lambda head: type(head).__name__,
)
def test_a_head_is_made_again_from_its_configuration(head):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    assert type(again) is type(head)
    assert again.get_config() == head.get_config()
    assert again.name == "mine"
