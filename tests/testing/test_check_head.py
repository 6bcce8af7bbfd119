"""Tests of `check_head`: a head that breaks a rule is caught, and the message says how."""

import keras
import numpy as np
import pytest
from keras import ops

from siamese_verify.testing import check_head
from siamese_verify.testing.heads import RULES


def distance(inputs):
    return ops.sum(ops.abs(inputs[0] - inputs[1]), axis=-1, keepdims=True)


@keras.saving.register_keras_serializable(package="tests")
class Head(keras.layers.Layer):
    """A head that keeps all rules. Each head below breaks one rule."""

    score_kind = "negative distance"

    def call(self, inputs):
        inputs = [ops.cast(x, keras.backend.result_type(x.dtype, "float32")) for x in inputs]
        return self.score(inputs)

    def score(self, inputs):
        return -distance(inputs)


class AsVector(Head):
    def score(self, inputs):
        return -distance(inputs)[..., 0]


class OfBatch(Head):
    def score(self, inputs):
        return -distance(inputs) - ops.mean(distance(inputs))


class WithoutBroadcast(Head):
    def score(self, inputs):
        left, right = (ops.reshape(x, (-1, x.shape[-1])) for x in inputs)
        return -distance((left, right))


class Asymmetric(Head):
    def score(self, inputs):
        return -distance(inputs) + 0.1 * inputs[0][..., :1] - 0.1 * inputs[1][..., :1]


class BestApart(Head):
    score_kind = None

    def score(self, inputs):
        return -ops.abs(distance(inputs) - 1)


class Reversed(Head):
    score_kind = None

    def score(self, inputs):
        return ops.where(distance(inputs) == 0, 1e6, distance(inputs))


class InHalf(Head):
    def call(self, inputs):
        return -distance(inputs)


class Pointed(Head):
    def score(self, inputs):
        squared = ops.sum(ops.square(inputs[0] - inputs[1]), axis=-1, keepdims=True)
        return -ops.sqrt(squared)


class Silent(Head):
    def score(self, inputs):
        return ops.nan_to_num(-distance(inputs))


class Unbounded(Head):
    score_kind = "probability"


class OfUnknownKind(Head):
    score_kind = "likeness"


@keras.saving.register_keras_serializable(package="tests")
class Forgetful(Head):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def get_config(self):
        return {**super().get_config()}  # Keras fills in arguments where this is not overridden.

    def score(self, inputs):
        return -self.factor * distance(inputs)


BROKEN = [
    (AsVector(), "Scores are", r"scores of shape \(1,\), not \(1, 1\)"),
    (OfBatch(), "Scores are", "a batch of 1 pairs"),
    (WithoutBroadcast(), "broadcast", "left embeddings"),
    (Asymmetric(), "Exchanging", "exchanged"),
    (BestApart(), "itself scores highest", "for another"),
    (Reversed(), "A higher score", "means"),
    (InHalf(), "float32 at least", "scores in float16"),
    (Pointed(), "gradient", "right embeddings equal"),
    (Silent(), "NaN", r"scores \["),
    (Unbounded(), "`score_kind`", "to"),
    (OfUnknownKind(), "`score_kind`", "not one of"),
    (Forgetful(factor=3.0), "precision", "not"),
    (type("Unregistered", (Head,), {})(), "saved head", "TypeError|Unregistered"),
]


def test_a_head_of_ones_own_passes():
    check_head(Head(), lambda left, right: -np.abs(left - right).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize(("head", "rule", "found"), BROKEN, ids=lambda x: type(x).__name__)
def test_a_broken_head_is_caught(head, rule, found):
    message = rf"(?s)^{type(head).__name__} breaks a rule: [^.]*{rule}.* Input: .*Found: "
    with pytest.raises(AssertionError, match=message) as caught:
        check_head(head)
    caught.match(found)


def test_each_rule_has_a_broken_head():
    rules = [rule for _, rule, _ in BROKEN]
    assert all(any(rule in sentence for rule in rules) for sentence in RULES)


def test_another_score_than_the_references_is_caught():
    with pytest.raises(AssertionError, match=r"equals the reference.*at \(0, 0\), not 0.0"):
        check_head(Head(), lambda left, right: np.zeros((len(left), 1)))


def test_a_built_head_is_checked_with_its_size_of_embeddings():
    head = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(Head()))
    head.build(((None, 3), (None, 3)))
    check_head(head, size=3)
