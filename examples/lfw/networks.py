"""The network that is trained and the network that verifies, which share a tower."""

from __future__ import annotations

from typing import NamedTuple

import keras
from recipes import Recipe

import siamese_verify as sv

_SCALE = 24.0  # Factor on the cosines in a softmax, for some two thousand identities.
_TEMPERATURE = 0.1
_WARMUP = 0.15  # Share of the steps in which the learning rate rises.
# JAX is slow without compilation. On a CPU, the others are faster without it.
JIT_COMPILE = keras.backend.backend() == "jax"
# The towers of multi-crop see 144, 96 and 72 of LFW's central 144 pixels.
_CROPS = (1.0, 2 / 3, 0.5)


Tower = sv.ConvTower | sv.MultiCropTower


class Networks(NamedTuple):
    """The networks of a run, which share their weights.

    Attributes:
        tower: Network for one image.
        trained: Network that `fit` trains.
        verification: Network that scores pairs. The same as `trained` if pairs are learnt as
            they are scored.
    """

    tower: Tower
    trained: keras.Model
    verification: sv.SiameseModel

    @property
    def n_outputs(self) -> int:
        """Number of outputs of `trained`, each with a loss of its own on the same labels."""
        return 1 if isinstance(self.trained, sv.SiameseModel) else len(self.trained.outputs)


def build_networks(recipe: Recipe, n_identities: int) -> Networks:
    """Build the networks, with random weights."""
    tower = build_tower(recipe)
    if recipe.loss == "binary_crossentropy":
        head = (
            sv.WeightedL1Head(recipe.l2, recipe.unconstrained_head)
            if recipe.l1_head
            else sv.SigmoidCosineHead()
        )
        trained = sv.SiameseModel(tower, head)
    else:
        head, trained = sv.CosineHead(), _learner(tower, recipe, n_identities)
    if recipe.flip_average:
        return Networks(
            tower, trained, sv.SiameseModel(sv.FlipAverage(tower, name="flip_average"), head)
        )
    same = trained if isinstance(trained, sv.SiameseModel) else sv.SiameseModel(tower, head)
    return Networks(tower, trained, same)


def _learner(tower: Tower, recipe: Recipe, n_identities: int) -> keras.Model:
    """Build the network under the loss: its outputs are embeddings, or cosines to identities."""
    embeddings = tower.embeddings if isinstance(tower, sv.MultiCropTower) else tower.outputs
    if recipe.loss == "margin_softmax":
        embeddings = [sv.CosineClassifier(n_identities)(embedding) for embedding in embeddings]
    # The tower is wrapped, since a compiled tower would be saved with its optimizer.
    return keras.Model(tower.inputs, embeddings if len(embeddings) > 1 else embeddings[0])


def build_tower(recipe: Recipe) -> Tower:
    """Build the network for one image."""
    shape = (recipe.image_size, recipe.image_size, 1)
    norm, dropout, l2 = recipe.batch_norm, recipe.dropout, recipe.l2
    if recipe.tower == "residual":
        return sv.ConvTower.residual(shape, dropout=dropout)
    if recipe.tower == "multi-crop":
        towers = [
            sv.ConvTower.residual(
                (64, 64, 1), 96, (40, 80, 160), dropout, f"residual_{round(100 * share)}"
            )
            for share in _CROPS
        ]
        return sv.MultiCropTower(towers, _CROPS, shape[:2], name="multi_crop")
    if recipe.tower == "koch2015":
        return sv.ConvTower.koch2015(norm, dropout, l2, shape, recipe.embedding_l2)
    blocks = [sv.ConvBlock(filters, 3, 2, norm, dropout, l2) for filters in (16, 32, 64)]
    return sv.ConvTower(blocks, shape, 128, None, recipe.embedding_l2, normalize=True)


def compile_networks(networks: Networks, recipe: Recipe, steps_per_epoch: int) -> None:
    """Give the trained network its loss, optimizer and metrics."""
    losses = {
        "binary_crossentropy": keras.losses.BinaryCrossentropy(),
        "supervised_contrastive": sv.SupervisedContrastiveLoss(_TEMPERATURE),
        "margin_softmax": sv.MarginSoftmaxLoss(_SCALE, cosine_margin=recipe.margin),
    }
    on_pairs, n = recipe.loss == "binary_crossentropy", networks.n_outputs
    networks.trained.compile(
        build_optimizer(recipe, recipe.epochs * steps_per_epoch),
        loss=losses[recipe.loss] if n == 1 else [losses[recipe.loss]] * n,
        metrics=["accuracy", sv.EqualErrorRate()] if on_pairs else [],
        jit_compile=JIT_COMPILE,
    )


def build_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """Build the optimizer for a training of so many steps."""
    rate = recipe.learning_rate
    if recipe.schedule == "cosine":
        warmup = round(_WARMUP * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 25, max(1, steps - warmup), warmup_target=rate, warmup_steps=warmup
        )
    options = {
        "weight_decay": recipe.weight_decay or None,
        "use_ema": recipe.ema > 0,
        "ema_momentum": recipe.ema,
    }
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            rate, recipe.momentum, nesterov=recipe.schedule == "cosine", **options
        )
    else:
        optimizer = sv.FusedAdam(rate, **options)
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "log_scale"])
    return optimizer
