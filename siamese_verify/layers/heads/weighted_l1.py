"""`WeightedL1Head`: the sigmoid of a learned, weighted distance."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.layers.checks import check_l2
from siamese_verify.layers.fast.l2 import FastL2
from siamese_verify.layers.heads.embeddings import (
    Head,
    Shape,
    add_weight,
    embedding_size,
    two_embeddings,
)
from siamese_verify.layers.heads.sigmoid import bounded_sigmoid
from siamese_verify.layers.score_kinds import ScoreKind
from siamese_verify.tensors import Tensor
from siamese_verify.user_warnings import warn_user

# Start of a constrained head: sigmoid(bias - factor * mean distance).
_FACTOR_OF_MEAN_DISTANCE = 8.0
_BIAS = 2.0


@keras.saving.register_keras_serializable(package="siamese_verify")
class WeightedL1Head(Head):
    """Sigmoid of a bias minus the learned, weighted L1 distance.

    `score = sigmoid(bias - sum_j |kernel_j| |left_j - right_j|)`, in (0, 1). It estimates the
    probability that the pair is genuine. Whatever values the weights hold, a larger distance never
    raises the score, and an embedding compared with itself scores highest.

    With `unconstrained=True`, `score = sigmoid(bias + sum_j kernel_j |left_j - right_j|)`, the head
    of Koch et al. (2015). Nothing keeps that kernel negative. Where a component is positive, a
    larger distance raises the score. Two different images can then score higher than an image
    compared with itself. Choose it only to reproduce published results.

    Args:
        l2: L2 penalty on the kernel, 0 for none.
        unconstrained: Whether a larger distance may raise the score.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name`.

    Call arguments:
        inputs: Left and right embeddings, each `(..., size)`.
        training: Whether the head is in training. Otherwise no rounding error of the sigmoid
            raises a score above the score of an embedding compared with itself.

    Output shape:
        `(..., 1)`.

    Raises:
        ValueError: If `l2` is negative or not finite.

    Examples:
        >>> head = WeightedL1Head()
        >>> same, other = np.zeros((1, 8)), np.ones((1, 8))
        >>> bool(head((same, same)) > head((same, other)))
        True

    Reference:
        Koch, Zemel, Salakhutdinov, "Siamese Neural Networks for One-shot Image Recognition",
        2015, section 3.1 (prediction p).
    """

    score_kind: ClassVar[ScoreKind | None] = "probability"

    def __init__(self, l2: float = 0.0, unconstrained: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        check_l2(l2)
        self.l2 = l2
        self.unconstrained = unconstrained

    @override
    def build(self, input_shape: tuple[Shape, Shape]) -> None:
        size = embedding_size(self, input_shape)
        # An unsigned sum does not cancel. With a "glorot_uniform" kernel it grows with the square
        # root of the size, and at 4,096 values it saturates the sigmoid. The mean distance does
        # not grow. No score exceeds 0.5 unless the bias is positive, and a small learning rate
        # hardly moves it from 0. On drawn faces, a bias of 2 ended with a lower validation loss
        # than a bias of 0 or 1.
        kernel, bias = (
            ("glorot_uniform", "zeros")
            if self.unconstrained
            else map(keras.initializers.Constant, (_FACTOR_OF_MEAN_DISTANCE / size, _BIAS))
        )
        self.kernel = add_weight(
            self,
            name="kernel",
            shape=(size, 1),
            initializer=kernel,
            regularizer=FastL2(self.l2) if self.l2 else None,
        )
        self.bias = add_weight(self, name="bias", shape=(1,), initializer=bias)

    @override
    def call(self, inputs: tuple[Tensor, Tensor], training: bool | None = None) -> Tensor:
        left, right = two_embeddings(self, inputs)
        distance = ops.abs(left - right)
        if self.unconstrained:
            return ops.sigmoid(ops.matmul(distance, self.kernel) + self.bias)
        # The absolute value works for any kernel: untrained, averaged or set by hand. A Keras
        # constraint acts only after a step of the optimizer. It keeps a weight at 0, where a
        # gradient towards lower values is lost.
        logits = self.bias - ops.matmul(distance, ops.abs(self.kernel))
        return bounded_sigmoid(logits, self.bias, training)

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "l2": self.l2, "unconstrained": self.unconstrained}

    @classmethod
    @override
    def from_config(cls, config: dict[str, Any]) -> Self:
        if "unconstrained" not in config:
            warn_user(
                f"This {cls.__name__} comes from a file without the setting `unconstrained`, "
                "from a version in which every such head was unconstrained. It scores as before: "
                "a larger distance can raise the score, and an image compared with itself can be "
                f"rejected. Train the model again with {cls.__name__}() to rule that out, or save "
                "it again to keep this head without the warning.",
            )
            config = {**config, "unconstrained": True}
        return cls(**config)
