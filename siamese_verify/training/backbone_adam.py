"""`BackboneAdam`: Adam that changes a pretrained network more slowly than the rest."""

from __future__ import annotations

from typing import Any

import keras
from typing_extensions import override

from siamese_verify.messages import shown
from siamese_verify.tensors import Tensor
from siamese_verify.training.fused_adam import FusedAdam


@keras.saving.register_keras_serializable(package="siamese_verify")
class BackboneAdam(FusedAdam):
    """`FusedAdam` with a lower learning rate for the network of a `BackboneTower`.

    A new embedding has everything to learn, and a pretrained network little. So each has its rate.

    Args:
        learning_rate: Learning rate of everything else, a number or a
            `keras.optimizers.schedules.LearningRateSchedule`.
        backbone_rate: Learning rate of the network, as a share of the other, in [0, 1].
        **kwargs: Keyword arguments of `keras.optimizers.Adam`.

    Raises:
        ValueError: If `backbone_rate` is out of range.

    Examples:
        >>> BackboneAdam(1e-3, backbone_rate=0.1).get_config()["backbone_rate"]
        0.1

    Reference:
        Howard, Ruder, "Universal Language Model Fine-tuning for Text Classification", 2018,
        section 3.2 (discriminative fine-tuning).
    """

    def __init__(self, learning_rate: Any = 0.001, *, backbone_rate: float = 0.1, **kwargs: Any):
        super().__init__(learning_rate, **kwargs)
        if not 0 <= backbone_rate <= 1:
            raise ValueError(
                "`backbone_rate` must be a share in [0, 1]. "
                f"Received: backbone_rate={shown(backbone_rate)}"
            )
        self.backbone_rate = backbone_rate

    @override
    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        # TensorFlow passes its own variable, and `BackboneTower` marks variables of Keras.
        known = self._trainable_variables[self._get_variable_index(variable)]
        if getattr(known, "is_of_backbone", False):
            learning_rate = learning_rate * self.backbone_rate
        super().update_step(gradient, variable, learning_rate)

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "backbone_rate": self.backbone_rate}
