"""Work on large images, block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK_PIXELS = 2**20


def by_rows(
    function: Callable[[npt.NDArray[np.uint8]], npt.NDArray[Any]],
    pixels: npt.NDArray[np.uint8],
    channels: int,
) -> npt.NDArray[np.uint8]:
    """Apply a function to blocks of rows, so that its temporary arrays stay small.

    Args:
        function: Function from a block `(rows, width, ...)` to an array `(rows, width, channels)`.
        pixels: uint8 array `(height, width, ...)`.
        channels: Number of channels of the result.

    Returns:
        uint8 array `(height, width, channels)`.
    """
    result = np.empty((*pixels.shape[:2], channels), np.uint8)
    rows = max(1, _BLOCK_PIXELS // pixels.shape[1])
    for start in range(0, len(pixels), rows):
        result[start : start + rows] = function(pixels[start : start + rows])
    return result
