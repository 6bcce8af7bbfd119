"""Colours of a palette, looked up by their numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from siamese_verify.data.row_blocks import by_rows

Pixels = npt.NDArray[np.uint8]


def look_up(numbers: Pixels, palette: bytes, alphas: bytes, channels: int) -> Pixels:
    """Look up colours. A number beyond the palette is black, and one beyond `alphas` opaque.

    Args:
        numbers: Numbers of colours, uint8 `(height, width)`.
        palette: Red, green and blue of each colour.
        alphas: Alpha of each colour.
        channels: 3 for RGB, 4 for RGBA.

    Returns:
        uint8 array `(height, width, channels)`.
    """
    colours = np.zeros((256, 4), np.uint8)
    given = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    colours[: len(given), :3] = given
    colours[:, 3] = np.frombuffer(alphas.ljust(256, b"\xff"), np.uint8)
    return by_rows(lambda block: colours[:, :channels].take(block, axis=0), numbers, channels)
