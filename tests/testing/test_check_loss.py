"""Tests of `check_loss`: a loss that breaks a rule is caught, and the message says how."""

import keras
import numpy as np
import pytest
from keras import ops

from siamese_verify.testing import check_loss
from siamese_verify.testing.losses import RULES

LABELS, SCORES = np.array([1, 0, 1, 0, 1]), np.array([[0.9], [0.2], [0.4], [0.7], [0.6]])


@keras.saving.register_keras_serializable(package="tests")
class Loss(keras.losses.Loss):
    """A loss that keeps all rules. Each loss below breaks one rule."""

    def call(self, y_true, y_pred):
        labels, scores = ops.reshape(y_true, (-1,)), ops.reshape(y_pred, (-1,))
        if labels.shape != scores.shape:
            raise ValueError("Each score needs a label.")
        labels = ops.where((labels >= 0) & (labels <= 1), labels, float("nan"))
        return self.of_pairs(labels, scores)

    def of_pairs(self, labels, scores):
        return ops.square(labels - scores)


class OfBatch(Loss):
    def of_pairs(self, labels, scores):
        return ops.square(labels - scores) * scores[0]


class Broadcasting(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.square(y_true - y_pred[:, 0])


class FirstLabel(Loss):
    def call(self, y_true, y_pred):
        labels = ops.broadcast_to(ops.reshape(y_true, (-1,)), (y_pred.shape[0],))
        return super().call(labels, y_pred)


class Halved(Loss):
    def of_pairs(self, labels, scores):
        return ops.square(labels - scores) * (0.5 if self.reduction == "sum" else 1.0)


class Unweighted(Loss):
    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, y_pred)


class Lenient(Loss):
    def of_pairs(self, labels, scores):
        return ops.square(ops.nan_to_num(labels) - scores)


class Coarse(Loss):
    def __call__(self, y_true, y_pred, sample_weight=None):
        half = keras.backend.standardize_dtype(y_pred.dtype) in ("float16", "bfloat16")
        return super().__call__(y_true, y_pred, sample_weight) * (2.0 if half else 1.0)


class Flat(Loss):
    def of_pairs(self, labels, scores):
        return ops.square(labels - ops.stop_gradient(scores)) + 0 * scores


class Pointed(Loss):
    def of_pairs(self, labels, scores):
        return ops.sqrt(ops.square(scores - scores)) + ops.square(labels - scores)


class Eager(Loss):
    def of_pairs(self, labels, scores):
        return ops.convert_to_tensor([(a - b) ** 2 for a, b in zip(labels, scores, strict=True)])


@keras.saving.register_keras_serializable(package="tests")
class Forgetful(Loss):
    def __init__(self, calls=None, **kwargs):
        super().__init__(**kwargs)
        self.calls = calls

    def get_config(self):
        return {**super().get_config(), "calls": object()}


BROKEN = [
    (OfBatch(), "Each row has a finite loss"),
    (Broadcasting(), "vectors or columns"),
    (FirstLabel(), "needs its label"),
    (Halved(), "sum or the mean"),
    (Unweighted(), "sample weight"),
    (Lenient(), "wrong label"),
    (Coarse(), "every precision"),
    (Flat(), "finite and not zero"),
    (Pointed(), "finite and not zero"),
    (Eager(), "compiled model"),
    (Forgetful(), "made from its configuration"),
]


def test_a_loss_of_ones_own_passes():
    check_loss(Loss(), LABELS, SCORES, lambda labels, scores: (labels - scores[:, 0]) ** 2)


@pytest.mark.parametrize(("loss", "rule"), BROKEN, ids=lambda x: type(x).__name__)
def test_a_broken_loss_is_caught(loss, rule):
    if isinstance(loss, Eager) and keras.backend.backend() == "torch":
        pytest.skip("torch runs without graphs, in which this loss fails")
    message = rf"(?s)^{type(loss).__name__} breaks a rule: [^.]*{rule}.* Input: .*Found: "
    with pytest.raises(AssertionError, match=message):
        check_loss(loss, LABELS, SCORES)


def test_each_rule_has_a_broken_loss():
    assert all(any(rule in sentence for _, rule in BROKEN) for sentence in RULES)


def test_another_loss_than_the_references_is_caught():
    with pytest.raises(AssertionError, match="equals the reference"):
        check_loss(Loss(), LABELS, SCORES, lambda labels, scores: np.zeros(len(labels)))
