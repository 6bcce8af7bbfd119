"""Batch norm's averages, which training leaves behind the weights, brought up to date."""

from __future__ import annotations

import keras

import siamese_verify as sv


def recompute_averages(tower: sv.ConvTower, pairs: sv.PairDataset, batch_size: int) -> None:
    """Sets the averages to those of all photographs of the pairs, with the weights as they are.

    In training, each step moves them by a hundredth: in a run of few steps, they are of weights
    that are long gone. Dropout, which would change what a layer sees, is not at work here.

    Reference:
        Wu, Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3 (PreciseBN); Li, Chen, Hu,
        Yang, "Understanding the disharmony between dropout and batch normalization by variance
        shift", 2019.
    """
    norms = [x for x in tower.layers if isinstance(x, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    batches = pairs.batches(batch_size, shuffle=True)
    for count, (images, _) in enumerate(batches, start=1):
        x = keras.ops.concatenate(images)
        for layer in tower.layers[1 : tower.layers.index(norms[-1]) + 1]:
            if layer in norms:
                layer.momentum = 1 - 1 / count
                x = layer(x, training=True)
            else:
                x = layer(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
