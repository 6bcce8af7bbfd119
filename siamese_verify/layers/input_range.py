"""`InputRange`: from images in [0, 1] to the range that a pretrained network needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from typing_extensions import override

from siamese_verify.messages import shown
from siamese_verify.tensors import Tensor


@keras.saving.register_keras_serializable(package="siamese_verify")
class InputRange(keras.layers.Layer):
    """Layer that brings images in [0, 1] to the range that a pretrained network needs.

    Each channel becomes `scale * value + offset`.

    Args:
        scale: Factor, a number or one for each channel of the result.
        offset: Summand, a number or one for each channel of the result.
        is_bgr: Whether the network needs blue, green and red, in this order.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, floats in [0, 1].

    Output shape:
        The same.

    Raises:
        ValueError: If `scale` or `offset` is not finite.

    Examples:
        >>> layer = InputRange(scale=255.0, offset=[-104.0, -117.0, -124.0], is_bgr=True)
        >>> np.asarray(layer(np.array([[[[1.0, 0.0, 0.0]]]]))).ravel().tolist()
        [-104.0, -117.0, 131.0]
    """

    def __init__(
        self,
        scale: float | Sequence[float],
        offset: float | Sequence[float] = 0.0,
        is_bgr: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, value in {"scale": scale, "offset": offset}.items():
            if not np.isfinite(value).all():
                raise ValueError(f"`{name}` must be finite. Received: {name}={shown(value)}")
        self.scale, self.offset, self.is_bgr = scale, offset, is_bgr

    @override
    def call(self, images: Tensor) -> Tensor:
        ordered = ops.flip(images, axis=-1) if self.is_bgr else images
        scale, offset = (ops.convert_to_tensor(x, ordered.dtype) for x in (self.scale, self.offset))
        return ordered * scale + offset

    @override
    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    @override
    def get_config(self) -> dict[str, Any]:
        own = {"scale": self.scale, "offset": self.offset, "is_bgr": self.is_bgr}
        return {**super().get_config(), **own}
