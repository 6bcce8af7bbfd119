"""Tests of `ContrastiveLoss`."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from siamese_verify import (
    ContrastiveLoss,
    ConvTower,
    EuclideanHead,
    SiameseModel,
    SigmoidCosineHead,
    WeightedL1Head,
)


def hadsell(similar, distance, margin):
    """Equation 4 of Hadsell et al. for each pair, in their terms: Y = 0 means similar."""
    dissimilar = 1 - similar
    near, far = 0.5 * distance**2, 0.5 * np.maximum(0, margin - distance) ** 2
    return (1 - dissimilar) * near + dissimilar * far


# Lengths are few, since JAX compiles again for each.
pairs = st.sampled_from([1, 2, 7]).flatmap(
    lambda n: st.lists(
        st.tuples(st.sampled_from([0, 1]), st.floats(0, 10, width=32)), min_size=n, max_size=n
    )
)


@settings(max_examples=50, deadline=None)
@given(pairs, st.sampled_from([0.25, 1.0, 5.0]))
def test_the_loss_is_equation_4_of_the_paper(labelled, margin):
    labels, distances = np.array(labelled).T
    loss = ContrastiveLoss(margin)(labels, -distances[:, None])
    expected = hadsell(labels, distances, margin).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("label", "distance", "expected"),
    [
        (1, 0.0, 0.0),  # same, and identical
        (1, 3.0, 4.5),  # same, but apart
        (0, 0.0, 2.0),  # different, but identical
        (0, 2.0, 0.0),  # different, just as far as wanted
        (0, 100.0, 0.0),  # different, and farther than wanted
    ],
)
def test_label_1_means_same(label, distance, expected):
    loss = ContrastiveLoss(margin=2.0)(np.array([label]), np.array([[-distance]]))
    assert float(loss) == expected


@pytest.mark.parametrize("label_shape", [(4,), (4, 1)])
@pytest.mark.parametrize("score_shape", [(4,), (4, 1)])
@pytest.mark.parametrize("dtype", ["int32", "float32", "bool"])
def test_labels_and_scores_may_be_vectors_or_columns(label_shape, score_shape, dtype):
    labels, distances = np.array([1, 0, 1, 0]), np.array([0.5, 0.25, 2.0, 3.0], np.float32)
    loss = ContrastiveLoss(reduction="none")
    actual = loss(labels.astype(dtype).reshape(label_shape), -distances.reshape(score_shape))
    expected = hadsell(labels, distances, 1)
    np.testing.assert_allclose(ops.convert_to_numpy(actual).ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize("n_labels", [1, 3])
def test_a_label_for_each_score_is_needed(n_labels):
    with pytest.raises(ValueError, match="Received"):
        ContrastiveLoss()(np.ones(n_labels), -np.ones((6, 1)))


def test_pairs_may_be_weighted():
    labels, distances = np.array([1, 0, 1]), np.array([0.5, 0.25, 2.0])
    weights = np.array([1.0, 0.0, 3.0])
    actual = ContrastiveLoss(reduction="sum")(labels, -distances[:, None], weights)
    assert float(actual) == pytest.approx(weights @ hadsell(labels, distances, 1))


def test_it_trains_a_model_with_a_euclidean_head():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    images = rng.random((2, 24, 6, 6, 1), np.float32)
    labels = np.arange(24) % 2
    model = SiameseModel(ConvTower([], (6, 6, 1), 8, activation=None), EuclideanHead())
    model.compile(keras.optimizers.SGD(0.05), loss=ContrastiveLoss(margin=2.0))
    history = model.fit((images[0], images[1]), labels, epochs=3, batch_size=24, verbose=0)
    assert np.all(np.diff(history.history["loss"]) < 0)
    distances = -model.predict((images[0], images[1]), batch_size=24, verbose=0)[:, 0]
    expected = hadsell(labels, distances, 2.0).mean()
    # With a last batch that is smaller.
    loss = model.evaluate((images[0], images[1]), labels, batch_size=10, verbose=0)
    assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("margin", [0, -1.0, float("nan")])
def test_a_margin_not_above_0_raises(margin):
    with pytest.raises(ValueError, match=f"`margin`.*Received: margin={margin}"):
        ContrastiveLoss(margin)


def test_the_loss_is_made_again_from_its_configuration():
    loss = ContrastiveLoss(margin=0.25, name="mine", reduction="sum")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is ContrastiveLoss
    assert again.get_config() == loss.get_config()
    assert (again.margin, again.name, again.reduction) == (0.25, "mine", "sum")


@pytest.mark.parametrize("label", [-1.0, 2.0, float("nan")])
def test_a_label_that_is_none_gives_nan(label):
    values = ContrastiveLoss(reduction="none")(np.array([label, 0.3]), np.array([[-1.0], [-0.5]]))
    # A label between 0 and 1 weighs the losses of both labels, as in Keras's cross-entropy.
    np.testing.assert_allclose(values, [np.nan, 0.3 * 0.125 + 0.7 * 0.125], rtol=1e-6)


def test_lists_of_other_lengths_raise_too():
    with pytest.raises(ValueError, match="Received: 3 labels, 2 scores"):
        ContrastiveLoss()([1.0, 0.0, 1.0], [[-0.1], [-0.2]])


@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("in_graph", [False, True])
def test_a_score_above_0_gives_nan(label, in_graph):
    loss = ContrastiveLoss(reduction="none")
    scores = np.array([[1.0], [1e-6], [0.0], [-0.0], [-0.5]], np.float32)
    labels = np.full(5, label, np.float32)
    if in_graph and keras.backend.backend() == "jax":
        import jax

        loss = jax.jit(loss)
    elif in_graph and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        loss = tf.function(loss)
    actual = ops.convert_to_numpy(loss(labels, scores))
    assert np.isnan(actual).tolist() == [True, True, False, False, False]
    np.testing.assert_allclose(actual[2:], hadsell(label, np.array([0, 0, 0.5]), 1.0), rtol=1e-6)


@pytest.mark.parametrize("head", [SigmoidCosineHead, WeightedL1Head])
def test_it_cannot_teach_a_functional_model_the_reverse(head):
    inputs = keras.Input((4,)), keras.Input((4,))
    model = keras.Model(inputs, head()(inputs))
    model.compile("sgd", ContrastiveLoss())
    left = np.random.default_rng(0).random((8, 4), np.float32)
    assert math.isnan(model.train_on_batch((left, left), np.ones(8)))


def test_a_euclidean_head_never_scores_above_0():
    left = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    scores = ops.convert_to_numpy(EuclideanHead()((left[:, None], left[None])))
    assert scores.max() == 0
    loss = ContrastiveLoss()(np.ones(scores.size), scores.ravel())
    assert math.isfinite(float(loss))
