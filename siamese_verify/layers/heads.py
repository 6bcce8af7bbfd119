"""Heads: from two embeddings to the score of a pair. In every one, higher is more alike.

All take the left and right embeddings, each `(..., size)`, and give `(..., 1)`. The dimensions
before the last may be broadcast: `(m, 1, size)` and `(1, n, size)` give the scores of all m x n
pairs. Scores are float32 at least, whatever the precision of the tower: float16 tells few apart.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar, Literal, Self

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.checks import check_l2
from siamese_verify.layers.fast.l2 import L2
from siamese_verify.layers.unit_length import at_least_float32, unit_length
from siamese_verify.tensors import Tensor

Shape = tuple[int | None, ...]
# What a head gives, by which `SiameseModel.compile` finds a loss that contradicts it. A head
# without the attribute `score_kind`, or with None there, takes any loss.
ScoreKind = Literal["probability", "negative distance", "cosine"]

# What a constrained `WeightedL1Head` starts from: sigmoid(bias - factor * mean distance).
_FACTOR_OF_MEAN_DISTANCE = 8.0
_BIAS = 2.0


@keras.saving.register_keras_serializable(package="siamese_verify")
class WeightedL1Head(keras.layers.Layer):
    """Sigmoid of a bias minus the learned, weighted L1 distance.

    `score = sigmoid(bias - sum_j |kernel_j| |left_j - right_j|)`, in (0, 1): an estimate of the
    probability that the pair is the same. Whatever values the weights hold, a larger distance never
    raises the score, and an embedding compared with itself scores highest.

    With `unconstrained=True`, `score = sigmoid(bias + sum_j kernel_j |left_j - right_j|)`, the head
    of Koch et al. (2015). Nothing there keeps the kernel negative: where a component of the kernel
    is positive, a larger distance raises the score, and two different images can score higher than
    an image compared with itself. Choose it to reproduce published results only.

    Args:
        l2: L2 penalty on the kernel; 0 for none.
        unconstrained: Whether a larger distance may raise the score.
        **kwargs: Keras's own, such as `name`.

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
        size = _embedding_size(self, input_shape)
        # An unsigned sum does not cancel: with a "glorot_uniform" kernel it grows with the square
        # root of the size, and of 4,096 sigmoid embeddings it saturates the sigmoid. The mean
        # distance does not grow. No score exceeds 0.5 unless the bias is positive, and from 0 a
        # small learning rate hardly moves it. On drawn faces, a bias of 2 ended with a lower
        # validation loss than a bias of 0 or 1.
        kernel, bias = (
            ("glorot_uniform", "zeros")
            if self.unconstrained
            else map(keras.initializers.Constant, (_FACTOR_OF_MEAN_DISTANCE / size, _BIAS))
        )
        self.kernel = _add_weight(
            self,
            name="kernel",
            shape=(size, 1),
            initializer=kernel,
            regularizer=L2(self.l2) if self.l2 else None,
        )
        self.bias = _add_weight(self, name="bias", shape=(1,), initializer=bias)

    @override
    def call(self, inputs: tuple[Tensor, Tensor], training: bool | None = None) -> Tensor:
        left, right = _two_embeddings(self, inputs)
        distance = ops.abs(left - right)
        if self.unconstrained:
            return ops.sigmoid(ops.matmul(distance, self.kernel) + self.bias)
        # The absolute value holds for any kernel: untrained, averaged or set by hand. A Keras
        # constraint holds only after a step of the optimizer, and it holds a weight at 0, where
        # a gradient that asks for less is lost.
        logits = self.bias - ops.matmul(distance, ops.abs(self.kernel))
        return _sigmoid(logits, self.bias, training)

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "l2": self.l2, "unconstrained": self.unconstrained}

    @classmethod
    @override
    def from_config(cls, config: dict[str, Any]) -> Self:
        if "unconstrained" not in config:
            warnings.warn(
                f"{cls.__name__} comes from a file without the setting `unconstrained`, written "
                "when every such head was unconstrained. It scores as before: a larger distance "
                "can raise the score, and an image compared with itself can be rejected. Train "
                f"the model again with {cls.__name__}() to rule that out, or save it again to "
                "keep this head without the warning.",
                stacklevel=2,
            )
            config = {**config, "unconstrained": True}
        return cls(**config)


@keras.saving.register_keras_serializable(package="siamese_verify")
class EuclideanHead(keras.layers.Layer):
    """The negative Euclidean distance: `score = -||left - right||`, at most 0.

    Trained with `ContrastiveLoss`. It has no weights.

    Call arguments:
        inputs: Left and right embeddings, each `(..., size)`.

    Output shape:
        `(..., 1)`.

    Examples:
        >>> float(EuclideanHead()((np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])))[0, 0])
        -5.0

    Reference:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006,
        equation 1 (the distance).
    """

    score_kind: ClassVar[ScoreKind | None] = "negative distance"

    @override
    def build(self, input_shape: tuple[Shape, Shape]) -> None:
        _embedding_size(self, input_shape)

    @override
    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        left, right = _two_embeddings(self, inputs)
        squared = ops.sum(ops.square(left - right), axis=-1, keepdims=True)
        # The root has no gradient at 0: there the distance is 0, and so is its gradient. NaN stays.
        apart = ops.not_equal(squared, 0)
        return -ops.where(apart, ops.sqrt(ops.where(apart, squared, 1.0)), 0.0)


