"""A small model, and pairs of random images, for tests of `Verifier`."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import siamese_verify as sv

SIZE = (16, 16)
PREPROCESSING = sv.Preprocessing(SIZE)
IMAGES = np.random.default_rng(0).integers(0, 256, (100, *SIZE, 1), np.uint8)


def build(head: keras.layers.Layer | None = None) -> sv.SiameseModel:
    keras.utils.set_random_seed(0)
    tower = sv.ConvTower([sv.ConvBlock(4, 3, 2, batch_norm=True)], (*SIZE, 1), 8)
    model = sv.SiameseModel(tower, head or sv.SigmoidCosineHead())
    model.build(((None, *SIZE, 1),) * 2)
    return model


def draw_pairs(folder: Path, names: Sequence[str], seed: int = 0) -> sv.PairDataset:
    """Pairs of three images for each name; a seed gives the same images under any names."""
    rng = np.random.default_rng(seed)
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(1, 4):
            png = tf.io.encode_png(rng.integers(0, 256, (*SIZE, 1), np.uint8))
            (folder / name / f"{name}_{i:04d}.png").write_bytes(png.numpy())
    return sv.PairDataset(sv.PairList.sample(folder), folder, PREPROCESSING, verbose=False)
