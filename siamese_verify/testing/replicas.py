"""A metric on two replicas of TensorFlow, in a process of its own.

TensorFlow splits the CPU into two devices only before it is first used.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from typing import Any

import keras
import numpy as np

from siamese_verify.lazy_tensorflow import tf
from siamese_verify.testing.rules import Array

_FLAG = "two-replicas:"


def evaluate_on_two_replicas(metric: keras.metrics.Metric, labels: Array, scores: Array) -> float:
    """Return the metric of the pairs, evaluated by a model in batches of 10 on two replicas.

    Raises:
        RuntimeError: If the other process fails.
    """
    task = {
        "module": type(metric).__module__,
        "metric": keras.saving.serialize_keras_object(metric),
        "labels": labels.tolist(),
        "scores": scores.tolist(),
    }
    ended = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(task),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in ended.stdout.splitlines() if line.startswith(_FLAG)]
    if not lines:
        raise RuntimeError(f"the other process ended with: {ended.stderr.strip()[-500:]}")
    return float(lines[-1].removeprefix(_FLAG))


def two_replicas() -> Any:
    """Split the CPU into two devices, and return a `MirroredStrategy` of both."""
    device = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def scores_as_given() -> keras.Sequential:
    """Make a model whose outputs are its inputs."""
    dense = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)
    return keras.Sequential([keras.Input((1,)), dense])


def _main() -> None:
    strategy = two_replicas()
    task = json.load(sys.stdin)
    importlib.import_module(task["module"])
    labels, scores = np.array(task["labels"]), np.array(task["scores"], np.float32)
    with strategy.scope():
        metric = keras.saving.deserialize_keras_object(task["metric"])
        model = scores_as_given()
        model.compile("sgd", loss="mse", metrics=[metric])
    found = model.evaluate(scores[:, None], labels, batch_size=10, verbose=0)
    print(f"{_FLAG}{found[-1]}")


if __name__ == "__main__":
    _main()
