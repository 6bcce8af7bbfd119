"""Measure the time that each part saves in a training step, compared with Keras's part.

    python benchmarks/fast_parts.py      # about five minutes

A network made of our parts alternates with the same network, one part replaced by Keras's. The
ratio is the median over the rounds of the step with Keras's part, divided by the step without it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

import siamese_verify as sv
from siamese_verify.layers import blocks, tower

OURS = "all ours"
KERAS_PARTS = {
    "FusedAdam": keras.optimizers.Adam,
    "FastBatchNormalization": keras.layers.BatchNormalization,
    "FastL2": keras.regularizers.L2,
}


def koch2015() -> sv.SiameseModel:
    return sv.SiameseModel(sv.ConvTower.koch2015(batch_norm=True), sv.WeightedL1Head())


def residual() -> sv.SiameseModel:
    return sv.SiameseModel(sv.ConvTower.residual(), sv.SigmoidCosineHead())


# Each network, and the parts that it has.
NETWORKS: dict[str, tuple[Callable[[], sv.SiameseModel], tuple[str, ...]]] = {
    "koch2015 with batch norm": (koch2015, tuple(KERAS_PARTS)),
    "residual": (residual, ("FusedAdam", "FastBatchNormalization")),
}


@contextlib.contextmanager
def replaced(part: str) -> Iterator[None]:
    """Within, towers are made with Keras's part."""
    with contextlib.ExitStack() as stack:
        for module in (blocks, tower):
            if hasattr(module, part):
                stack.enter_context(mock.patch.object(module, part, KERAS_PARTS[part]))
        yield


def compiled(network: Callable[[], sv.SiameseModel], part: str) -> sv.SiameseModel:
    with replaced(part):
        model = network()
    adam = KERAS_PARTS[part] if part == "FusedAdam" else sv.FusedAdam
    model.compile(adam(1e-5), "binary_crossentropy")
    return model


def step_seconds(model: sv.SiameseModel, pairs: int) -> float:
    shape = (pairs, *model.tower.input_shape[1:])
    left, right = np.random.default_rng(0).random((2, *shape), np.float32)
    start = time.perf_counter()
    model.train_on_batch((left, right), np.arange(pairs) % 2)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=128, help="pairs in a batch (default: 128)")
    parser.add_argument("--rounds", type=int, default=9, help="steps of each (default: 9)")
    arguments = parser.parse_args()
    print("| network | part | step with ours, s | step with Keras's, s | ratio |")
    print("|---|---|---|---|---|")
    for name, (network, parts) in NETWORKS.items():
        models = {part: compiled(network, part) for part in (OURS, *parts)}
        rounds = [
            {part: step_seconds(model, arguments.pairs) for part, model in models.items()}
            for _ in range(arguments.rounds + 1)
        ][1:]  # The first step builds the graph.
        ours = statistics.median(taken[OURS] for taken in rounds)
        for part in parts:
            theirs = statistics.median(taken[part] for taken in rounds)
            ratio = statistics.median(taken[part] / taken[OURS] for taken in rounds)
            print(f"| {name} | {part} | {ours:.2f} | {theirs:.2f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
