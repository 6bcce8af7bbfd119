"""`EuclideanHead`: the negative distance of two embeddings."""

from __future__ import annotations

from typing import ClassVar

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.layers.heads.embeddings import Head, Shape, embedding_size, two_embeddings
from siamese_verify.layers.score_kinds import ScoreKind
from siamese_verify.tensors import Tensor


@keras.saving.register_keras_serializable(package="siamese_verify")
class EuclideanHead(Head):
    """Negative Euclidean distance: `score = -||left - right||`, at most 0.

    Train it with `ContrastiveLoss`. The head has no weights.

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
        embedding_size(self, input_shape)

    @override
    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        left, right = two_embeddings(self, inputs)
        squared = ops.sum(ops.square(left - right), axis=-1, keepdims=True)
        # The root has no gradient at 0: there the distance is 0, and so is its gradient. NaN stays.
        apart = ops.not_equal(squared, 0)
        return -ops.where(apart, ops.sqrt(ops.where(apart, squared, 1.0)), 0.0)
