"""`SpectralConv2D`: a convolution of large kernels, as matrix products in the frequency domain."""

from __future__ import annotations

import functools
from typing import Any, Literal, get_args

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from typing_extensions import override

from siamese_verify.tensors import Tensor

Matrix = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Method = Literal["auto", "direct", "spectral"]
METHODS: tuple[Method, ...] = get_args(Method)
# To so many images, the kernel is applied sooner than it is transformed.
_FEW_IMAGES = 8

# What a multiplication of the spectral method costs, in those of a direct convolution: matrices
# are smaller, and there are transposes.
_RELATIVE_COST = 2.0
# Of the spectrum, multiplied at a time: fewer take less memory and more time.
_ROWS = 5


@keras.saving.register_keras_serializable(package="siamese_verify")
class SpectralConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, computed in the frequency domain.

    By the convolution theorem, a convolution is a product at each frequency, which for a 7 x 7
    kernel takes a sixth of the multiplications, the Fourier transforms included. Those are products
    with constant matrices, so that everything is a matrix product, forward and backward, on every
    backend. The result is that of `Conv2D` to the accuracy of float32, and so are the gradients;
    weights have the same names and shapes. Lower precisions are computed in float32.

    Args:
        filters: Channels of the output.
        kernel_size: Height and width of the kernel, or one number for both.
        *args: Those of `Conv2D`, in its order.
        method: `"spectral"`; `"direct"`, which computes as `Conv2D` does; or `"auto"`, which takes
            the one of lower cost for the size of the input: direct on a GPU, on a CPU by the
            number of operations. `spectral` tells, once the layer is built. But outside of
            training, `"auto"` is direct for up to 8 images.
        **kwargs: Those of `Conv2D`: `padding`, `activation`, `use_bias`, `kernel_regularizer` ...

    Input shape:
        `(batch, height, width, channels)`; height and width must be known.

    Output shape:
        `(batch, new_height, new_width, filters)`.

    Raises:
        ValueError: If strides or dilation other than 1, groups, or channels first are asked for.

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
                    f"SpectralConv2D takes {name}={value} only; for others there is "
                    f"keras.layers.Conv2D. Received: {name}={getattr(self, name)}"
                )
        if self.data_format != "channels_last":
            raise ValueError(
                "SpectralConv2D takes data_format='channels_last' only. "
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
                "SpectralConv2D needs to know the height and width of its input. "
                f"Received: shape {input_shape}"
            )

    @override
    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not self.spectral or self.method == "spectral" or training:
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
        if not self.spectral:
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
        on_cpu = all(name.startswith("cpu") for name in keras.distribution.list_devices())
        if height is None or width is None or not on_cpu:
            return False
        if self.padding == "same":
            height, width = height + self.kernel_size[0] - 1, width + self.kernel_size[1] - 1
        counts = multiplications((height, width), self.kernel_size, channels or 0, self.filters)
        return _RELATIVE_COST * counts[1] < counts[0]


def correlate(image: Tensor, kernel: Tensor) -> Tensor:
    """The "valid" convolution of neural networks (that is, cross-correlation), by frequencies.

    Height and batch change places at first and in the end, so that each step is a product of
    large matrices, without a transpose between them:

    | step | sums over | result, with frequencies `u` of columns, `v` of rows |
    |---|---|---|
    | transform of columns | height | `(u, (re, im), width, batch, channels)` |
    | transform of rows | (re, im), width | `(u, (re, im, re + im), v, batch, channels)` |
    | product with the kernel | channels | `(u, 3 products, v, batch, filters)` |
    | inverse of rows | 3 products, v | `(u, (re, im), width, batch, filters)` |
    | inverse of columns | u, (re, im) | `(height, width, batch, filters)` |

    Of the frequencies `u`, half suffice, since pixels are real. Gauss's three products for a
    complex one are part of the matrices: `re + im` comes out of the transform, and the inverse
    takes the products as they are. It leaves out what wraps around the edges.

    Args:
        image: float32 `(batch, height, width, channels)`; all but the batch must be known.
        kernel: float32 `(kernel height, kernel width, channels, filters)`.

    Returns:
        float32 `(batch, height - kernel height + 1, width - kernel width + 1, filters)`.
    """
    _, height, width, channels = image.shape
    kernel_height, kernel_width, _, filters = kernel.shape
    new_height, new_width = height - kernel_height + 1, width - kernel_width + 1
    half = height // 2 + 1

    x = ops.reshape(ops.transpose(image, (1, 2, 0, 3)), (height, -1))
    x = ops.reshape(ops.matmul(_real_dft(height, height), x), (half, 2 * width, -1))

    k = ops.reshape(kernel, (kernel_height, -1))
    k = ops.reshape(ops.matmul(_real_dft(height, kernel_height), k), (half, 2 * kernel_width, -1))
    # The conjugate, since a cross-correlation is wanted.
    k = ops.matmul(_gauss_dft(width, kernel_width, -1), k)
    k = ops.reshape(k, (half, 3 * width, channels, filters))

    def multiply(x: Tensor, k: Tensor) -> Tensor:
        shape = (x.shape[0], 3 * width, -1)
        x = ops.reshape(ops.matmul(_gauss_dft(width, width, 1), x), (*shape, channels))
        y = ops.reshape(ops.matmul(x, k), shape)
        return ops.matmul(_inverse_gauss_dft(width, new_width), y)

    ends = list(range(_ROWS, half, _ROWS)) or 1  # a number: that many parts
    y = [multiply(*rows) for rows in zip(ops.split(x, ends), ops.split(k, ends), strict=True)]
    y = ops.reshape(ops.concatenate(y), (2 * half, -1))
    y = ops.matmul(_inverse_real_dft(height, new_height), y)
    return ops.transpose(ops.reshape(y, (new_height, new_width, -1, filters)), (2, 0, 1, 3))


