"""Tests of `WeightedL1Head`: what its kernel may hold, and what it learns."""

import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops
from made_heads import embeddings, made, scores

from siamese_verify import WeightedL1Head
from siamese_verify.testing import check_head


def test_an_unconstrained_head_breaks_the_rule_that_an_embedding_itself_scores_highest():
    with pytest.raises(AssertionError, match="compared with itself scores highest"):
        check_head(WeightedL1Head(unconstrained=True))


# Sizes are few, because JAX compiles each of them.
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
    left, right = rng.random((2, 50, size), np.float32)  # like a tower that ends in a sigmoid
    start = scores(WeightedL1Head(), left, right)
    assert 0.02 < start.min() < start.max() < 0.98
    assert scores(WeightedL1Head(), left, left)[0, 0] > 0.5


def test_an_unconstrained_head_is_a_dense_layer_on_the_distances():
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


def test_the_weighted_distance_may_be_penalised():
    head = WeightedL1Head(l2=0.01)
    scores(head, embeddings(2, 8), embeddings(2, 8))
    kernel = ops.convert_to_numpy(head.kernel)
    penalty = ops.convert_to_numpy(sum(head.losses))
    assert penalty == pytest.approx(0.01 * np.square(kernel).sum(), rel=1e-5)
    assert made(WeightedL1Head).losses == []


@pytest.mark.parametrize("l2", [-0.1, float("nan"), float("inf")])
def test_a_negative_penalty_raises_an_error(l2):
    with pytest.raises(ValueError, match=f"`l2`.*Received: l2={l2}"):
        WeightedL1Head(l2=l2)
