"""Tests of the heads: from two embeddings to a score."""

import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
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
    """A head with weights as training leaves them; the kernel's signs do not matter."""
    head = head_class()
    head.build(((None, size), (None, size)))
    if isinstance(head, SigmoidCosineHead):
        head.set_weights([np.log(3.0), np.array(-0.7)])
    elif head.weights:
        rng = np.random.default_rng(1)
        kernel = rng.uniform(0.01, 0.1, (size, 1)) * rng.choice([-1, 1], (size, 1))
        head.set_weights((kernel, np.array([0.7])))
    return head


def expected(head, left, right):
    """The formulas, in NumPy and double precision."""
    left, right = left.astype(np.float64), right.astype(np.float64)
    if isinstance(head, WeightedL1Head):
        kernel, bias = (ops.convert_to_numpy(w).astype(np.float64) for w in head.weights)
        kernel = kernel if head.unconstrained else -np.abs(kernel)
        return 1 / (1 + np.exp(-(np.abs(left - right) @ kernel + bias)))
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


# --- A larger distance never raises a score


# Sizes are few, since JAX compiles anew for each.
any_float = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)
usual_float = st.floats(-4, 4, width=32, allow_subnormal=False)


@settings(max_examples=60, deadline=None)
@given(
    kernel=arrays(np.float32, (5, 1), elements=st.one_of(any_float, usual_float)),
    bias=st.one_of(usual_float, st.floats(-100, 100, width=32, allow_subnormal=False)),
    left=arrays(np.float32, (9, 5), elements=usual_float),
    steps=arrays(np.float32, (9, 5), elements=st.floats(0, 4, width=32, allow_subnormal=False)),
)
def test_whatever_the_kernel_a_larger_distance_never_raises_the_score(kernel, bias, left, steps):
    head = WeightedL1Head()
    head.build(((None, 5), (None, 5)))
    head.set_weights([kernel, np.array([bias])])
    # Away from zero, each row farther than the one before it in every component.
    far = np.cumsum(steps, axis=0, dtype=np.float32)
    along = scores(head, np.zeros_like(far), far)[:, 0]
    # TensorFlow's sigmoid errs by some units in the last place.
    assert np.all(np.diff(along) <= 4 * np.spacing(along[:-1]))
    itself = scores(head, left, left)
    assert len(np.unique(itself)) == 1
    assert itself[0, 0] >= scores(head, left, left[::-1]).max()
    assert itself[0, 0] >= along.max()


@every_head
def test_to_the_bit_nothing_scores_above_an_embedding_and_itself(head_class):
    head, left = made(head_class, 3), embeddings(40, 3)
    nearly = left + np.float32(1e-7) * embeddings(4000, 3, seed=1).reshape(100, 40, 3)
    # One, several and many at a time: a processor computes some of them in other ways.
    itself = [float(scores(head, left[:n], left[:n]).min()) for n in (1, 7, 40)]
    assert len(set(itself)) == 1
    assert scores(head, left, nearly).max() <= itself[0]


@pytest.mark.parametrize("bias", [-3.0, -0.4, 0.7, 5.0, 12.0])
def test_the_sigmoid_does_not_round_another_pair_above(bias):
    head, cosine = WeightedL1Head(), SigmoidCosineHead(scale=1.0, bias=bias - 1)
    head.build(((None, 1), (None, 1)))
    head.set_weights([np.ones((1, 1)), np.array([bias])])
    zero = np.zeros((3000, 1), np.float32)
    near = np.spacing(np.float32(abs(bias))) * np.arange(3000, dtype=np.float32)[:, None]
    assert scores(head, zero, near).max() == scores(head, zero[:1], zero[:1])[0, 0]
    one = np.array([[1.0, 0.0]], np.float32)
    around = np.concatenate([np.ones_like(near), np.sqrt(1e-7 * near / near.max())], axis=1)
    assert scores(cosine, one, around).max() == scores(cosine, one, one)[0, 0]


def fitted(head, left, right, labels):
    """A head trained by Keras alone, without a tower."""
    inputs = keras.Input((8,)), keras.Input((8,))
    model = keras.Model(inputs, head(inputs))
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    model.fit((left, right), labels, epochs=10, batch_size=50, verbose=0)


def rewards_distance():
    """Pairs whose labels are the wrong way round: the farther apart, the more the same."""
    left, right = embeddings(200, 8, seed=0), embeddings(200, 8, seed=1)
    return left, right, (np.abs(left - right).mean(axis=1) > 1.1).astype(int)


def test_labels_that_reward_distance_do_not_teach_that_distance_is_alike():
    keras.utils.set_random_seed(0)
    head, (left, right, labels) = WeightedL1Head(), rewards_distance()
    fitted(head, left, right, labels)
    assert scores(head, left, left).min() >= scores(head, left, right).max()


