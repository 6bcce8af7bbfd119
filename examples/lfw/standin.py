"""Drawn faces in the layout of LFW, for running the example without LFW.

An identity is a set of proportions, tones and a hair style (``Identity``). Each image adds what a
camera adds: pose, expression, light, noise and things in front of the face (``Shot``). A verifier
has to recognise the first and ignore the second, for identities it has never seen, as on LFW.

Shapes are approximate signed distances (negative inside) on a grid of face coordinates. The head
is centred on the origin and two units high, ``u`` runs to the right and ``v`` downwards.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from siamese_verify import PairList
from siamese_verify.messages import shown

Plane = npt.NDArray[np.floating[Any]]  # One value per pixel.
Colour = npt.NDArray[np.floating[Any]]  # Red, green and blue, each from 0 to 1.

IMAGE_SIZE = 112
FIELD_OF_VIEW = 2.8  # Image width in face units: the head fills about 70% of the height.
FACE_DEPTH, NOSE_DEPTH = 0.5, 0.75  # In front of the axis on which the head turns.
JPEG_QUALITY = 90
IMAGES = 3, 6  # The fewest and the most images of an identity.
PAIRS_PER_IDENTITY = 3  # Three images allow three genuine pairs.

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
WHITE, BLACK = (0.96, 0.96, 0.94), (0.06, 0.05, 0.06)
LIPS, TONGUE = (0.70, 0.22, 0.24), (0.35, 0.08, 0.09)


def _colour(value: tuple[float, float, float]) -> Colour:
    return np.asarray(value, np.float32)


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    return first + share * (second - first)


class Identity:
    """Features that all images of one identity share. Lengths are in face units."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw an identity.

        Args:
            rng: Source of the identity's features.
        """
        self.bald, bearded, curly = (rng.random(3) < (0.08, 0.2, 0.3)).tolist()
        hair = _colour(HAIR_COLOURS[rng.integers(len(HAIR_COLOURS))])
        self.skin = _mix(_colour(SKIN_LIGHT), _colour(SKIN_DARK), rng.uniform(0, 1))
        self.hair = hair * rng.uniform(0.85, 1.15)
        self.iris = _colour(EYE_COLOURS[rng.integers(len(EYE_COLOURS))])
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


class _Canvas:
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
        """Return ``u`` as seen by a feature ``depth`` in front of the axis of the head."""
        return (self.u - depth * self._sine) / self._cosine

    def paint(self, distance: Plane, colour: Colour, opacity: float = 1.0) -> None:
        """Paint where ``distance`` is negative, with an edge one pixel wide."""
        cover = np.clip(0.5 - distance / self._pixel, 0, 1) * opacity
        self.planes += cover * (colour[:, None, None] - self.planes)


def _ellipse(u: Plane, v: Plane, width: float, height: float) -> Plane:
    distance: Plane = (np.hypot(u / width, v / height) - 1) * min(width, height)
    return distance


def _bar(u: Plane, v: Plane, half_length: float, half_width: float) -> Plane:
    """Compute the distance to a stroke with round ends. A bent ``v`` bends the stroke."""
    return np.hypot(np.maximum(np.abs(u) - half_length, 0), v) - half_width


def _head(canvas: _Canvas, who: Identity) -> Plane:
    """Compute the distance to the head, an ellipse that narrows towards the chin."""
    narrowing = 1 - who.jaw_taper * np.clip(canvas.v, 0, 1.2) ** 2
    return _ellipse(canvas.u / narrowing, canvas.v, who.head_width, 1.0)


def _scalp(canvas: _Canvas, who: Identity) -> Plane:
    """Compute the distance to the hair, which hangs straight down from the temples."""
    u, v = canvas.u, canvas.v
    curls = who.curl * np.sin(14 * np.arctan2(v, u)) if who.curl else 0.0
    width, height = who.head_width + who.hair_volume, 1 + who.hair_volume
    return _ellipse(u, np.minimum(v, 0), width, height) + curls


def _paint_behind(canvas: _Canvas, who: Identity, shot: Shot) -> None:
    shoulders = _ellipse(canvas.u, canvas.v - 1.75, 1.15, 0.6)
    canvas.paint(shoulders, shot.shirt)
    if not who.bald:
        hanging = np.maximum(_scalp(canvas, who), canvas.v - who.hair_length)
        canvas.paint(hanging, who.hair * 0.8)
    neck = _bar(canvas.v - 1.0, canvas.u, 0.25, 0.32)
    canvas.paint(neck, who.skin * 0.8)


def _paint_head(canvas: _Canvas, who: Identity) -> None:
    ears = _ellipse(np.abs(canvas.u) - who.head_width, canvas.v, 0.1, 0.2)
    canvas.paint(ears, who.skin * 0.9)
    head = _head(canvas, who)
    canvas.paint(head, who.skin)
    rim = np.maximum(head, -head - 0.05)
    canvas.paint(rim, who.skin * 0.7, 0.5)
    turned = canvas.turned(FACE_DEPTH)
    if who.beard:
        chin = np.maximum(head, 0.38 + 0.15 * np.cos(2.5 * turned) - canvas.v)
        canvas.paint(chin, who.hair, who.beard)
    if not who.bald:
        line = who.hairline + who.hairline_tilt * turned + who.hairline_curve * turned**2
        canvas.paint(np.maximum(_scalp(canvas, who), canvas.v - line), who.hair)


def _paint_eyes(canvas: _Canvas, who: Identity, shot: Shot) -> None:
    turned = canvas.turned(FACE_DEPTH)
    for side in (-1, 1):
        u = (turned - side * who.eye_spacing) * side  # From the eye's centre, outwards.
        v = canvas.v - who.eye_height
        height = who.eye_width * who.eye_roundness * shot.eye_open
        eye = _ellipse(u, v, who.eye_width, height)
        canvas.paint(eye - 0.02, who.skin * 0.45)  # Lids: a dark line around the eye.
        canvas.paint(eye, _colour(WHITE))
        gazing = u - side * shot.gaze * who.eye_width
        radius = 0.55 * who.eye_width
        for disc, colour in ((radius, who.iris), (radius / 2, _colour(BLACK))):
            canvas.paint(np.maximum(eye, _ellipse(gazing, v, disc, disc)), colour)
        arch = v + who.brow_height + shot.brow_raise - who.brow_angle * u + 1.5 * u**2
        canvas.paint(_bar(u, arch, 0.9 * who.eye_width, who.brow_thickness), who.hair * 0.75)


def _paint_nose(canvas: _Canvas, who: Identity, shot: Shot) -> None:
    turned = canvas.turned(NOSE_DEPTH)
    tip = canvas.v - who.eye_height - who.nose_length
    away = math.copysign(1.0, shot.yaw)  # The far side of the ridge is in shade.
    ridge = turned - away * who.nose_width * (0.5 + 0.5 * np.clip(tip / who.nose_length, -1, 0))
    bridge = _bar(tip + 0.55 * who.nose_length, ridge, 0.4 * who.nose_length, 0.02)
    canvas.paint(bridge, who.skin * 0.6, 0.6)
    nostrils = _bar(turned, tip + 2 * turned**2, who.nose_width, 0.03)
    canvas.paint(nostrils, who.skin * 0.55, 0.8)


def _paint_mouth(canvas: _Canvas, who: Identity, shot: Shot) -> None:
    u = canvas.turned(FACE_DEPTH)
    v = canvas.v - who.mouth_height + shot.smile * u**2
    lips = _bar(u, v, who.mouth_width - who.lip_thickness, who.lip_thickness + shot.mouth_open / 2)
    canvas.paint(lips, _mix(who.skin, _colour(LIPS), 0.6))
    gap = _ellipse(u, v, 0.85 * who.mouth_width, 0.012 + shot.mouth_open / 2)
    canvas.paint(gap, _colour(TONGUE))


def _paint_cover(canvas: _Canvas, who: Identity, shot: Shot) -> None:
    if shot.cover == "glasses":
        u, v = canvas.turned(FACE_DEPTH), canvas.v - who.eye_height
        lens = _ellipse(np.abs(u) - who.eye_spacing, v, 0.24, 0.2)
        bridge = _bar(u, v, 0.1, 0.02)
        canvas.paint(np.minimum(np.abs(lens) - 0.025, bridge), shot.cover_colour * 0.5)
    elif shot.cover == "hat":
        crown = np.maximum(_ellipse(canvas.u, canvas.v + 0.6, 1.0, 0.75), canvas.v + 0.65)
        brim = _bar(canvas.u, canvas.v + 0.62, 1.1, 0.07)
        canvas.paint(np.minimum(crown, brim), shot.cover_colour)
    elif shot.cover == "patch":
        u, v = canvas.u - shot.cover_at[0], canvas.v - shot.cover_at[1]
        canvas.paint(np.maximum(np.abs(u) - 0.28, np.abs(v) - 0.28), shot.cover_colour)


def _expose(canvas: _Canvas, shot: Shot, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    light = shot.brightness + shot.light[0] * canvas.u + shot.light[1] * canvas.v
    image = 0.5 + shot.contrast * (canvas.planes * light - 0.5)
    image += shot.noise * rng.standard_normal(image.shape, np.float32)
    pixels: npt.NDArray[np.uint8] = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return pixels.transpose(1, 2, 0)


def draw_face(
    identity: int, sample: int, *, seed: int = 0, size: int = IMAGE_SIZE
) -> npt.NDArray[np.uint8]:
    """Draw one image of one identity. The same numbers draw the same image.

    Args:
        identity: Number of the identity, from 1.
        sample: Number of the image of that identity, from 1 as in LFW.
        seed: Seed of the population that the identities come from.
        size: Width and height in pixels.

    Returns:
        The image, RGB, of shape ``(size, size, 3)``.

    Raises:
        ValueError: If ``sample`` is less than 1.
    """
    if sample < 1:
        raise ValueError(f"Images are numbered from 1. Received: sample={sample}")
    # Each image has a seed of its own, so that it does not depend on other images.
    who = Identity(np.random.default_rng((seed, identity, 0)))
    rng = np.random.default_rng((seed, identity, sample))
    shot = Shot(rng)
    canvas = _Canvas(size, shot)
    _paint_behind(canvas, who, shot)
    _paint_head(canvas, who)
    _paint_eyes(canvas, who, shot)
    _paint_nose(canvas, who, shot)
    _paint_mouth(canvas, who, shot)
    _paint_cover(canvas, who, shot)
    return _expose(canvas, shot, rng)


def _write_side(folder: Path, list_name: str, identities: range, seed: int) -> None:
    """Write the images and the pair list of the training or of the test identities."""
    names = []
    for identity in identities:
        names.append(f"Drawn_Person_{identity:04d}")
        of_identity = folder / "lfw2" / names[-1]
        of_identity.mkdir(parents=True)
        n_samples = np.random.default_rng((seed, identity)).integers(*IMAGES, endpoint=True)
        for sample in range(1, n_samples + 1):
            jpeg = tf.io.encode_jpeg(draw_face(identity, sample, seed=seed), quality=JPEG_QUALITY)
            (of_identity / f"{names[-1]}_{sample:04d}.jpg").write_bytes(jpeg.numpy())
    size = 2 * PAIRS_PER_IDENTITY * len(names)
    PairList.sample(folder / "lfw2", size, identities=names, seed=seed).to_lfw(folder / list_name)


def write_standin(
    folder: Path, *, seed: int = 0, train_identities: int = 560, test_identities: int = 120
) -> Path:
    """Write drawn images and pair lists in the layout of LFW, once.

    The files are ``lfw2/NAME/NAME_0001.jpg``, ``pairsDevTrain.txt`` and ``pairsDevTest.txt``. They
    appear in ``folder`` together, when all are written. A folder that already holds them is not
    changed, whatever its seed and size. Use another folder for another choice.

    Args:
        folder: Folder to write. The folders above it are made as needed.
        seed: Seed of the identities, their images and the pairs.
        train_identities: Number of identities in the training pairs, at least 2.
        test_identities: Number of other identities in the test pairs, at least 2.

    Returns:
        ``folder``.

    Raises:
        ValueError: If either number of identities is less than 2.
        FileExistsError: If ``folder`` exists and holds something else.
    """
    if min(train_identities, test_identities) < 2:
        raise ValueError(
            "Impostor pairs need at least 2 identities for training and 2 for the test. Received: "
            f"train_identities={train_identities}, test_identities={test_identities}"
        )
    if (folder / "pairsDevTest.txt").exists():
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(
            f"{shown(folder)} is not empty and does not hold drawn faces. "
            "Remove it or choose another."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Renaming is atomic within a file system, which a sibling folder is on.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        partial = Path(scratch) / folder.name
        train = range(1, train_identities + 1)
        test = range(train.stop, train.stop + test_identities)
        _write_side(partial, "pairsDevTrain.txt", train, seed)
        _write_side(partial, "pairsDevTest.txt", test, seed)
        partial.rename(folder)
    return folder
