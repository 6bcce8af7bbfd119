"""Show the time of a training step by layer.

    python benchmarks/profile_step.py [--pairs 128] [--batch-norm]

TensorFlow's profiler times each operation. The times of a layer's operations are added up, forward
and backward apart. Where two operations run at the same time, the sum is more than the step lasted.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from collections import defaultdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import tensorflow as tf
from library import Contender
from network import IMAGE, draw_weights
from tensorflow.tsl.profiler.protobuf import xplane_pb2

LAYER = re.compile(r"(conv|batch_norm|max_pool|dropout)_\d|flatten|embedding|head|adam")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=128)
    parser.add_argument("--batch-norm", action="store_true")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    shape = (arguments.pairs, IMAGE, IMAGE, 1)
    batch = (rng.random(shape, np.float32), rng.random(shape, np.float32))
    labels = np.arange(arguments.pairs) % 2
    contender = Contender(draw_weights(), arguments.batch_norm)
    for _ in range(3):
        contender.step(*batch, labels)
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        start = time.perf_counter()
        contender.step(*batch, labels)
        step = time.perf_counter() - start
        tf.profiler.experimental.stop()
        milliseconds = read_profile(Path(folder))
    print(f"step of {arguments.pairs} pairs: {1000 * step:.0f} ms\n")
    print("| layer | forward, ms | backward, ms |\n|---|---|---|")
    for layer in sorted({layer for layer, _ in milliseconds}):
        print(f"| {layer} | {milliseconds[layer, False]:.0f} | {milliseconds[layer, True]:.0f} |")


def read_profile(folder: Path) -> dict[tuple[str, bool], float]:
    """Sum milliseconds by layer, forward and backward."""
    space = xplane_pb2.XSpace()
    space.ParseFromString(next(folder.rglob("*.xplane.pb")).read_bytes())
    milliseconds: dict[tuple[str, bool], float] = defaultdict(float)
    for plane in space.planes:
        names = {key: metadata.name for key, metadata in plane.event_metadata.items()}
        for event in (event for line in plane.lines for event in line.events):
            name, _, operation = names[event.metadata_id].rpartition(":")
            if not operation or "/" not in name or "::" in names[event.metadata_id]:
                continue
            layer = LAYER.search(name)
            backward = name.startswith("gradient_tape")
            key = layer.group() if layer else "all else"
            milliseconds[key, backward] += event.duration_ps / 1e9
    return milliseconds


if __name__ == "__main__":
    main()
