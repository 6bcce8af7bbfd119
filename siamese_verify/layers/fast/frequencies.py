"""The arithmetic of `SpectralConv2D`: a convolution as matrix products over frequencies."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from keras import ops

from siamese_verify.tensors import Tensor

Matrix = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
# Rows of the spectrum multiplied at a time. Fewer rows need less memory and more time.
_ROWS = 5


def correlate(image: Tensor, kernel: Tensor) -> Tensor:
    """Compute the "valid" convolution of neural networks (cross-correlation) by frequencies.

    Height and batch change places at the start and at the end. Each step is then a product of large
    matrices, without a transpose in between:

    | step | sums over | result, with frequencies `u` of columns, `v` of rows |
    |---|---|---|
    | transform of columns | height | `(u, (re, im), width, batch, channels)` |
    | transform of rows | (re, im), width | `(u, (re, im, re + im), v, batch, channels)` |
    | product with the kernel | channels | `(u, 3 products, v, batch, filters)` |
    | inverse of rows | 3 products, v | `(u, (re, im), width, batch, filters)` |
    | inverse of columns | u, (re, im) | `(height, width, batch, filters)` |

    Half of the frequencies `u` suffice, because pixels are real. Gauss's three products for a
    complex product are part of the matrices: the transform yields `re + im`, and the inverse
    combines the products. The inverse leaves out the rows and columns that wrap around the edges.

    Args:
        image: float32 `(batch, height, width, channels)`. All sizes but the batch must be known.
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
    # A cross-correlation needs the conjugate.
    k = ops.matmul(_gauss_dft(width, kernel_width, -1), k)
    k = ops.reshape(k, (half, 3 * width, channels, filters))

    def multiply(x: Tensor, k: Tensor) -> Tensor:
        shape = (x.shape[0], 3 * width, -1)
        x = ops.reshape(ops.matmul(_gauss_dft(width, width, 1), x), (*shape, channels))
        y = ops.reshape(ops.matmul(x, k), shape)
        return ops.matmul(_inverse_gauss_dft(width, new_width), y)

    ends = list(range(_ROWS, half, _ROWS)) or 1  # `split` reads 1 as one part.
    y = [multiply(*rows) for rows in zip(ops.split(x, ends), ops.split(k, ends), strict=True)]
    y = ops.reshape(ops.concatenate(y), (2 * half, -1))
    y = ops.matmul(_inverse_real_dft(height, new_height), y)
    return ops.transpose(ops.reshape(y, (new_height, new_width, -1, filters)), (2, 0, 1, 3))


def multiplications(
    image_size: tuple[int, int], kernel_size: tuple[int, int], channels: int, filters: int
) -> tuple[int, int]:
    """Count the multiplications of a direct and of a spectral "valid" convolution of one image.

    The transform of the kernel is not counted, because all images of a batch share it.
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
    """Return cosine and sine of the angle `2 pi row column / size`."""
    # Reduced in whole numbers, because large angles lose digits.
    angle = 2 * np.pi * (np.outer(rows, columns) % size) / size
    return np.cos(angle), np.sin(angle)


@functools.lru_cache(maxsize=64)
def _real_dft(size: int, length: int) -> Matrix:
    """Transform `length` real values, padded with zeros to `size`, to (frequency, (re, im))."""
    half = size // 2 + 1
    cos, sin = _rotation(np.arange(half), np.arange(length), size)
    return np.stack([cos, -sin], axis=1).reshape(2 * half, length).astype(np.float32)


@functools.lru_cache(maxsize=64)
def _gauss_dft(size: int, length: int, sign: int) -> Matrix:
    """Transform ((re, im), `length`) to ((re, im, re + sign im), frequency)."""
    cos, sin = _rotation(np.arange(size), np.arange(length), size)
    re, im = np.hstack([cos, sin]), np.hstack([-sin, cos])
    return np.vstack([re, im, re + sign * im]).astype(np.float32)


@functools.lru_cache(maxsize=64)
def _inverse_gauss_dft(size: int, length: int) -> Matrix:
    """Transform Gauss's products of x and the conjugate of k to ((re, im), first `length`).

    With `p = re(x) re(k)`, `q = im(x) im(k)`, `r = (re(x) + im(x)) (re(k) - im(k))`, the product
    has the real part `p + q` and the imaginary part `r - p + q`.
    """
    cos, sin = _rotation(np.arange(length), np.arange(size), size)
    re, im = np.vstack([cos, sin]) / size, np.vstack([-sin, cos]) / size
    return np.hstack([re - im, re + im, im]).astype(np.float32)


@functools.lru_cache(maxsize=64)
def _inverse_real_dft(size: int, length: int) -> Matrix:
    """Transform (frequency, (re, im)) to the first `length` real values."""
    frequencies = np.arange(size // 2 + 1)
    cos, sin = _rotation(np.arange(length), frequencies, size)
    # A frequency stands for two, except the first, and the middle frequency of an even size.
    weight = np.where((frequencies == 0) | (2 * frequencies == size), 1, 2) / size
    return np.stack([weight * cos, -weight * sin], axis=2).reshape(length, -1).astype(np.float32)
