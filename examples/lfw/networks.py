"""The network that is trained, and the one that verifies: they share a tower."""

from __future__ import annotations

import argparse
from typing import NamedTuple

import keras
from settings import has_l1_head

import siamese_verify as sv

_SCALE = 24.0  # of the cosines in a softmax, for some two thousand identities
_TEMPERATURE = 0.1
_WARMUP = 0.15  # share of the steps in which the learning rate rises
# What the towers of multi-crop see: of LFW's central 144 pixels 144, 96 and 72.
_CROPS = (1.0, 2 / 3, 0.5)


Tower = sv.ConvTower | sv.MultiCropTower


class Networks(NamedTuple):
    """The last two are one and the same where pairs are learnt as they are scored."""

    tower: Tower
    trained: keras.Model
    verification: sv.SiameseModel

    @property
    def n_outputs(self) -> int:
        """Each has a loss of its own, on the same labels."""
        return 1 if isinstance(self.trained, sv.SiameseModel) else len(self.trained.outputs)


def build_networks(settings: argparse.Namespace, n_identities: int) -> Networks:
    tower = build_tower(settings)
    if settings.loss == "binary_crossentropy":
        head = (
            sv.WeightedL1Head(settings.l2, settings.unconstrained_head)
            if has_l1_head(settings)
            else sv.SigmoidCosineHead()
        )
        trained = sv.SiameseModel(tower, head)
    else:
        head, trained = sv.CosineHead(), _learner(tower, settings, n_identities)
    if settings.flip_average:
        return Networks(
            tower, trained, sv.SiameseModel(sv.FlipAverage(tower, name="flip_average"), head)
        )
    same = trained if isinstance(trained, sv.SiameseModel) else sv.SiameseModel(tower, head)
    return Networks(tower, trained, same)


def _learner(tower: Tower, settings: argparse.Namespace, n_identities: int) -> keras.Model:
    """What the loss is put on: each embedding, or its cosines to the identities."""
    embeddings = tower.embeddings if isinstance(tower, sv.MultiCropTower) else tower.outputs
    if settings.loss == "margin_softmax":
        embeddings = [sv.CosineClassifier(n_identities)(embedding) for embedding in embeddings]
    # Not the tower itself, or its optimizer would be saved with it.
    return keras.Model(tower.inputs, embeddings if len(embeddings) > 1 else embeddings[0])


def build_tower(settings: argparse.Namespace) -> Tower:
    shape = (settings.image_size, settings.image_size, 1)
    norm, dropout, l2 = settings.batch_norm, settings.dropout, settings.l2
    if settings.tower == "residual":
        return sv.ConvTower.residual(shape, dropout=dropout)
    if settings.tower == "multi-crop":
        towers = [
            sv.ConvTower.residual(
                (64, 64, 1), 96, (40, 80, 160), dropout, f"residual_{round(100 * share)}"
            )
            for share in _CROPS
        ]
        return sv.MultiCropTower(towers, _CROPS, shape[:2], name="multi_crop")
    if settings.tower == "koch2015":
        return sv.ConvTower.koch2015(norm, dropout, l2, shape, settings.embedding_l2)
    blocks = [sv.ConvBlock(filters, 3, 2, norm, dropout, l2) for filters in (16, 32, 64)]
    return sv.ConvTower(blocks, shape, 128, None, settings.embedding_l2, normalize=True)


def compile_networks(
    networks: Networks, settings: argparse.Namespace, steps_per_epoch: int
) -> None:
    losses = {
        "binary_crossentropy": keras.losses.BinaryCrossentropy(),
        "supervised_contrastive": sv.SupervisedContrastiveLoss(_TEMPERATURE),
        "margin_softmax": sv.MarginSoftmaxLoss(_SCALE, cosine_margin=settings.margin),
    }
    on_pairs, n = settings.loss == "binary_crossentropy", networks.n_outputs
    networks.trained.compile(
        build_optimizer(settings, settings.epochs * steps_per_epoch),
        loss=losses[settings.loss] if n == 1 else [losses[settings.loss]] * n,
        metrics=["accuracy", sv.EqualErrorRate()] if on_pairs else [],
        # XLA's convolutions are slower on a CPU than TensorFlow's own.
        jit_compile=False,
    )


def build_optimizer(settings: argparse.Namespace, steps: int) -> keras.optimizers.Optimizer:
    rate = settings.learning_rate
    if settings.schedule == "cosine":
        warmup = round(_WARMUP * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 25, max(1, steps - warmup), warmup_target=rate, warmup_steps=warmup
        )
    options = {
        "weight_decay": settings.weight_decay or None,
        "use_ema": settings.ema > 0,
        "ema_momentum": settings.ema,
    }
    if settings.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            rate, settings.momentum, nesterov=settings.schedule == "cosine", **options
        )
    else:
        optimizer = sv.FusedAdam(rate, **options)
    if settings.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "log_scale"])
    return optimizer
