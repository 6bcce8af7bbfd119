"""Tests of `check_metric`: a metric that breaks a rule is caught, and the message says how."""

import keras
import numpy as np
import pytest
from keras import ops

from siamese_verify.testing import check_metric
from siamese_verify.testing.metrics import RULES


@keras.saving.register_keras_serializable(package="tests")
class Metric(keras.metrics.Metric):
    """A metric that keeps all rules: the mean error. Each metric below breaks one rule."""

    def __init__(self, name="error", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        labels, scores = (ops.reshape(ops.cast(x, "float32"), (-1,)) for x in (y_true, y_pred))
        labels = ops.where((labels == 0) | (labels == 1), labels, float("nan"))
        weights = ops.cast(1.0 if sample_weight is None else sample_weight, "float32")
        weights = weights * ops.ones_like(scores)
        self.add(labels, scores, weights)

    def add(self, labels, scores, weights):
        self.total.assign_add(ops.sum(weights * ops.abs(labels - scores)))
        self.count.assign_add(ops.sum(weights))

    def result(self):
        return self.total / self.count


class OfBatches(Metric):
    def add(self, labels, scores, weights):
        self.total.assign_add(ops.mean(ops.abs(labels - scores)))
        self.count.assign_add(1.0)


class Remembering(Metric):
    def reset_state(self):
        self.count.assign(0.0)


class OfVectors(Metric):
    def update_state(self, y_true, y_pred, sample_weight=None):
        if len(y_true.shape) > 1:
            raise TypeError("Labels must be a vector.")
        super().update_state(y_true, y_pred, sample_weight)


class Unweighted(Metric):
    def add(self, labels, scores, weights):
        super().add(labels, scores, ops.ones_like(weights))


class Lenient(Metric):
    def add(self, labels, scores, weights):
        super().add(ops.nan_to_num(labels), ops.nan_to_num(scores), weights)


class Eager(Metric):
    def add(self, labels, scores, weights):
        error = float(ops.sum(weights * ops.abs(labels - scores)))
        self.total.assign_add(error)
        self.count.assign_add(ops.sum(weights))


@keras.saving.register_keras_serializable(package="tests")
class Forgetful(Metric):
    def get_config(self):
        return {**super().get_config(), "name": f"another_{self.name}"}


BROKEN = [
    (OfBatches(), "any batches and order"),
    (Remembering(), "A reset"),
    (OfVectors(), "vectors or columns"),
    (Unweighted(), "weight w"),
    (Lenient(), "makes the result NaN"),
    (Eager(), "compiled model"),
    (Forgetful(), "made from its configuration|compiled model"),
]


def mean_error(labels, scores, weights):
    return np.average(np.abs(labels - scores), weights=weights)


def test_a_metric_of_ones_own_passes():
    check_metric(Metric(), mean_error)


@pytest.mark.parametrize(("metric", "rule"), BROKEN, ids=lambda x: type(x).__name__)
def test_a_broken_metric_is_caught(metric, rule):
    if isinstance(metric, Eager) and keras.backend.backend() == "torch":
        pytest.skip("torch runs without graphs, in which this metric fails")
    with pytest.raises(AssertionError) as caught:
        check_metric(metric)
    name = type(metric).__name__
    caught.match(rf"(?s)^{name} breaks a rule: [^.]*({rule}).* Input: .*Found: ")


def test_each_rule_has_a_broken_metric():
    rules = [part for _, rule in BROKEN for part in rule.split("|")]
    assert all(any(rule in sentence for rule in rules) for sentence in RULES)


def test_another_result_than_the_references_is_caught():
    with pytest.raises(AssertionError, match="equals the reference"):
        check_metric(Metric(), lambda labels, scores, weights: 0.0)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow has replicas")
def test_a_metric_is_checked_on_two_replicas_in_a_process_that_imports_it():
    check_metric(Metric(), replicas=True)
