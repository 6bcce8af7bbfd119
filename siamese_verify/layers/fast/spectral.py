"""`SpectralConv2D`: a convolution with a large kernel, computed in the frequency domain."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, Literal, get_args

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.backends import on_cpu
from siamese_verify.layers.fast.frequencies import correlate, multiplications
from siamese_verify.tensors import Tensor

Method = Literal["auto", "direct", "spectral"]
METHODS: tuple[Method, ...] = get_args(Method)
# Up to this batch size, transforming the kernel costs more than a direct convolution.
_FEW_IMAGES = 8
# Cost of one multiplication of the spectral method, in multiplications of a direct convolution.
# The matrices are smaller, and there are transposes.
_RELATIVE_COST = 2.0
_ALL_DIRECT = contextvars.ContextVar("all_direct", default=False)


@contextlib.contextmanager
def direct_convolutions() -> Iterator[None]:
    """Build graphs in which every `SpectralConv2D` is a plain convolution of the same kernel."""
    token = _ALL_DIRECT.set(True)
    try:
        yield
    finally:
        _ALL_DIRECT.reset(token)


@keras.saving.register_keras_serializable(package="siamese_verify")
class SpectralConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, computed in the frequency domain.

    By the convolution theorem, a convolution is a product at each frequency. For a 7 x 7 kernel
    this needs a sixth of the multiplications, including the Fourier transforms. The transforms are
    products with constant matrices. So all work is matrix products, forward and backward, on every
    backend. Result and gradients equal `Conv2D`'s to the accuracy of float32. The weights have the
    same names and shapes. Lower precisions are computed in float32.

    Args:
        filters: Channels of the output.
        kernel_size: Height and width of the kernel, or one number for both.
        *args: Further arguments of `Conv2D`, in its order.
        method: Method of the convolution. `"direct"` computes as `Conv2D` does. `"auto"` chooses
            for the size of the input: direct on a GPU, the cheaper of the two on a CPU. Outside of
            training, `"auto"` is direct for up to 8 images.
        **kwargs: Keyword arguments of `Conv2D`: `padding`, `activation`, `use_bias` ...

    Attributes:
        spectral: Whether the convolution is spectral, once the layer is built.

    Input shape:
        `(batch, height, width, channels)`, with known height and width.

    Output shape:
        `(batch, new_height, new_width, filters)`.

    Raises:
        ValueError: If strides, dilation or groups are not 1, or `data_format` is channels first.

    Examples:
        >>> layer = SpectralConv2D(8, 7, activation="relu")
        >>> layer(np.zeros((2, 24, 24, 3), np.float32)).shape == (2, 18, 18, 8)
        True

    Reference:
        Mathieu, Henaff, LeCun, "Fast Training of Convolutional Networks through FFTs", 2014.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        *args: Any,
        method: Method = "spectral",
        **kwargs: Any,
    ):
        super().__init__(filters, kernel_size, *args, **kwargs)
        if method not in METHODS:
            raise ValueError(f"`method` must be one of {METHODS}. Received: method={method!r}")
        for name, value in (("strides", (1, 1)), ("dilation_rate", (1, 1)), ("groups", 1)):
            if getattr(self, name) != value:
                raise ValueError(
                    f"SpectralConv2D supports only {name}={value}. Use keras.layers.Conv2D for "
                    f"other values. Received: {name}={getattr(self, name)}"
                )
        if self.data_format != "channels_last":
            raise ValueError(
                "SpectralConv2D supports only data_format='channels_last'. "
                f"Received: data_format={self.data_format!r}"
            )
        self.method = method

    @override
    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        self.spectral = self.method == "spectral" or (
            self.method == "auto" and self._is_cheaper(input_shape)
        )
        if self.spectral and None in input_shape[1:]:
            raise ValueError(
                "SpectralConv2D needs to know the height and width of its input. Give the Input a "
                f"fixed size, or use method='direct'. Received: shape {input_shape}"
            )

    @override
    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not self.spectral or self.method == "spectral" or training or _ALL_DIRECT.get():
            return super().call(inputs)
        is_few = ops.shape(inputs)[0] <= _FEW_IMAGES
        if isinstance(is_few, bool):
            return self._call_directly(inputs) if is_few else super().call(inputs)
        every = super().call
        return ops.cond(is_few, lambda: self._call_directly(inputs), lambda: every(inputs))

    def _call_directly(self, inputs: Tensor) -> Tensor:
        outputs = super().convolution_op(inputs, self.kernel)
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)
        return self.activation(outputs) if self.activation else outputs

    @override
    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        if not self.spectral or _ALL_DIRECT.get():
            return super().convolution_op(inputs, kernel)
        image = ops.cast(inputs, "float32")
        if self.padding == "same":
            image = ops.pad(
                image, [(0, 0), *(((k - 1) // 2, k // 2) for k in self.kernel_size), (0, 0)]
            )
        return ops.cast(correlate(image, ops.cast(kernel, "float32")), inputs.dtype)

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "method": self.method}

    def _is_cheaper(self, input_shape: tuple[int | None, ...]) -> bool:
        _, height, width, channels = input_shape
        if height is None or width is None or not on_cpu():
            return False
        if self.padding == "same":
            height, width = height + self.kernel_size[0] - 1, width + self.kernel_size[1] - 1
        counts = multiplications((height, width), self.kernel_size, channels or 0, self.filters)
        return _RELATIVE_COST * counts[1] < counts[0]