def test_an_unconstrained_head_learns_what_labels_say():
    keras.utils.set_random_seed(0)
    head, (left, right, labels) = WeightedL1Head(unconstrained=True), rewards_distance()
    fitted(head, left, right, labels)
    assert np.any(ops.convert_to_numpy(head.kernel) > 0)
    assert scores(head, left, left).max() < scores(head, left, right).max()


def test_a_constrained_head_learns_which_components_tell():
    keras.utils.set_random_seed(0)
    left, right = embeddings(200, 8, seed=0), embeddings(200, 8, seed=1)
    labels = (np.abs(left - right)[:, 0] < 0.8).astype(int)
    head = WeightedL1Head()
    fitted(head, left, right, labels)
    weights = np.abs(ops.convert_to_numpy(head.kernel))[:, 0]
    assert weights[0] > 3 * weights[1:].max()


@pytest.mark.parametrize("label", [0, 1])
def test_a_kernel_of_either_sign_is_trained(label):
    kernel = np.array([-0.5, -0.1, -1e-3, 1e-3, 0.1, 0.5, 0.2, -0.2], np.float32)[:, None]
    head = WeightedL1Head()
    head.build(((None, 8), (None, 8)))
    head.set_weights([kernel, np.array([1.0])])
    inputs = keras.Input((8,)), keras.Input((8,))
    model = keras.Model(inputs, head(inputs))
    model.compile(keras.optimizers.SGD(1e-4), "binary_crossentropy")
    model.train_on_batch((embeddings(9, 8, seed=0), embeddings(9, 8, seed=1)), np.full(9, label))
    # Different pairs make each distance count more, and same pairs less.
    grown = np.abs(ops.convert_to_numpy(head.kernel)) > np.abs(kernel)
    assert np.all(grown == (label == 0))


@pytest.mark.parametrize("size", [8, 128, 4096])
def test_no_sigmoid_is_saturated_at_the_start(size):
    rng = np.random.default_rng(0)
    left, right = rng.random((2, 50, size), np.float32)  # as a tower ending in a sigmoid gives
    start = scores(WeightedL1Head(), left, right)
    assert 0.02 < start.min() < start.max() < 0.98
    assert scores(WeightedL1Head(), left, left)[0, 0] > 0.5


def test_an_unconstrained_head_is_the_head_of_before_bit_for_bit():
    left, right = embeddings(20, 8, seed=0), embeddings(20, 8, seed=1)
    keras.utils.set_random_seed(3)
    head = WeightedL1Head(unconstrained=True)
    head.build(((None, 8), (None, 8)))
    keras.utils.set_random_seed(3)
    dense = keras.layers.Dense(1, "sigmoid")  # as Koch et al. are usually programmed
    dense.build((None, 8))
    for mine, usual in zip(head.get_weights(), dense.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, usual)
    head.set_weights([head.get_weights()[0], np.array([0.25])])
    logits = np.abs(left - right) @ ops.convert_to_numpy(head.kernel) + np.float32(0.25)
    expected_scores = ops.convert_to_numpy(ops.sigmoid(logits))
    np.testing.assert_allclose(scores(head, left, right), expected_scores, rtol=1e-6)


def test_a_head_of_an_older_file_is_unconstrained_and_says_so():
    head = made(WeightedL1Head)
    config = head.get_config()
    assert config.pop("unconstrained") is False
    with pytest.warns(UserWarning, match=r"without the setting `unconstrained`.* can be rejected"):
        older = WeightedL1Head.from_config(config)
    assert older.unconstrained
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = WeightedL1Head.from_config(older.get_config())
    assert again.unconstrained


def test_a_head_declares_what_it_gives_and_a_subclass_inherits_it():
    class Mine(CosineHead):
        pass

    kinds = {head_class: head_class.score_kind for head_class in [*HEADS, Mine]}
    assert kinds == {
        WeightedL1Head: "probability",
        EuclideanHead: "negative distance",
        CosineHead: "cosine",
        SigmoidCosineHead: "probability",
        Mine: "cosine",
    }


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
    np.testing.assert_array_equal(scores(CosineHead(), left, zero), 0)


def test_the_cosine_of_equal_embeddings_is_1_to_the_bit():
    rng = np.random.default_rng(0)
    left = np.concatenate([rng.normal(size=(500, 37)) * 10.0 ** rng.integers(-30, 19, (500, 1))])
    left = np.concatenate([left, np.zeros((1, 37))]).astype(np.float32)
    np.testing.assert_array_equal(scores(CosineHead(), left, left), 1)
    # Zero has a sign, which makes no difference.
    np.testing.assert_array_equal(scores(CosineHead(), left[-1:], -left[-1:]), 1)


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
    kernel = ops.convert_to_numpy(head.kernel)
    assert float(sum(head.losses)) == pytest.approx(0.01 * np.square(kernel).sum(), rel=1e-5)
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
        WeightedL1Head(unconstrained=True, name="mine"),
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
