"""Measures of an image that do not depend on a model, and their limits. NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from siamese_verify.data.preprocessing import Pixels
from siamese_verify.data.stored_images import Images

LAYOUT_SIDE = 12
"""Height and width of a layout."""
_STEP = 256  # Number of images whose floats are in memory at once.

Floats = npt.NDArray[np.float32]


def measure(pixels: Images) -> Floats:
    """Measure images.

    Args:
        pixels: Images as `read_image` returns them, uint8 `(n, height, width, channels)`.

    Returns:
        float32 array `(n, 3 + LAYOUT_SIDE**2)`. The first column is contrast, the logarithm of the
        standard deviation. The second is detail, the logarithm of the ratio of second to first
        differences of neighbouring pixels. It is low if blurred, whatever the contrast, and NaN
        where an image is constant. The third is noise, the logarithm of the standard deviation of
        independent noise whose differences would be as large. Detail and noise are NaN below 3
        pixels. The others are the layout, the brightness of 12 x 12 fields in standard deviations
        from their mean.
    """
    parts = [_measure(pixels[i : i + _STEP]) for i in range(0, len(pixels), _STEP)]
    return np.concatenate(parts or [np.empty((0, 3 + LAYOUT_SIDE**2), np.float32)])


def _measure(pixels: Pixels) -> Floats:
    grey = pixels.mean(axis=3, dtype=np.float32)
    contrast = np.log2(1 + grey.std(axis=(1, 2)))
    columns = [contrast, _detail(grey), _noise(grey), _layout(grey)]
    return np.column_stack(columns).astype(np.float32)


def _detail(grey: Floats) -> Floats:
    if min(grey.shape[1:]) < 3:
        return np.full(len(grey), np.nan, np.float32)
    rows, columns = (np.diff(grey, axis=axis) for axis in (1, 2))
    first = np.sqrt(np.mean(rows**2, axis=(1, 2)) + np.mean(columns**2, axis=(1, 2)))
    # The Laplacian: differences of differences along both axes.
    second = np.diff(rows, axis=1)[:, :, 1:-1] + np.diff(columns, axis=2)[:, 1:-1]
    size = np.abs(second).mean(axis=(1, 2))
    known = (first > 0) & (size > 0)
    ratio = np.divide(size, first, out=np.full(len(grey), np.nan, np.float32), where=known)
    return np.log2(ratio)


def _noise(grey: Floats) -> Floats:
    """Estimate noise by the median over an image, most of whose places are smooth.

    References:
        Immerkaer, "Fast noise variance estimation", 1996 (the mask); Donoho, Johnstone, "Ideal
        spatial adaptation by wavelet shrinkage", 1994, section 4.1.2 (the median).
    """
    if min(grey.shape[1:]) < 3:
        return np.full(len(grey), np.nan, np.float32)
    differences = np.abs(np.diff(np.diff(grey, n=2, axis=1), n=2, axis=2))
    deviation = _MAD_TO_DEVIATION * np.median(differences, axis=(1, 2)) / _MASK_NORM
    return np.asarray(np.log2(1 + deviation), np.float32)


def _layout(grey: Floats) -> Floats:
    fields = grey
    for axis in (1, 2):
        length = grey.shape[axis]
        starts = np.arange(LAYOUT_SIDE) * length // LAYOUT_SIDE
        # Where a field has no pixel of its own, it has the one at its start.
        counts = np.maximum(np.diff(starts, append=length), 1)
        counts = np.expand_dims(counts, [a for a in (0, 1, 2) if a != axis])
        fields = np.add.reduceat(fields, starts, axis=axis) / counts
    flat = fields.reshape(len(grey), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / (flat.std(axis=1, keepdims=True) + 1), np.float32)


def limits(values: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Compute the ends of the range that holds nearly all such values."""
    known = values[np.isfinite(values)]
    if not len(known):
        return _NO_LIMITS
    middle = np.median(known)
    reach = 3 * _MAD_TO_DEVIATION * np.median(np.abs(known - middle))
    low, high = np.quantile(known, [TAIL, 1 - TAIL])
    return float(min(low, middle - reach)), float(max(high, middle + reach))


TAIL = 0.005  # Share of validation images that may lie beyond a limit.
_MAD_TO_DEVIATION = 1.4826  # For normal values, from the median absolute deviation.
_MASK_NORM = 6  # Root of the sum of squares of the mask of second differences along both axes.
_NO_LIMITS = -1e9, 1e9
