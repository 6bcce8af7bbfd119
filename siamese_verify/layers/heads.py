"""Heads: from two embeddings to the score of a pair. In every one, higher is more alike.

All take the left and right embeddings, each `(..., size)`, and give `(..., 1)`. The dimensions
before the last may be broadcast: `(m, 1, size)` and `(1, n, size)` give the scores of all m x n
pairs. Scores are float32 at least, whatever the precision of the tower: float16 tells few apart.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.checks import check_l2
from siamese_verify.layers.unit_length import at_least_float32, unit_length
from siamese_verify.regularizers import L2

Tensor = Any
Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="siamese_verify")
class WeightedL1Head(keras.layers.Layer):
    """Sigmoid over the learned, weighted component-wise L1 distance.

    `score = sigmoid(sum_j alpha_j |left_j - right_j| + bias)`, in (0, 1): an estimate of the
    probability that the pair is the same. Trained with label 1 = same, the weights `alpha` become
    negative, so that a larger distance gives a lower score.

    Args:
        l2: L2 penalty on the weights; 0 for none.
        **kwargs: Keras's own, such as `name`.

    Call arguments:
        inputs: Left and right embeddings, each `(..., size)`.

    Output shape:
        `(..., 1)`.

    Raises:
        ValueError: If `l2` is negative or not finite.

    Example:
        >>> head = WeightedL1Head()
        >>> head((np.zeros((2, 8)), np.zeros((2, 8)))).shape == (2, 1)
        True

    Reference:
        Koch, Zemel, Salakhutdinov, "Siamese Neural Networks for One-shot Image Recognition",
        2015, section 3.1 (prediction p).
    """

    def __init__(self, l2: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        check_l2(l2)
        self.l2 = l2

    @override
    def build(self, input_shape: tuple[Shape, Shape]) -> None:
        self.kernel = _add_weight(
            self,
            name="kernel",
            shape=(_embedding_size(self, input_shape), 1),
            initializer="glorot_uniform",
            regularizer=L2(self.l2) if self.l2 else None,
        )
        self.bias = _add_weight(self, name="bias", shape=(1,), initializer="zeros")

    @override
    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        left, right = _two_embeddings(self, inputs)
        return ops.sigmoid(ops.matmul(ops.abs(left - right), self.kernel) + self.bias)

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "l2": self.l2}


@keras.saving.register_keras_serializable(package="siamese_verify")
class EuclideanHead(keras.layers.Layer):
    """The negative Euclidean distance: `score = -||left - right||`, at most 0.

    Trained with `ContrastiveLoss`. It has no weights.

    Call arguments:
        inputs: Left and right embeddings, each `(..., size)`.

    Output shape:
        `(..., 1)`.

    Example:
        >>> float(EuclideanHead()((np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])))[0, 0])
        -5.0

    Reference:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", 2006,
        equation 1 (the distance).
    """

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
    """The cosine of the angle between the embeddings, in [-1, 1]; 0 where one is all zeros.

    It has no weights.

    Call arguments:
        inputs: Left and right embeddings, each `(..., size)`.

    Output shape:
        `(..., 1)`.

    Example:
        >>> float(CosineHead()((np.array([[1.0, 0.0]]), np.array([[2.0, 0.0]])))[0, 0])
        1.0
    """

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
    pair is the same. Trained on pairs with `"binary_crossentropy"`, which has no use for a cosine
    as it is. The scale is learned as its logarithm, so that it stays positive and a higher cosine
    always gives a higher score.

    Args:
        scale: Initial scale, above 0.
        bias: Initial bias.
        **kwargs: Keras's own, such as `name`.

    Call arguments:
        inputs: Left and right embeddings, each `(..., size)`.

    Output shape:
        `(..., 1)`.

    Raises:
        ValueError: If `scale` is not above 0, or it or `bias` is not finite.

    Example:
        >>> head = SigmoidCosineHead(scale=10.0)
        >>> float(head((np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])))[0, 0])
        0.5

    Reference:
        Zhai et al., "Sigmoid Loss for Language Image Pre-Training", 2023, algorithm 1.
    """

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
    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        cosine = _cosine(*_two_embeddings(self, inputs))
        return ops.sigmoid(ops.exp(self.log_scale) * cosine + self.bias)

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.initial_scale, "bias": self.initial_bias}


def _add_weight(head: keras.layers.Layer, **options: Any) -> keras.Variable:
    """A weight that is float32 at least, as the embeddings are, whatever the precision."""
    dtype = keras.backend.result_type(head.variable_dtype, "float32")
    return head.add_weight(dtype=dtype, autocast=False, **options)


def _cosine(left: Tensor, right: Tensor) -> Tensor:
    product = ops.sum(unit_length(left) * unit_length(right), axis=-1, keepdims=True)
    return ops.clip(product, -1.0, 1.0)


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
