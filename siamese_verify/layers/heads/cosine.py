"""`CosineHead` and `SigmoidCosineHead`: the cosine of two embeddings, and its sigmoid."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.layers.heads.embeddings import (
    Head,
    Shape,
    add_weight,
    embedding_size,
    two_embeddings,
)
from siamese_verify.layers.heads.sigmoid import bounded_sigmoid
from siamese_verify.layers.score_kinds import ScoreKind
from siamese_verify.layers.unit_length import unit_length
from siamese_verify.tensors import Tensor


@keras.saving.register_keras_serializable(package="siamese_verify")
class CosineHead(Head):
    """Cosine of the angle between the embeddings, in [-1, 1].

    The score is exactly 1 for equal embeddings, even if both are all zeros. It is 0 if only one
    embedding is all zeros. The head has no weights.

    Call arguments:
        inputs: Left and right embeddings, each `(..., size)`.

    Output shape:
        `(..., 1)`.

    Examples:
        >>> float(CosineHead()((np.array([[1.0, 0.0]]), np.array([[2.0, 0.0]])))[0, 0])
        1.0
    """

    score_kind: ClassVar[ScoreKind | None] = "cosine"

    @override
    def build(self, input_shape: tuple[Shape, Shape]) -> None:
        embedding_size(self, input_shape)

    @override
    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        return _cosine(*two_embeddings(self, inputs))


@keras.saving.register_keras_serializable(package="siamese_verify")
class SigmoidCosineHead(Head):
    """Sigmoid of the cosine, with a learned scale and bias.

    `score = sigmoid(scale * cosine + bias)`, in (0, 1). It estimates the probability that the pair
    is genuine. Train it on pairs with `"binary_crossentropy"`, which needs a probability, not a
    cosine. The logarithm of the scale is learned. The scale stays positive, so a higher cosine
    never lowers the score. An embedding compared with itself scores highest.

    Args:
        scale: Initial scale, above 0.
        bias: Initial bias.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name`.

    Call arguments:
        inputs: Left and right embeddings, each `(..., size)`.
        training: Whether the head is in training. Otherwise no rounding error of the sigmoid
            raises a score above the score of an embedding compared with itself.

    Output shape:
        `(..., 1)`.

    Raises:
        ValueError: If `scale` is not above 0 and finite, or `bias` is not finite.

    Examples:
        >>> head = SigmoidCosineHead(scale=10.0)
        >>> float(head((np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])))[0, 0])
        0.5

    Reference:
        Zhai et al., "Sigmoid Loss for Language Image Pre-Training", 2023, algorithm 1.
    """

    score_kind: ClassVar[ScoreKind | None] = "probability"

    def __init__(self, scale: float = 10.0, bias: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 < scale < math.inf:  # written so that NaN fails
            raise ValueError(f"`scale` must be above 0 and finite. Received: scale={scale}")
        if not math.isfinite(bias):
            raise ValueError(f"`bias` must be finite. Received: bias={bias}")
        self.initial_scale = scale
        self.initial_bias = bias

    @override
    def build(self, input_shape: tuple[Shape, Shape]) -> None:
        embedding_size(self, input_shape)
        self.log_scale = add_weight(
            self,
            name="log_scale",
            shape=(),
            initializer=keras.initializers.Constant(math.log(self.initial_scale)),
        )
        self.bias = add_weight(
            self, name="bias", shape=(), initializer=keras.initializers.Constant(self.initial_bias)
        )

    @override
    def call(self, inputs: tuple[Tensor, Tensor], training: bool | None = None) -> Tensor:
        cosine = _cosine(*two_embeddings(self, inputs))
        scale = ops.exp(self.log_scale)
        return bounded_sigmoid(scale * cosine + self.bias, scale + self.bias, training)

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.initial_scale, "bias": self.initial_bias}


def _cosine(left: Tensor, right: Tensor) -> Tensor:
    product = ops.sum(unit_length(left) * unit_length(right), axis=-1, keepdims=True)
    # Rounding leaves the cosine of equal embeddings a little below 1. An infinite one is NaN.
    equal = ops.all(ops.equal(left, right), axis=-1, keepdims=True)
    equal = ops.logical_and(equal, ops.logical_not(ops.isnan(product)))
    return ops.where(equal, 1.0, ops.clip(product, -1.0, 1.0))
