"""Average pooling that counts each pixel once, on every backend."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.tensors import Tensor


@keras.saving.register_keras_serializable(package="siamese_verify")
class EdgeAveragePooling2D(keras.layers.Layer):
    """`keras.layers.AveragePooling2D` with `padding="same"`, alike on every backend.

    With torch, Keras fills the windows at the edge by repeating pixels, which then count twice.
    With TensorFlow and JAX, a window holds the pixels that exist. So it does here.

    Args:
        size: Height and width of a window, and its stride.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, height / size, width / size, channels)`, rounded up.

    Examples:
        >>> layer = EdgeAveragePooling2D(2)
        >>> np.array(layer(np.array([[[[1.0], [3.0], [7.0]]]], np.float32))).ravel().tolist()
        [2.0, 7.0]
    """

    def __init__(self, size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = size

    @override
    def call(self, inputs: Tensor) -> Tensor:
        size = (self.size, self.size)
        if keras.backend.backend() != "torch":
            return ops.average_pool(inputs, size, size, "same", "channels_last")
        missing = [-n % self.size for n in inputs.shape[1:3]]
        zeros = [(0, 0), *((n // 2, n - n // 2) for n in missing), (0, 0)]

        def padded_mean(x: Tensor) -> Tensor:
            return ops.average_pool(ops.pad(x, zeros), size, size, "valid", "channels_last")

        return padded_mean(inputs) / padded_mean(ops.ones_like(inputs))

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}
