"""Losses on the scores of pairs."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.tensors import Tensor
from siamese_verify.training.labels import aligned


@keras.saving.register_keras_serializable(package="siamese_verify")
class ContrastiveLoss(keras.losses.Loss):
    """Loss that pulls genuine pairs together, and pushes impostor pairs apart until `margin`.

    With the distance `d = -score` and label `y` (**1 = genuine**):
    `loss = y d^2 / 2 + (1 - y) max(0, margin - d)^2 / 2`. In the paper, Y = 0 means similar. In
    this library, label 1 does.

    Args:
        margin: Distance from which impostor pairs no longer count, above 0.
        **kwargs: Keyword arguments of `keras.losses.Loss`: `reduction`, `name`.

    Call arguments:
        y_true: Labels, 1 = genuine, 0 = impostor. Outside of [0, 1], the loss is NaN.
        y_pred: Scores of `EuclideanHead`: negative distances, with the shape of the labels or with
            one more dimension of size 1. Above 0, the loss is NaN. A cosine or a probability is
            not a negative distance: this loss would train it in the wrong direction.

    Raises:
        ValueError: If `margin` is not above 0 and finite.

    Examples:
        >>> loss = ContrastiveLoss(margin=1.0)
        >>> float(loss(np.array([1.0, 0.0]), np.array([[-2.0], [-0.5]])))
        1.0625

    Reference:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006,
        equation 4.
    """

    score_needed: ClassVar[str] = "a negative distance"

    def __init__(self, margin: float = 1.0, name: str = "contrastive_loss", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        if not 0 < margin < math.inf:  # written so that NaN fails
            raise ValueError(f"`margin` must be above 0 and finite. Received: margin={margin}")
        self.margin = margin

    @override
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        same, scores = aligned(y_true, y_pred, self.dtype)
        same = ops.where((same >= 0) & (same <= 1), same, math.nan)
        distance = ops.where(scores <= 0, -scores, math.nan)
        apart = ops.relu(self.margin - distance)
        return same * ops.square(distance) / 2 + (1 - same) * ops.square(apart) / 2

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin}
