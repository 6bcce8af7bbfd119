"""Measure the work around the training step: decoding, batches, scores.

python benchmarks/parts.py --data DIR      # about a minute
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import tensorflow as tf
from timing import median_seconds

import siamese_verify as sv

SIZE = (105, 105)


def drain(batches: tf.data.Dataset) -> None:
    for _ in batches:
        pass


def bare_decoding(files: list[str]) -> tf.data.Dataset:
    def decode(path: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_image(tf.io.read_file(path), 1, expand_animations=False)
        return tf.image.resize(image, SIZE, antialias=True)

    return tf.data.Dataset.from_tensor_slices(files).map(decode, tf.data.AUTOTUNE).prefetch(8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    data = parser.parse_args().data
    pairs, root = sv.PairList.from_lfw(data / "pairsDevTrain.txt"), data / "lfw2"
    print("| work | seconds |\n|---|---|")

    def show(what: str, taken: float) -> float:
        print(f"| {what} | {taken:.3f} |", flush=True)
        return taken

    files = [str(root / sample.path) for sample in pairs.samples]
    bare = median_seconds(lambda: drain(bare_decoding(files)))
    show(f"decoding {len(files):,} images: bare `tf.io.decode_image` and resize", bare)
    ours = median_seconds(lambda: sv.PairDataset(pairs, root, verbose=False))
    show(f"the same by `PairDataset`: {bare / ours:.0%} of that rate", ours)
    train = sv.PairDataset(pairs, root, verbose=False)
    for augment in (False, True):
        batches = train.batches(128, shuffle=True, augment=augment)
        show(
            f"an epoch of batches of {len(train):,} pairs, {'with' if augment else 'without'} "
            "augmentation",
            median_seconds(lambda batches=batches: drain(batches)),
        )

    rng = np.random.default_rng(0)
    for count, size in ((8192, 128), (4096, 4096)):
        probes, gallery = rng.normal(size=(2, count, size)).astype(np.float32)
        bare = median_seconds(lambda p=probes, g=gallery: p @ g.T)
        show(f"matrix product, {count:,} x {size} by {size} x {count:,}", bare)
        head = sv.CosineHead()
        ours = median_seconds(lambda p=probes, g=gallery, h=head: sv.score_matrix(h, p, g))
        show(f"`score_matrix` of as many cosines: {bare / ours:.0%} of that rate", ours)
        ours = median_seconds(
            lambda p=probes, g=gallery, h=head: [0 for _ in sv.score_blocks(h, p, g)]
        )
        show(f"`score_blocks`: {bare / ours:.0%} of that rate", ours)
    embeddings = rng.random((1549, 4096), np.float32)
    listed = rng.integers(0, len(embeddings), (100_000, 2))
    head = sv.WeightedL1Head()
    show(
        "`score_pairs` of 100,000 pairs of 4,096 values by `WeightedL1Head`",
        median_seconds(lambda: sv.score_pairs(head, embeddings, listed), 1),
    )


if __name__ == "__main__":
    main()
