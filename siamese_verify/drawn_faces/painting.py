"""Painting of a face, from back to front."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from siamese_verify.drawn_faces.canvas import Canvas, Plane, bar, ellipse
from siamese_verify.drawn_faces.features import Identity, Shot, mix, rgb

IMAGE_SIZE = 112
FACE_DEPTH, NOSE_DEPTH = 0.5, 0.75  # In front of the axis on which the head turns.

WHITE, BLACK = (0.96, 0.96, 0.94), (0.06, 0.05, 0.06)
LIPS, TONGUE = (0.70, 0.22, 0.24), (0.35, 0.08, 0.09)


def _head(canvas: Canvas, who: Identity) -> Plane:
    """Compute the distance to the head, an ellipse that narrows towards the chin."""
    narrowing = 1 - who.jaw_taper * np.clip(canvas.v, 0, 1.2) ** 2
    return ellipse(canvas.u / narrowing, canvas.v, who.head_width, 1.0)


def _scalp(canvas: Canvas, who: Identity) -> Plane:
    """Compute the distance to the hair, which hangs straight down from the temples."""
    u, v = canvas.u, canvas.v
    curls = who.curl * np.sin(14 * np.arctan2(v, u)) if who.curl else 0.0
    width, height = who.head_width + who.hair_volume, 1 + who.hair_volume
    return ellipse(u, np.minimum(v, 0), width, height) + curls


def _paint_behind(canvas: Canvas, who: Identity, shot: Shot) -> None:
    shoulders = ellipse(canvas.u, canvas.v - 1.75, 1.15, 0.6)
    canvas.paint(shoulders, shot.shirt)
    if not who.bald:
        hanging = np.maximum(_scalp(canvas, who), canvas.v - who.hair_length)
        canvas.paint(hanging, who.hair * 0.8)
    neck = bar(canvas.v - 1.0, canvas.u, 0.25, 0.32)
    canvas.paint(neck, who.skin * 0.8)


def _paint_head(canvas: Canvas, who: Identity) -> None:
    ears = ellipse(np.abs(canvas.u) - who.head_width, canvas.v, 0.1, 0.2)
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


def _paint_eyes(canvas: Canvas, who: Identity, shot: Shot) -> None:
    turned = canvas.turned(FACE_DEPTH)
    for side in (-1, 1):
        u = (turned - side * who.eye_spacing) * side  # From the eye's centre, outwards.
        v = canvas.v - who.eye_height
        height = who.eye_width * who.eye_roundness * shot.eye_open
        eye = ellipse(u, v, who.eye_width, height)
        canvas.paint(eye - 0.02, who.skin * 0.45)  # Lids: a dark line around the eye.
        canvas.paint(eye, rgb(WHITE))
        gazing = u - side * shot.gaze * who.eye_width
        radius = 0.55 * who.eye_width
        for disc, colour in ((radius, who.iris), (radius / 2, rgb(BLACK))):
            canvas.paint(np.maximum(eye, ellipse(gazing, v, disc, disc)), colour)
        arch = v + who.brow_height + shot.brow_raise - who.brow_angle * u + 1.5 * u**2
        canvas.paint(bar(u, arch, 0.9 * who.eye_width, who.brow_thickness), who.hair * 0.75)


def _paint_nose(canvas: Canvas, who: Identity, shot: Shot) -> None:
    turned = canvas.turned(NOSE_DEPTH)
    tip = canvas.v - who.eye_height - who.nose_length
    away = math.copysign(1.0, shot.yaw)  # The far side of the ridge is in shade.
    ridge = turned - away * who.nose_width * (0.5 + 0.5 * np.clip(tip / who.nose_length, -1, 0))
    bridge = bar(tip + 0.55 * who.nose_length, ridge, 0.4 * who.nose_length, 0.02)
    canvas.paint(bridge, who.skin * 0.6, 0.6)
    nostrils = bar(turned, tip + 2 * turned**2, who.nose_width, 0.03)
    canvas.paint(nostrils, who.skin * 0.55, 0.8)


def _paint_mouth(canvas: Canvas, who: Identity, shot: Shot) -> None:
    u = canvas.turned(FACE_DEPTH)
    v = canvas.v - who.mouth_height + shot.smile * u**2
    lips = bar(u, v, who.mouth_width - who.lip_thickness, who.lip_thickness + shot.mouth_open / 2)
    canvas.paint(lips, mix(who.skin, rgb(LIPS), 0.6))
    gap = ellipse(u, v, 0.85 * who.mouth_width, 0.012 + shot.mouth_open / 2)
    canvas.paint(gap, rgb(TONGUE))


def _paint_cover(canvas: Canvas, who: Identity, shot: Shot) -> None:
    if shot.cover == "glasses":
        u, v = canvas.turned(FACE_DEPTH), canvas.v - who.eye_height
        lens = ellipse(np.abs(u) - who.eye_spacing, v, 0.24, 0.2)
        bridge = bar(u, v, 0.1, 0.02)
        canvas.paint(np.minimum(np.abs(lens) - 0.025, bridge), shot.cover_colour * 0.5)
    elif shot.cover == "hat":
        crown = np.maximum(ellipse(canvas.u, canvas.v + 0.6, 1.0, 0.75), canvas.v + 0.65)
        brim = bar(canvas.u, canvas.v + 0.62, 1.1, 0.07)
        canvas.paint(np.minimum(crown, brim), shot.cover_colour)
    elif shot.cover == "patch":
        u, v = canvas.u - shot.cover_at[0], canvas.v - shot.cover_at[1]
        canvas.paint(np.maximum(np.abs(u) - 0.28, np.abs(v) - 0.28), shot.cover_colour)


def _expose(canvas: Canvas, shot: Shot, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
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
        The image, RGB, of shape `(size, size, 3)`.

    Raises:
        ValueError: If `sample` is less than 1.
    """
    if sample < 1:
        raise ValueError(f"Images are numbered from 1. Received: sample={sample}")
    # Each image has a seed of its own, so that it does not depend on other images.
    who = Identity(np.random.default_rng((seed, identity, 0)))
    rng = np.random.default_rng((seed, identity, sample))
    shot = Shot(rng)
    canvas = Canvas(size, shot)
    _paint_behind(canvas, who, shot)
    _paint_head(canvas, who)
    _paint_eyes(canvas, who, shot)
    _paint_nose(canvas, who, shot)
    _paint_mouth(canvas, who, shot)
    _paint_cover(canvas, who, shot)
    return _expose(canvas, shot, rng)
