"""Tests of `CosineHead` and `SigmoidCosineHead`: range, zeros, and what is learned."""

import keras
import numpy as np
import pytest
from made_heads import embeddings, scores

from siamese_verify import CosineHead, SiameseModel, SigmoidCosineHead


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


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf")])
def test_a_scale_not_above_0_raises_an_error(scale):
    with pytest.raises(ValueError, match=f"`scale`.*Received: scale={scale}"):
        SigmoidCosineHead(scale=scale)


def test_a_bias_that_is_not_finite_raises_an_error():
    with pytest.raises(ValueError, match=r"`bias`.*Received: bias=nan"):
        SigmoidCosineHead(bias=float("nan"))