@keras.saving.register_keras_serializable(package="siamese_verify")
class CosineHead(keras.layers.Layer):
    """The cosine of the angle between the embeddings, in [-1, 1].

    It is exactly 1 for equal embeddings, even where both are all zeros. Where only one is all
    zeros, it is 0. The head has no weights.

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
        _embedding_size(self, input_shape)

    @override
    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        return _cosine(*_two_embeddings(self, inputs))


@keras.saving.register_keras_serializable(package="siamese_verify")
class SigmoidCosineHead(keras.layers.Layer):
    """Sigmoid over the cosine, scaled and shifted as learned.

    `score = sigmoid(scale * cosine + bias)`, in (0, 1): an estimate of the probability that the
    pair is the same. Trained on pairs with `"binary_crossentropy"`, which needs a probability, not
    a cosine. The scale is learned as its logarithm, so that it stays positive and a higher cosine
    never lowers the score. An embedding compared with itself scores highest.

    Args:
        scale: Initial scale, above 0.
        bias: Initial bias.
        **kwargs: Keras's own, such as `name`.

    Call arguments:
        inputs: Left and right embeddings, each `(..., size)`.
        training: Whether the head is in training, as for `WeightedL1Head`.

    Output shape:
        `(..., 1)`.

    Raises:
        ValueError: If `scale` is not above 0, or it or `bias` is not finite.

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
        _embedding_size(self, input_shape)
        self.log_scale = _add_weight(
            self,
            name="log_scale",
            shape=(),
            initializer=keras.initializers.Constant(math.log(self.initial_scale)),
        )
        self.bias = _add_weight(
            self, name="bias", shape=(), initializer=keras.initializers.Constant(self.initial_bias)
        )

    @override
    def call(self, inputs: tuple[Tensor, Tensor], training: bool | None = None) -> Tensor:
        cosine = _cosine(*_two_embeddings(self, inputs))
        scale = ops.exp(self.log_scale)
        return _sigmoid(scale * cosine + self.bias, scale + self.bias, training)

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.initial_scale, "bias": self.initial_bias}


def _add_weight(head: keras.layers.Layer, **options: Any) -> keras.Variable:
    """A weight that is float32 at least, as the embeddings are, whatever the precision."""
    dtype = keras.backend.result_type(head.variable_dtype, "float32")
    return head.add_weight(dtype=dtype, autocast=False, **options)


def _cosine(left: Tensor, right: Tensor) -> Tensor:
    product = ops.sum(unit_length(left) * unit_length(right), axis=-1, keepdims=True)
    # Rounding leaves the cosine of equal embeddings a little below 1. Infinity has no cosine.
    equal = ops.all(ops.equal(left, right), axis=-1, keepdims=True)
    equal = ops.logical_and(equal, ops.logical_not(ops.isnan(product)))
    return ops.where(equal, 1.0, ops.clip(product, -1.0, 1.0))


def _sigmoid(logits: Tensor, highest: Tensor, training: bool | None) -> Tensor:
    """The sigmoid of logits that never exceed `highest`; its result does not either.

    TensorFlow's sigmoid errs by some units in the last place, so that a lower logit can come out
    higher. Training does not need this, and a loss may look for the sigmoid to use its logits.
    """
    scores = ops.sigmoid(logits)
    if training:
        return scores
    best = ops.sigmoid(highest)
    # The best score is computed once: one of several at a time may be rounded in another way.
    return ops.where(logits >= highest, best, ops.minimum(scores, best))


def _two_embeddings(head: keras.layers.Layer, inputs: Any) -> tuple[Tensor, Tensor]:
    """Left and right, as float32 at least.

    Checked in each call: sizes of 8 and 1 would broadcast without a word.
    """
    several = isinstance(inputs, (tuple, list))
    _embedding_size(head, [x.shape for x in inputs] if several else inputs.shape)
    left, right = map(at_least_float32, inputs)
    return left, right


def _embedding_size(head: keras.layers.Layer, shapes: Any) -> int:
    two = len(shapes) == 2 and all(not isinstance(shape, (int, type(None))) for shape in shapes)
    if not two or shapes[0][-1] != shapes[1][-1]:
        raise ValueError(
            f"{type(head).__name__} takes two embeddings of the same size. "
            f"Received: shapes {shapes}"
        )
    size = shapes[0][-1]
    if size is None:
        raise ValueError(
            f"{type(head).__name__} needs embeddings of a known size. Received: shapes {shapes}"
        )
    return int(size)
