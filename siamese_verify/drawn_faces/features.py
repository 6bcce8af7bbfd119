"""Features of a drawn face: what an identity keeps, and what each image of it adds.

An identity is a set of proportions, tones and a hair style. Each image adds what a camera adds:
pose, expression, light, noise and things in front of the face. A verifier has to recognise the
first and ignore the second, for identities that it has never seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Colour = npt.NDArray[np.floating[Any]]  # Red, green and blue, each from 0 to 1.

SKIN_LIGHT, SKIN_DARK = (0.97, 0.82, 0.72), (0.36, 0.23, 0.16)
HAIR_COLOURS = (
    (0.07, 0.06, 0.06),  # black
    (0.28, 0.17, 0.10),  # brown
    (0.50, 0.33, 0.18),  # light brown
    (0.62, 0.27, 0.12),  # red
    (0.86, 0.71, 0.42),  # blond
    (0.75, 0.75, 0.76),  # grey
)
EYE_COLOURS = ((0.20, 0.12, 0.08), (0.25, 0.42, 0.60), (0.30, 0.42, 0.25))


def rgb(value: tuple[float, float, float]) -> Colour:
    """Make a colour of red, green and blue."""
    return np.asarray(value, np.float32)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Mix two colours."""
    return first + share * (second - first)


class Identity:
    """Features that all images of one identity share. Lengths are in face units."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw an identity.

        Args:
            rng: Source of the identity's features.
        """
        self.bald, bearded, curly = (rng.random(3) < (0.08, 0.2, 0.3)).tolist()
        hair = rgb(HAIR_COLOURS[rng.integers(len(HAIR_COLOURS))])
        self.skin = mix(rgb(SKIN_LIGHT), rgb(SKIN_DARK), rng.uniform(0, 1))
        self.hair = hair * rng.uniform(0.85, 1.15)
        self.iris = rgb(EYE_COLOURS[rng.integers(len(EYE_COLOURS))])
        self.head_width = rng.uniform(0.62, 0.92)
        self.jaw_taper = rng.uniform(0.05, 0.45)
        self.hair_volume = rng.uniform(0.03, 0.32)
        self.hair_length = float(rng.choice((-0.1, 0.3, 0.8, 1.3))) + rng.uniform(-0.15, 0.15)
        self.hairline = rng.uniform(-0.88, -0.48)
        self.hairline_tilt = rng.uniform(-0.6, 0.6)
        self.hairline_curve = rng.uniform(-0.4, 1.0)
        self.curl = rng.uniform(0.03, 0.07) if curly else 0.0
        self.beard = rng.uniform(0.3, 0.9) if bearded else 0.0
        self.brow_height = rng.uniform(0.17, 0.28)
        self.brow_thickness = rng.uniform(0.02, 0.08)
        self.brow_angle = rng.uniform(-0.4, 0.4)
        self.eye_spacing = rng.uniform(0.26, 0.42)
        self.eye_height = rng.uniform(-0.2, 0.04)
        self.eye_width = rng.uniform(0.12, 0.22)
        self.eye_roundness = rng.uniform(0.45, 0.8)
        self.nose_length = rng.uniform(0.25, 0.48)
        self.nose_width = rng.uniform(0.07, 0.22)
        self.mouth_height = rng.uniform(0.5, 0.68)
        self.mouth_width = rng.uniform(0.15, 0.38)
        self.lip_thickness = rng.uniform(0.025, 0.08)


class Shot:
    """Circumstances of one image. Angles are in radians."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw the circumstances of one image.

        Args:
            rng: Source of the circumstances.
        """
        self.yaw = rng.uniform(-0.2, 0.2)
        self.roll = rng.normal(0, 0.03)
        self.zoom = rng.uniform(0.96, 1.04)
        self.shift = (rng.normal(0, 0.02), rng.normal(0, 0.02))
        self.smile = rng.uniform(-0.4, 1.1)
        self.mouth_open = max(0.0, rng.uniform(-0.12, 0.12))
        self.brow_raise = rng.uniform(-0.03, 0.06)
        self.eye_open = rng.uniform(0.6, 1.1)
        self.gaze = rng.uniform(-0.4, 0.4)
        self.brightness = rng.uniform(0.9, 1.08)
        self.contrast = rng.uniform(0.88, 1.1)
        self.light = (rng.uniform(-0.13, 0.13), rng.uniform(-0.08, 0.08))
        self.noise = rng.uniform(0.01, 0.03)
        self.cover = rng.choice(("none", "glasses", "hat", "patch"), p=(0.8, 0.1, 0.05, 0.05))
        self.cover_at = (rng.uniform(-0.8, 0.8), rng.uniform(0.2, 1.0))
        self.cover_colour = rng.uniform(0.05, 0.8, 3).astype(np.float32)
        self.shirt = rng.uniform(0.1, 0.9, 3).astype(np.float32)
        self.wall = rng.uniform(0.6, 0.95, 3).astype(np.float32)
