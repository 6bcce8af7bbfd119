"""Losses on identities, from an output for each identity or from embeddings."""

from __future__ import annotations

import abc
import math
from typing import Any, ClassVar

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.layers.unit_length import unit_length
from siamese_verify.tensors import Tensor

# Up to here, float32, to which Keras brings labels, has each integer.
_MOST_CLASSES = 2**24


class _LossOfClasses(keras.losses.Loss):
    """A loss on integer classes, computed in float32 at least; NaN for what is no such class."""

    score_needed: ClassVar[str] = "an output for each class or an embedding"

    @property
    @override
    def dtype(self) -> str:
        # Keras brings labels to this type, too: float16 tells apart no more than 2048 classes.
        return str(keras.backend.result_type(super().dtype, "float32"))

    @override
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        # In a graph of TensorFlow, a length may not be known yet.
        lengths = {y_true.shape[0], y_pred.shape[0]} - {None}
        if len(lengths) > 1 or len(y_pred.shape) != 2 or tuple(y_true.shape[1:]) not in ((), (1,)):
            # Others would broadcast without a word.
            raise ValueError(
                "Each row of predictions needs one integer class. "
                f"Received: classes of shape {y_true.shape}, predictions of shape {y_pred.shape}"
            )
        labels = ops.reshape(y_true, (-1, 1))
        are_whole = ops.equal(labels, ops.floor(labels))
        are_classes = are_whole & (labels >= 0) & (labels < _MOST_CLASSES)
        classes = ops.cast(ops.where(are_classes, labels, -1), "int32")
        losses = self._of_classes(classes, y_pred)
        return ops.where(are_classes[:, 0], losses, math.nan)

    @abc.abstractmethod
    def _of_classes(self, classes: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each row, `(batch,)`, by int32 classes `(batch, 1)`."""


@keras.saving.register_keras_serializable(package="siamese_verify")
class MarginSoftmaxLoss(_LossOfClasses):
    """Softmax cross entropy over cosines, with a handicap for the true class: CosFace and ArcFace.

    The cosine of the true class, of angle `theta`, is replaced by
    `cos(theta + angular_margin) - cosine_margin`, so that an embedding has to be nearer to its own
    class than to the others by that margin. Where `theta + angular_margin` passes pi, the cosine
    would rise again; there it falls on, as `cos(theta)` does.

    CosFace has the cosine margin alone, ArcFace the angular one:
    `MarginSoftmaxLoss(angular_margin=0.5, cosine_margin=0.0)`. Both at once are ArcFace's combined
    margin. Without a margin, it is the cross entropy of a normalised softmax.

    Args:
        scale: Factor of all cosines, above 0; without it, no softmax of them comes near to 0 or 1.
        angular_margin: Added to the angle to the true class, in radians, from 0 to below pi.
        cosine_margin: Taken from the cosine to the true class, at least 0.
        **kwargs: Keras's own: `reduction`, `name`.

    Call arguments:
        y_true: Integer classes, `(batch,)` or `(batch, 1)`, from 0. What is none of them gives
            NaN; a class above the last one, with TensorFlow, its own error.
        y_pred: Cosines to the classes, `(batch, classes)`, as `CosineClassifier` gives them.

    Raises:
        ValueError: If `scale` or a margin is out of its range, or labels and cosines are of other
            shapes.

    Examples:
        >>> loss = MarginSoftmaxLoss(scale=64.0, cosine_margin=0.35)
        >>> classes, cosines = np.array([0, 0]), np.array([[0.35, 0.0], [0.7, 0.0]])
        >>> round(float(loss(classes[:1], cosines[:1])), 4)  # ahead by the margin: log 2
        0.6931
        >>> round(float(loss(classes[1:], cosines[1:])), 4)
        0.0

    Reference:
        Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", 2018,
        equation 4; Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition",
        2019, equations 3 and 4.
    """

    def __init__(
        self,
        scale: float = 64.0,
        angular_margin: float = 0.0,
        cosine_margin: float = 0.35,
        name: str = "margin_softmax_loss",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        if not 0 < scale < math.inf:  # written so that NaN fails, here and below
            raise ValueError(f"`scale` must be above 0 and finite. Received: scale={scale}")
        if not 0 <= angular_margin < math.pi:
            raise ValueError(
                "`angular_margin` must be at least 0 and below pi. "
                f"Received: angular_margin={angular_margin}"
            )
        if not 0 <= cosine_margin < math.inf:
            raise ValueError(
                "`cosine_margin` must be at least 0 and finite. "
                f"Received: cosine_margin={cosine_margin}"
            )
        self.scale = scale
        self.angular_margin = angular_margin
        self.cosine_margin = cosine_margin

    @override
    def _of_classes(self, classes: Tensor, y_pred: Tensor) -> Tensor:
        true = self._with_margins(ops.take_along_axis(y_pred, classes, axis=-1))
        is_true = ops.equal(classes, ops.arange(y_pred.shape[-1], dtype="int32"))
        return ops.logsumexp(ops.where(is_true, 0.0, self.scale * (y_pred - true)), axis=-1)

    def _with_margins(self, cosine: Tensor) -> Tensor:
        cos, sin = math.cos(self.angular_margin), math.sin(self.angular_margin)
        # By the sum of angles: the slope of the arc cosine is infinite at 1, and that of the root
        # at 0. There, and where rounding leaves a cosine above 1, the angle is 0 or pi.
        squared = (1 - cosine) * (1 + cosine)  # exact near 1, unlike 1 - cosine**2
        positive = squared > 0
        sine = ops.where(positive, ops.sqrt(ops.where(positive, squared, 1.0)), 0.0)
        beyond_pi = cosine <= -cos
        turned = ops.where(beyond_pi, cosine - (1 - cos), cosine * cos - sine * sin)
        return turned - self.cosine_margin

    @override
    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "angular_margin": self.angular_margin,
            "cosine_margin": self.cosine_margin,
        }


@keras.saving.register_keras_serializable(package="siamese_verify")
class SupervisedContrastiveLoss(_LossOfClasses):
    """Pulls the embeddings of a class together, pushes those of other classes away.

    For each sample of a batch, the anchor: the cross entropy of finding those of its class among
    all others, by their cosines over `temperature`. Here embeddings are scaled to length 1, so it
    works with any tower.

    A sample without another of its class contributes 0, and the mean is that over the others: let
    batches hold several images of each identity. Other reductions than the mean over the batch
    take the terms of the paper as they are.

    Args:
        temperature: What cosines are divided by, above 0 and finite. The lower, the more count the
            nearest of other classes.
        **kwargs: Keras's own: `reduction`, `name`.

    Call arguments:
        y_true: Integer classes, `(batch,)` or `(batch, 1)`, from 0 to below 2**24. What is none of
            them gives NaN.
        y_pred: Embeddings, `(batch, size)`, of any length.

    Raises:
        ValueError: If `temperature` is not above 0 and finite, or labels and embeddings are of
            other shapes.

    Examples:
        >>> loss = SupervisedContrastiveLoss(temperature=0.1)
        >>> embeddings = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
        >>> round(float(loss(np.array([0, 0, 1, 1]), embeddings)), 4)
        0.0001
        >>> round(float(loss(np.array([0, 1, 0, 1]), embeddings)), 4)
        10.0001

    Reference:
        Khosla et al., "Supervised Contrastive Learning", 2020, equation 2.
    """

    def __init__(
        self, temperature: float = 0.1, name: str = "supervised_contrastive_loss", **kwargs: Any
    ):
        super().__init__(name=name, **kwargs)
        if not 0 < temperature < math.inf:  # written so that NaN fails
            raise ValueError(
                f"`temperature` must be above 0 and finite. Received: temperature={temperature}"
            )
        self.temperature = temperature

    @override
    def _of_classes(self, classes: Tensor, y_pred: Tensor) -> Tensor:
        embeddings = unit_length(y_pred)
        logits = ops.matmul(embeddings, ops.transpose(embeddings)) / self.temperature
        index = ops.arange(ops.shape(y_pred)[0], dtype="int32")
        is_other = ops.not_equal(index[:, None], index)
        is_positive = ops.logical_and(is_other, ops.equal(classes, ops.transpose(classes)))
        # Not minus infinity: a sample alone in its batch has no other, and would get NaN.
        among = ops.logsumexp(ops.where(is_other, logits, -1e30), axis=-1, keepdims=True)
        positives = ops.sum(ops.cast(is_positive, self.dtype), axis=-1)
        total = ops.sum(ops.where(is_positive, among - logits, 0.0), axis=-1)
        losses = total / ops.maximum(positives, 1.0)
        if self.reduction not in ("sum_over_batch_size", "mean"):
            return losses
        # Keras divides by the number of all samples.
        return losses / ops.maximum(ops.mean(ops.cast(positives > 0, self.dtype)), 1e-9)

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}
