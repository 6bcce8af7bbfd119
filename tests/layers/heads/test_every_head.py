"""Tests of every head: from two embeddings to a score."""

import keras
import numpy as np
import pytest
from keras import ops
from made_heads import HEADS, embeddings, expected, made, scores

from siamese_verify import CosineHead, EuclideanHead, SigmoidCosineHead, WeightedL1Head
from siamese_verify.testing import check_head
from siamese_verify.testing.gradients import gradients

every_head = pytest.mark.parametrize("head_class", HEADS)


@every_head
def test_a_head_keeps_the_rules_and_computes_its_formula(head_class):
    head = made(head_class)
    check_head(head, lambda left, right: expected(head, left, right))


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
def test_a_head_with_arguments_keeps_the_rules(head):
    check_head(head)


@every_head
@pytest.mark.parametrize("scale", [1e-3, 100])
def test_small_and_large_embeddings_have_the_scores_of_the_formula(head_class, scale):
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
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_score_nan(head_class, wrong):
    left = np.array([[wrong, 1, 1, 1, 1, 1, 1, 1], [1] * 8], np.float32)
    actual = scores(made(head_class), left, left)
    assert np.isnan(actual).tolist() == [[True], [False]]


def test_integers_are_scored_as_numbers():
    left, right = np.array([[1, 0], [1, 0]]), np.array([[2, 1], [0, 1]])
    np.testing.assert_allclose(scores(EuclideanHead(), left, right), [[-(2**0.5)]] * 2, rtol=1e-6)
    expected_cosines = [[2 / 5**0.5], [0]]
    np.testing.assert_allclose(scores(CosineHead(), left, right), expected_cosines, rtol=1e-6)


@every_head
def test_the_score_falls_on_the_way_to_another_embedding(head_class):
    anchor, away = embeddings(1, 8, seed=0), embeddings(1, 8, seed=1)
    farther = anchor + np.linspace(0, 3, 10, dtype=np.float32)[:, None] * (away - anchor)
    along = scores(made(head_class), np.repeat(anchor, 10, axis=0), farther)[:, 0]
    assert np.all(np.diff(along) < 0)


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


def test_a_head_declares_its_kind_of_score_and_a_subclass_inherits_it():
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


@pytest.mark.parametrize("head_class", [EuclideanHead, CosineHead, SigmoidCosineHead])
def test_the_gradient_equals_the_formulas(head_class):
    head, left, right = made(head_class), embeddings(1, 8, seed=0), embeddings(1, 8, seed=1)
    (slope,) = gradients(lambda x: head((left, x)), right)
    steps = 1e-5 * np.eye(8)
    numeric = [
        (expected(head, left, right + step) - expected(head, left, right - step)).item() / 2e-5
        for step in steps
    ]
    np.testing.assert_allclose(slope[0], numeric, rtol=1e-3, atol=1e-5)


@every_head
@pytest.mark.parametrize("built", [False, True], ids=["at first", "later"])
@pytest.mark.parametrize("size", [1, 7])
def test_embeddings_of_different_sizes_raise_an_error(head_class, built, size):
    # A size of 1 would be broadcast without a word.
    head = made(head_class) if built else head_class()
    with pytest.raises(ValueError, match="same size"):
        head((embeddings(2, 8), embeddings(2, size)))


@every_head
@pytest.mark.parametrize("inputs", [embeddings(2, 8), [embeddings(2, 8)] * 3], ids=["one", "three"])
def test_other_than_two_embeddings_raise_an_error(head_class, inputs):
    with pytest.raises(ValueError, match="two embeddings"):
        head_class()(inputs)


@every_head
def test_an_unknown_size_raises_an_error(head_class):
    with pytest.raises(ValueError, match="known size"):
        head_class().build(((None, None), (None, None)))
