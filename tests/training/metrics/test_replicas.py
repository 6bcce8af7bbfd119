"""Tests of the metrics on two replicas of `tf.distribute.MirroredStrategy`."""

import keras
import numpy as np
import pytest
from test_metrics import best_accuracy, equal_error_rate, rounded, true_accept_rate
from told_cases import told_by

from siamese_verify import BestThresholdAccuracy, EqualErrorRate, TrueAcceptRate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="The strategy belongs to TensorFlow"
    ),
]


def pairs(n):
    """The pairs of `on_two_replicas.py`."""
    rng = np.random.default_rng(n)
    labels = np.arange(n) % 2
    return np.round(rng.normal(labels * 1.5), 2).astype("float32"), labels


def truth(scores, labels, weights=None):
    return [
        equal_error_rate(scores, labels, weights),
        true_accept_rate(scores, labels, 0.1, weights),
        best_accuracy(scores, labels, weights),
    ]


@pytest.fixture(scope="module")
def told():
    return told_by("on_two_replicas.py")


@pytest.mark.parametrize(
    ("case", "n"),
    [
        ("last batch of 1", 41),
        ("eager", 43),
        ("made outside of the scope", 43),
        ("fit, epoch 0", 43),
        ("fit, epoch 1", 43),
        ("fit, val_epoch 0", 43),
        ("fit, val_epoch 1", 43),
        ("updated outside of the scope", 43),
        ("updated in the scope", 43),
    ],
)
def test_metrics_are_exact_on_two_replicas(told, case, n):
    values = told[case]["values"]
    assert values == pytest.approx(truth(*pairs(n))[: len(values)], abs=1e-6)
    assert not any(told[case]["rounding"])


def test_weights_count_on_two_replicas_in_several_steps_at_once(told):
    expected = truth(*pairs(43), np.arange(43) % 3 + 1)
    assert told["weights"]["values"] == pytest.approx(expected[:1], abs=1e-6)


def test_beyond_capacity_two_replicas_tell_what_one_does(told):
    scores, labels = pairs(203)
    for i, kind in enumerate((EqualErrorRate, TrueAcceptRate, BestThresholdAccuracy)):
        metric = kind(capacity=16)
        metric.update_state(labels, scores)
        step = told["beyond capacity"]["rounding"][i]
        assert step == float(metric.rounding) > 0
        value = told["beyond capacity"]["values"][i]
        assert value == pytest.approx(float(metric.result()), abs=1e-6)
        assert value == pytest.approx(truth(rounded(scores, step), labels)[i], abs=1e-6)


def test_updates_outside_and_on_replicas_together_are_nan(told):
    assert np.isnan(told["outside and on replicas"]["values"]).all()
