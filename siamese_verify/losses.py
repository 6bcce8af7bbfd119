"""Losses on the score of a pair, beside Keras's own such as `"binary_crossentropy"`."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.labels import aligned

Tensor = Any


@keras.saving.register_keras_serializable(package="siamese_verify")
class ContrastiveLoss(keras.losses.Loss):
    """Pulls same pairs together, pushes different pairs apart until `margin`.

    With the distance `d = -score` and label `y` (**1 = same**):
    `loss = y d^2 / 2 + (1 - y) max(0, margin - d)^2 / 2`. In the paper Y = 0 means similar; here,
    as everywhere in this library, 1 does.

    Args:
        margin: The distance beyond which different pairs no longer count, above 0.
        **kwargs: Keras's own: `reduction`, `name`.

    Call arguments:
        y_true: Labels, 1 = same, 0 = different.
        y_pred: Scores of `EuclideanHead`: negative distances, of the labels' shape or with one
            more dimension of size 1.

    Raises:
        ValueError: If `margin` is not above 0.

    Example:
        >>> loss = ContrastiveLoss(margin=1.0)
        >>> float(loss(np.array([1.0, 0.0]), np.array([[-2.0], [-0.5]])))
        1.0625

    Reference:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006,
        equation 4.
    """

    def __init__(self, margin: float = 1.0, name: str = "contrastive_loss", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        if not margin > 0:
            raise ValueError(f"`margin` must be above 0. Received: margin={margin}")
        self.margin = margin

    @override
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        same, scores = aligned(y_true, y_pred, self.dtype)
        distance = -scores
        apart = ops.relu(self.margin - distance)
        return same * ops.square(distance) / 2 + (1 - same) * ops.square(apart) / 2

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin}
