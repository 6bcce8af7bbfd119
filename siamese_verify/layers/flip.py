"""`FlipAverage`: embeddings that do not change when an image is mirrored."""

from __future__ import annotations

from typing import Any, Self

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.layers.unit_length import UnitLength
from siamese_verify.messages import shown


@keras.saving.register_keras_serializable(package="siamese_verify")
class FlipAverage(keras.Model):
    """Average of a tower's embeddings of an image and of its mirror image.

    Wrap a trained tower in it to verify: `u(u(tower(x)) + u(tower(mirrored x)))`, where `u` scales
    to length 1. An embedding costs twice the time. The head is a `CosineHead`, or another head that
    was trained on embeddings of length 1. The weights are shared with the tower.

    Args:
        tower: Built tower, such as a `ConvTower`.
        **kwargs: Keyword arguments of `keras.Model`, such as `name`.

    Attributes:
        tower: The tower.

    Input shape:
        `(batch, height, width, channels)`, the tower's.

    Output shape:
        `(batch, size)`, float32.

    Raises:
        ValueError: If the tower is not built.

    Examples:
        >>> tower = FlipAverage(ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32))
        >>> model = SiameseModel(tower, CosineHead())
        >>> image = np.random.default_rng(0).random((1, 16, 16, 1), np.float32)
        >>> bool(np.isclose(model.predict((image, image[:, :, ::-1]), verbose=0)[0, 0], 1))
        True
    """

    def __init__(self, tower: keras.Model, **kwargs: Any):
        if not (tower.built and hasattr(tower, "input_shape")):
            raise ValueError(
                "FlipAverage needs a built tower that knows the shape of its images. Functional "
                "and sequential models with an Input do. "
                f"Received: tower={shown(repr(tower.name))}"
            )
        images = keras.Input(tower.input_shape[1:], name="image")
        # The image and its mirror image pass the tower in one batch, as the images of a pair.
        both = ops.concatenate([images, ops.flip(images, axis=2)])
        unit_length = UnitLength(dtype="float32", name="unit_length")
        embedding, mirrored = ops.split(unit_length(tower(both)), 2)
        super().__init__(images, unit_length(embedding + mirrored), **kwargs)
        self.tower = tower

    @override
    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "tower": keras.saving.serialize_keras_object(self.tower)}

    @classmethod
    @override
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        tower = keras.saving.deserialize_keras_object(config["tower"], custom_objects)
        return cls(**{**config, "tower": tower})
