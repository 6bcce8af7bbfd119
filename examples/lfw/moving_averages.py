"""Batch norm's averages, which training leaves behind the weights, brought up to date."""

from __future__ import annotations

import keras

import siamese_verify as sv


def recompute_averages(tower: sv.ConvTower, pairs: sv.PairDataset, batch_size: int) -> None:
    """Sets the averages to those of all images of the pairs, with the weights as they are.

    In training, each step moves them by a hundredth: in a run of few steps, they are of weights
    that are long gone. Dropout, which would change what a layer sees, is not at work here.

    Reference:
        Wu, Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3 (PreciseBN); Li, Chen, Hu,
        Yang, "Understanding the disharmony between dropout and batch normalization by variance
        shift", 2019.
    """
    norms, dropouts = (
        [layer for layer in tower.layers if isinstance(layer, kind)]
        for kind in (keras.layers.BatchNormalization, keras.layers.Dropout)
    )
    momenta, rates = [norm.momentum for norm in norms], [layer.rate for layer in dropouts]
    for layer in dropouts:
        layer.rate = 0.0
    for count, (images, _) in enumerate(pairs.batches(batch_size, shuffle=True), start=1):
        for norm in norms:
            norm.momentum = 1 - 1 / count
        tower(keras.ops.concatenate(images), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for layer, rate in zip(dropouts, rates, strict=True):
        layer.rate = rate