def multiplications(
    image_size: tuple[int, int], kernel_size: tuple[int, int], channels: int, filters: int
) -> tuple[int, int]:
    """Those of a direct and of a spectral "valid" convolution, for one image.

    The transform of the kernel is not counted, which all images of a batch share.
    """
    height, width = image_size
    new_height, new_width = height - kernel_size[0] + 1, width - kernel_size[1] + 1
    half = height // 2 + 1
    direct = new_height * new_width * kernel_size[0] * kernel_size[1] * channels * filters
    transform = (2 * half * height * width + half * 3 * width * 2 * width) * channels
    product = half * 3 * width * channels * filters
    inverse = (half * 2 * new_width * 3 * width + new_height * 2 * half * new_width) * filters
    return direct, transform + product + inverse


def _rotation(rows: Indices, columns: Indices, size: int) -> tuple[Any, Any]:
    """Cosine and sine of the angle `2 pi row column / size`."""
    # Reduced in whole numbers, for the accuracy of large sizes.
    angle = 2 * np.pi * (np.outer(rows, columns) % size) / size
    return np.cos(angle), np.sin(angle)


@functools.lru_cache(maxsize=64)
def _real_dft(size: int, length: int) -> Matrix:
    """From `length` real values, padded with zeros to `size`, to (frequency, (re, im))."""
    half = size // 2 + 1
    cos, sin = _rotation(np.arange(half), np.arange(length), size)
    return np.stack([cos, -sin], axis=1).reshape(2 * half, length).astype(np.float32)


@functools.lru_cache(maxsize=64)
def _gauss_dft(size: int, length: int, sign: int) -> Matrix:
    """From ((re, im), `length`) to ((re, im, re + sign im), frequency)."""
    cos, sin = _rotation(np.arange(size), np.arange(length), size)
    re, im = np.hstack([cos, sin]), np.hstack([-sin, cos])
    return np.vstack([re, im, re + sign * im]).astype(np.float32)


@functools.lru_cache(maxsize=64)
def _inverse_gauss_dft(size: int, length: int) -> Matrix:
    """From Gauss's products of x and the conjugate of k to ((re, im), the first `length`).

    With `p = re(x) re(k)`, `q = im(x) im(k)`, `r = (re(x) + im(x)) (re(k) - im(k))`, the product
    has the real part `p + q` and the imaginary part `r - p + q`.
    """
    cos, sin = _rotation(np.arange(length), np.arange(size), size)
    re, im = np.vstack([cos, sin]) / size, np.vstack([-sin, cos]) / size
    return np.hstack([re - im, re + im, im]).astype(np.float32)


@functools.lru_cache(maxsize=64)
def _inverse_real_dft(size: int, length: int) -> Matrix:
    """From (frequency, (re, im)) to the first `length` real values."""
    frequencies = np.arange(size // 2 + 1)
    cos, sin = _rotation(np.arange(length), frequencies, size)
    # All frequencies but the first, and the middle one of an even size, stand for two.
    weight = np.where((frequencies == 0) | (2 * frequencies == size), 1, 2) / size
    return np.stack([weight * cos, -weight * sin], axis=2).reshape(length, -1).astype(np.float32)
