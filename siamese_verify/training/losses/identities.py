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
from siamese_verify.training.replicas import gathered

# Keras converts labels to float32, which represents every integer up to here.
_MOST_CLASSES = 2**24


class _LossOfClasses(keras.losses.Loss):
    """Base class of losses on integer classes, computed in float32 at least.

    A label that is not an integer, or out of range, makes the loss NaN.
    """

    score_needed: ClassVar[str] = "an output for each class or an embedding"

    @property
    @override
    def dtype(self) -> str:
        # Keras converts labels to this type too, and float16 tells apart only 2048 classes.
        return str(keras.backend.result_type(super().dtype, "float32"))

    @override
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        # In a graph of TensorFlow, a length may not be known yet.
        lengths = {y_true.shape[0], y_pred.shape[0]} - {None}
        if len(lengths) > 1 or len(y_pred.shape) != 2 or tuple(y_true.shape[1:]) not in ((), (1,)):
            # Other shapes would broadcast silently.
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
        """Return the loss of each row, `(batch,)`, for int32 classes `(batch, 1)`."""


@keras.saving.register_keras_serializable(package="siamese_verify")
class MarginSoftmaxLoss(_LossOfClasses):
    """Softmax cross entropy over cosines, with a margin for the true class: CosFace and ArcFace.

    With the angle `theta` to the true class, its cosine is replaced by
    `cos(theta + angular_margin) - cosine_margin`. So an embedding must be closer to its own class
    than to the others by that margin. Where `theta + angular_margin` exceeds pi, the cosine would
    rise again. There, it falls on as `cos(theta)` does.

    CosFace uses the cosine margin alone, ArcFace the angular margin alone:
    `MarginSoftmaxLoss(angular_margin=0.5, cosine_margin=0.0)`. Both together are ArcFace's
    combined margin. Without a margin, it is the cross entropy of a normalized softmax.

    Args:
        scale: Factor of all cosines, above 0. Without it, their softmax stays far from 0 and 1.
        angular_margin: Angle added to the angle to the true class, in radians, from 0 to below pi.
        cosine_margin: Number subtracted from the cosine to the true class, at least 0.
        **kwargs: Keyword arguments of `keras.losses.Loss`: `reduction`, `name`.

    Call arguments:
        y_true: Integer classes, `(batch,)` or `(batch, 1)`, from 0. Other values make the loss
            NaN. With TensorFlow, a class above the last one raises TensorFlow's own error.
        y_pred: Cosines to the classes, `(batch, classes)`, such as from `CosineClassifier`.

    Raises:
        ValueError: If `scale` or a margin is out of range, or labels or cosines have another
            shape.

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
        # The formula for the cosine of a sum avoids the arc cosine, whose slope is infinite at 1.
        # The slope of the root is infinite at 0. There, and where rounding leaves a cosine above
        # 1, the angle is 0 or pi.
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
    """Loss that pulls the embeddings of a class together, and pushes other classes away.

    Each sample of a batch is an anchor. Its loss is the cross entropy of finding the samples of
    its class among all other samples, from their cosines over `temperature`. The loss scales
    embeddings to length 1, so that it works with any tower.

    A sample without another sample of its class contributes 0, and does not count in the mean. Use
    batches with several images of each identity. Reductions other than the mean over the batch
    use the terms of the paper unchanged. On several devices, a batch consists of the images of all
    devices.

    Args:
        temperature: Divisor of the cosines, above 0 and finite. The lower it is, the more the
            nearest samples of other classes count.
        **kwargs: Keyword arguments of `keras.losses.Loss`: `reduction`, `name`.

    Call arguments:
        y_true: Integer classes, `(batch,)` or `(batch, 1)`, from 0 to below 2**24. Other values
            make the loss NaN.
        y_pred: Embeddings, `(batch, size)`, of any length.

    Raises:
        ValueError: If `temperature` is not above 0 and finite, or labels or embeddings have
            another shape.

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
        anchors = unit_length(y_pred)
        # The batch of all replicas, in which the anchors are this replica's.
        embeddings, start = gathered(anchors)
        all_classes, _ = gathered(classes)
        logits = ops.matmul(anchors, ops.transpose(embeddings)) / self.temperature
        places = (ops.arange(ops.shape(x)[0], dtype="int32") for x in (anchors, embeddings))
        is_other = ops.not_equal(start + next(places)[:, None], next(places))
        is_positive = ops.logical_and(is_other, ops.equal(classes, ops.transpose(all_classes)))
        # With minus infinity, a sample that is alone in its batch would have the loss NaN.
        among = ops.logsumexp(ops.where(is_other, logits, -1e30), axis=-1, keepdims=True)
        positives = ops.sum(ops.cast(is_positive, self.dtype), axis=-1)
        total = ops.sum(ops.where(is_positive, among - logits, 0.0), axis=-1)
        losses = total / ops.maximum(positives, 1.0)
        if self.reduction not in ("sum_over_batch_size", "mean"):
            return losses
        # Keras divides by the number of all samples.
        has_positive, _ = gathered(ops.cast(positives > 0, self.dtype))
        return losses / ops.maximum(ops.mean(has_positive), 1e-9)

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}
