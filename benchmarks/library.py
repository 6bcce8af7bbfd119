"""This library as a contender."""

from __future__ import annotations

import functools

import numpy as np
from network import L2, LEARNING_RATE, Pairs, Weights

import siamese_verify as sv


class Contender:
    """Contender. `worker.py` explains its methods."""

    def __init__(self, weights: Weights, batch_norm: bool):
        tower = sv.ConvTower.koch2015(batch_norm, l2=L2)
        self.model = sv.SiameseModel(tower, sv.WeightedL1Head(L2, name="head"))
        for layer in (*tower.layers, self.model.head):
            if f"{layer.name}/kernel" in weights:
                layer.set_weights([weights[f"{layer.name}/{part}"] for part in ("kernel", "bias")])
        optimizer = sv.FusedAdam(LEARNING_RATE)
        self.model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])

    def loss(self, left: np.ndarray, right: np.ndarray, labels: np.ndarray) -> float:
        return float(self.model.evaluate((left, right), labels, batch_size=32, verbose=0)[0])

    def step(self, left: np.ndarray, right: np.ndarray, labels: np.ndarray) -> None:
        self.model.train_on_batch((left, right), labels)

    def epoch(self, pairs: Pairs) -> None:
        self.model.fit(
            data_set(pairs.list_file, pairs.images_root).batches(128, shuffle=True),
            shuffle=False,
            verbose=0,
        )

    def verify(self, pairs: Pairs) -> np.ndarray:
        return self.model.score(pairs.images, pairs.indices)


@functools.cache
def data_set(list_file: str, images_root: str) -> sv.PairDataset:
    """Read the pairs. Images are decoded in the first epoch, as for a user."""
    return sv.PairDataset.from_lfw(list_file, images_root, verbose=False)
