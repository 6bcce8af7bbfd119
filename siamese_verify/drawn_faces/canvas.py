"""Canvas of a drawn face, in coordinates of the head.

Shapes are approximate signed distances (negative inside) on a grid of face coordinates. The head
is centred on the origin and two units high, `u` runs to the right and `v` downwards.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.drawn_faces.features import Colour, Shot

Plane = npt.NDArray[np.floating[Any]]  # One value per pixel.

FIELD_OF_VIEW = 2.8  # Image width in face units: the head fills about 70% of the height.


class Canvas:
    """Colour planes with face coordinates, for painting shapes from back to front."""

    def __init__(self, size: int, shot: Shot) -> None:
        axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
        self._pixel = FIELD_OF_VIEW / size / shot.zoom
        x = axis[None, :] * FIELD_OF_VIEW - shot.shift[0]
        y = axis[:, None] * FIELD_OF_VIEW - shot.shift[1]
        cosine, sine = math.cos(shot.roll) / shot.zoom, math.sin(shot.roll) / shot.zoom
        self.u: Plane = cosine * x + sine * y
        self.v: Plane = cosine * y - sine * x
        self._sine, self._cosine = math.sin(shot.yaw), math.cos(shot.yaw)
        self.planes: Plane = np.ones((3, size, size), np.float32) * shot.wall[:, None, None]

    def turned(self, depth: float) -> Plane:
        """Return `u` as seen by a feature `depth` in front of the axis of the head."""
        return (self.u - depth * self._sine) / self._cosine

    def paint(self, distance: Plane, colour: Colour, opacity: float = 1.0) -> None:
        """Paint where `distance` is negative, with an edge one pixel wide."""
        cover = np.clip(0.5 - distance / self._pixel, 0, 1) * opacity
        self.planes += cover * (colour[:, None, None] - self.planes)


def ellipse(u: Plane, v: Plane, width: float, height: float) -> Plane:
    """Compute the distance to an ellipse."""
    distance: Plane = (np.hypot(u / width, v / height) - 1) * min(width, height)
    return distance


def bar(u: Plane, v: Plane, half_length: float, half_width: float) -> Plane:
    """Compute the distance to a stroke with round ends. A bent `v` bends the stroke."""
    return np.hypot(np.maximum(np.abs(u) - half_length, 0), v) - half_width
