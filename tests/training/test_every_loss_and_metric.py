"""The shared testers on every loss and metric, with references in NumPy and scikit-learn."""

import keras
import numpy as np
import pytest
from test_identity_losses import margin_softmax, supervised_contrastive
from test_metrics import best_accuracy, equal_error_rate, true_accept_rate
from test_pair_losses import hadsell

from siamese_verify import (
    BestThresholdAccuracy,
    ContrastiveLoss,
    EqualErrorRate,
    MarginSoftmaxLoss,
    SupervisedContrastiveLoss,
    TrueAcceptRate,
)
from siamese_verify.testing import check_loss, check_metric

CLASSES = np.array([0, 1, 2, 0, 1, 2])
COSINES = np.random.default_rng(0).uniform(-0.8, 0.9, (6, 3))
EMBEDDINGS = np.random.default_rng(1).normal(size=(6, 4))


def test_contrastive_loss():
    distances = np.array([[0.1], [0.2], [0.7], [3.0], [1.5]])
    check_loss(
        ContrastiveLoss(margin=2.0),
        [1, 0, 1, 0, 1],
        -distances,
        lambda labels, scores: hadsell(labels, -scores[:, 0], 2.0),
    )


@pytest.mark.parametrize("margins", [(0.0, 0.35), (0.5, 0.0)], ids=["CosFace", "ArcFace"])
def test_margin_softmax_loss(margins):
    check_loss(
        MarginSoftmaxLoss(16.0, *margins),
        CLASSES,
        COSINES,
        lambda classes, cosines: margin_softmax(classes, cosines, 16.0, *margins),
    )


def test_supervised_contrastive_loss():
    check_loss(
        SupervisedContrastiveLoss(temperature=0.5),
        CLASSES,
        EMBEDDINGS,
        lambda classes, embeddings: supervised_contrastive(classes, embeddings, 0.5),
    )


# A small table, because eager updates of the whole of it take seconds.
METRICS = [
    (BestThresholdAccuracy(capacity=64), best_accuracy),
    (EqualErrorRate(capacity=64), equal_error_rate),
    (
        TrueAcceptRate(0.25, capacity=64),
        lambda scores, labels, weights: true_accept_rate(scores, labels, 0.25, weights),
    ),
]
each_metric = pytest.mark.parametrize(
    ("metric", "reference"), METRICS, ids=lambda x: getattr(x, "name", "")
)


@each_metric
def test_metric(metric, reference):
    check_metric(metric, lambda labels, scores, weights: reference(scores, labels, weights))


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow has replicas")
@each_metric
def test_metric_on_two_replicas(metric, reference):
    check_metric(metric, replicas=True)
