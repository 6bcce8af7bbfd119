"""Trains on one and on two logical devices, for `test_devices.py`, and prints a line of JSON.

It is a process of its own, since backends split the CPU only before they start.
"""

import contextlib
import json
import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import keras
import numpy as np

import siamese_verify as sv
from siamese_verify.testing.replicas import two_replicas

IMAGE_SHAPE = (12, 12, 1)
RNG = np.random.default_rng(0)
IMAGES = RNG.random((48, *IMAGE_SHAPE), np.float32)
CLASSES = np.repeat(np.arange(24), 2)  # An identity lies in one device's part of the batch, ...
CLASSES[:32] = CLASSES[:32].reshape(2, 16).T.ravel()  # ... or is split between both.
LABELS = np.arange(24) % 2
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
# TensorFlow accepts logical devices only before it is first used.
STRATEGY = two_replicas() if ON_TENSORFLOW else None


@contextlib.contextmanager
def on_two_devices():
    """Build and train what is built and trained within this block on two devices."""
    if STRATEGY is not None:
        with STRATEGY.scope():
            yield
        return
    devices = keras.distribution.list_devices("cpu")
    assert len(devices) == 2, devices
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    try:
        yield
    finally:
        keras.distribution.set_distribution(None)


def tower(**options):
    keras.utils.set_random_seed(1)
    return sv.ConvTower([sv.ConvBlock(4, 3, **options)], IMAGE_SHAPE, embedding_size=8)


def embeddings(loss, *layers, batch_norm=False, n=48):
    """Train a tower on identities. Return the losses and the weights."""
    model = keras.Sequential([tower(batch_norm=batch_norm), *layers])
    model.compile(keras.optimizers.SGD(0.1), loss=loss)
    data = IMAGES[:n], CLASSES[:n]
    fitted = model.fit(*data, batch_size=16, epochs=2, shuffle=False, verbose=0)
    return [fitted.history, [w.tolist() for w in model.get_weights()]]


def pairs(head, loss):
    """Train a model on pairs. Return the losses, the metrics and the weights."""
    model = sv.SiameseModel(tower(), head)
    metrics = [sv.EqualErrorRate(), sv.TrueAcceptRate(far=0.2), sv.BestThresholdAccuracy()]
    model.compile(keras.optimizers.SGD(0.1), loss=loss, metrics=metrics)
    data = (IMAGES[:24], IMAGES[24:]), LABELS
    fitted = model.fit(*data, batch_size=8, epochs=2, shuffle=False, verbose=0)
    told = model.evaluate(*data, batch_size=8, verbose=0, return_dict=True)
    return [fitted.history, told, [w.tolist() for w in model.get_weights()]]


CASES = {
    "contrastive over identities": lambda: embeddings(sv.SupervisedContrastiveLoss(0.2)),
    "classes": lambda: embeddings(sv.MarginSoftmaxLoss(8.0), sv.CosineClassifier(24)),
    "contrastive over pairs": lambda: pairs(sv.EuclideanHead(), sv.ContrastiveLoss()),
    "batch norm": lambda: embeddings(sv.SupervisedContrastiveLoss(0.2), batch_norm=True),
}
if ON_TENSORFLOW:  # JAX needs equal parts.
    CASES["uneven last batch"] = lambda: embeddings(sv.SupervisedContrastiveLoss(0.2), n=45)


def main():
    for name, train in CASES.items():
        one = train()
        with on_two_devices():
            two = train()
        print(json.dumps({"case": name, "one": one, "two": two}), flush=True)


if __name__ == "__main__":
    main()
