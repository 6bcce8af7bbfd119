"""Tests of `examples/lfw/moving_averages.py`."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from moving_averages import recompute_averages
from standin import write_standin

import siamese_verify as sv


@pytest.mark.parametrize(
    "blocks",
    [
        [sv.ConvBlock(4, 3, 2, batch_norm=True, dropout=0.5)] * 2,
        [sv.ResidualBlock(4, 2, dropout=0.5)],
    ],
)
def test_averages_are_those_of_what_each_layer_sees(blocks: list[Any], tmp_path: Path) -> None:
    data = write_standin(tmp_path / "drawn", train_identities=8, test_identities=4)
    pairs = sv.PairDataset.from_lfw(
        data / "pairsDevTrain.txt", data / "lfw2", (24, 24), verbose=False
    )
    model = sv.SiameseModel(sv.ConvTower(blocks, (24, 24, 1), 8), sv.CosineHead())
    recompute_averages(model.tower, pairs, batch_size=len(pairs))

    norms = [x for x in model.tower.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == {0.99}
    dropouts = [x for x in model.tower.layers if isinstance(x, keras.layers.Dropout)]
    assert {layer.rate for layer in dropouts} == {0.5}
    images = pairs.images[pairs.indices.T.ravel()] / np.float32(255)
    for norm in norms:
        seen = keras.Model(model.tower.inputs, norm.input).predict(images, verbose=0)
        mean, variance = seen.mean(axis=(0, 1, 2)), seen.var(axis=(0, 1, 2))
        np.testing.assert_allclose(norm.moving_mean, mean, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-3, atol=1e-5)
