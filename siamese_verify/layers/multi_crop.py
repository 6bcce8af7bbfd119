"""`MultiCropTower`: several towers in one, which see crops of different size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.layers.unit_length import UnitLength


@keras.saving.register_keras_serializable(package="siamese_verify")
class MultiCropTower(keras.Model):
    """Towers that see crops of different size, their embeddings concatenated.

    One tower sees the face in its surroundings, another sees eyes, nose and mouth. Their errors
    differ, so together they are better than one tower of their size. Each embedding is scaled to
    length 1, so that the score of a `CosineHead` is the mean of the towers' cosines.

    Train each tower with its own loss, because a joint loss is satisfied by the best tower:

    - the model: `keras.Model(tower.inputs, [CosineClassifier(n)(x) for x in tower.embeddings])`,
      compiled with a list of losses, one for each tower
    - the batches: mapped by `lambda x, y: (x, (y,) * len(tower.towers))`

    Args:
        towers: Built towers with different names.
        crops: Share of height and width that each tower sees, in (0, 1]. The crop is the centre of
            the image. It is resized to the tower's input.
        image_size: Height and width of an image.
        **kwargs: Keyword arguments of `keras.Model`, such as `name`.

    Attributes:
        towers: The towers.
        embeddings: Symbolic embedding of each tower, `(batch, size)`, before scaling.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, size)`, float32. The size is the sum of the towers' embedding sizes.

    Raises:
        ValueError: If there is no tower, a tower is not built, or the towers differ in channels.
            Also if `crops` does not hold a share in (0, 1] for each tower.

    Examples:
        >>> towers = [ConvTower([ConvBlock(8, 3)], (16, 16, 1), 32, name=name) for name in "ab"]
        >>> tower = MultiCropTower(towers, crops=(1.0, 0.5), image_size=(32, 32))
        >>> tower.input_shape, tower.output_shape
        ((None, 32, 32, 1), (None, 64))

    Reference:
        Sun, Wang, Tang, "Deep Learning Face Representation from Predicting 10,000 Classes", 2014,
        section 3.2 (features of several patches, side by side).
    """

    def __init__(
        self,
        towers: Sequence[keras.Model],
        crops: Sequence[float],
        image_size: tuple[int, int],
        **kwargs: Any,
    ):
        towers, crops = list(towers), tuple(crops)
        shapes: list[Any] = [getattr(tower, "input_shape", None) for tower in towers]
        if not shapes or None in shapes or len({shape[-1] for shape in shapes}) > 1:
            raise ValueError(
                "`towers` must be one or more built towers, for images of the same number of "
                "channels. "
                f"Received: towers of the input shapes {shapes}"
            )
        if len(crops) != len(towers) or not all(0 < crop <= 1 for crop in crops):
            raise ValueError(
                f"`crops` must be a share in (0, 1] for each of {len(towers)} towers. "
                f"Received: crops={crops}"
            )
        images = keras.Input((*image_size, shapes[0][-1]), name="image")
        embeddings = [
            tower(_centre(images, crop, shape[1:3]))
            for tower, crop, shape in zip(towers, crops, shapes, strict=True)
        ]
        scaled = [UnitLength(dtype="float32")(embedding) for embedding in embeddings]
        super().__init__(images, ops.concatenate(scaled, axis=-1), **kwargs)
        self.towers, self.crops, self.image_size = towers, crops, tuple(image_size)
        self.embeddings = embeddings

    @override
    def get_config(self) -> dict[str, Any]:
        towers = [keras.saving.serialize_keras_object(tower) for tower in self.towers]
        return {
            "name": self.name,
            "towers": towers,
            "crops": self.crops,
            "image_size": self.image_size,
        }

    @classmethod
    @override
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        towers = [
            keras.saving.deserialize_keras_object(tower, custom_objects)
            for tower in config["towers"]
        ]
        return cls(**{**config, "towers": towers})


def _centre(images: Any, share: float, size: tuple[int, int]) -> Any:
    """Crop the centre of images to a share of their height and width, and resize it."""
    # Keras's layer `Resizing` is in training mode by default and would put all later layers into
    # it, so these are plain operations.
    parts = [slice(0, None)]
    for n in images.shape[1:3]:
        kept = max(1, round(share * n))
        start = (n - kept) // 2
        parts.append(slice(start, start + kept))
    cropped = images[tuple(parts)]
    if cropped.shape[1:3] == size:
        return cropped
    return ops.image.resize(cropped, size, data_format="channels_last")
