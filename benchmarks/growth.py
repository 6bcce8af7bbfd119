"""Measure how the cost of a convolution grows with image, kernel and batch.

    python benchmarks/growth.py      # about two minutes

The times are medians of five, for forward and backward passes from 64 to 128 channels. The last
column is the choice of `SpectralConv2D(method="auto")`.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import tensorflow as tf
from timing import median_seconds

from siamese_verify import SpectralConv2D

CASES = [
    *((size, 7, 32) for size in (16, 24, 32, 48, 64, 96)),
    *((48, kernel, 32) for kernel in (1, 3, 5, 9, 11)),
    *((48, 7, images) for images in (1, 8, 128)),
]


def seconds(layer: SpectralConv2D, images: tf.Tensor) -> float:
    @tf.function(jit_compile=False)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            value = tf.reduce_sum(tf.square(layer(images)))
        gradients = tape.gradient(value, [images, layer.kernel.value])
        return tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])

    return median_seconds(lambda: step().numpy(), 5)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    print("| image | kernel | batch | direct, ms | spectral, ms | ratio | auto |")
    print("|---|---|---|---|---|---|---|")
    for size, kernel, count in CASES:
        images = tf.random.normal((count, size, size, 64))
        layers = {m: SpectralConv2D(128, kernel, method=m) for m in ("direct", "spectral", "auto")}
        taken = {m: 1000 * seconds(layer, images) for m, layer in layers.items() if m != "auto"}
        layers["auto"].build(images.shape)
        choice = "spectral" if layers["auto"].spectral else "direct"
        print(
            f"| {size} x {size} | {kernel} x {kernel} | {count} | {taken['direct']:.1f} "
            f"| {taken['spectral']:.1f} | {taken['direct'] / taken['spectral']:.2f} | {choice} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
