"""`CosineClassifier`: trains a tower to classify the identities in labelled images."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.layers.unit_length import unit_length
from siamese_verify.tensors import Tensor


@keras.saving.register_keras_serializable(package="siamese_verify")
class CosineClassifier(keras.layers.Layer):
    """Cosine between an embedding and the direction of each class.

    With `MarginSoftmaxLoss`, it trains a tower on labelled images, one class for each identity.
    Afterwards it is not needed, because the tower embeds identities of no class too. Only the
    directions of embeddings and classes count. The angles learned here are therefore the angles
    that `CosineHead` compares. As in a head, they are float32 at least, whatever the precision.

    Args:
        classes: Number of classes, at least 2.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, size)`, with a known size.

    Output shape:
        `(batch, classes)`, in [-1, 1]. An embedding of zeros has the cosine 0.

    Raises:
        ValueError: If `classes` is not a whole number of at least 2.

    Examples:
        >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
        >>> model = keras.Sequential([tower, CosineClassifier(classes=5)])
        >>> model.compile("adam", loss=MarginSoftmaxLoss(), metrics=["accuracy"])
        >>> model.predict(np.zeros((4, 16, 16, 1), np.float32), verbose=0).shape
        (4, 5)

    Reference:
        Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", 2018,
        section 3.1 (the normalised softmax loss).
    """

    def __init__(self, classes: int, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        if not 2 <= classes < math.inf or classes != int(classes):
            raise ValueError(
                f"`classes` must be a whole number of at least 2. Received: classes={classes}"
            )
        self.classes = int(classes)

    @override
    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # Rows must begin short. Only their direction counts, and a step of Adam, as long as the
        # learning rate, hardly turns a long row. Training would last much longer.
        self.directions = self.add_weight(
            name="directions",
            shape=(self.classes, input_shape[-1]),
            initializer="glorot_uniform",
            autocast=False,
        )

    @override
    def call(self, embeddings: Tensor) -> Tensor:
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        vectors, directions = (
            unit_length(ops.cast(x, dtype)) for x in (embeddings, self.directions)
        )
        return ops.matmul(vectors, ops.transpose(directions))

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classes": self.classes}
