"""Drawn signatures of writers, with skilled forgeries, named as in the CEDAR data set.

A writer has a line of control points, a slant and a pen. Each genuine signature moves the points a
little. A skilled forger copies the points from sight: they move more, and the hand trembles.

Reference: Kalera, Srihari, Xu, "Offline signature verification and identification using distance
statistics", 2004 (CEDAR: `full_org/original_W_N.png`, `full_forg/forgeries_W_N.png`).
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

HEIGHT, WIDTH, POINTS, STEPS = 64, 128, 14, 1_500
Floats = npt.NDArray[np.floating]


def draw_signatures(folder: Path, writers: int = 80, each: int = 8, seed: int = 0) -> Path:
    """Draw signatures, and write a table of them: path, writer and kind of each."""
    rows = []
    for writer in range(1, writers + 1):
        rng = np.random.default_rng((seed, writer))
        style = _style(rng)
        for place, name, kind, moved, tremble in (
            ("full_org", "original", "genuine", 0.035, 0.002),
            ("full_forg", "forgeries", "skilled", 0.08, 0.006),
        ):
            for number in range(1, each + 1):
                path = f"{place}/{name}_{writer}_{number}.png"
                pixels = _signature(style, moved, tremble, rng)
                (folder / place).mkdir(parents=True, exist_ok=True)
                tf.io.write_file(str(folder / path), tf.io.encode_png(pixels[..., None]))
                rows.append((path, writer, kind))
    with (folder / "signatures.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "writer", "kind"), *rows])
    return folder / "signatures.csv"


def _style(rng: np.random.Generator) -> dict[str, Floats]:
    """Draw what all signatures of a writer share."""
    across = np.linspace(0.08, 0.92, POINTS) + rng.normal(0, 0.045, POINTS)  # Some lines loop.
    height = np.where(np.arange(POINTS) % 2, 1, -1) * rng.gamma(2.0, 0.09, POINTS)
    slant, pen = np.asarray(rng.normal(0, 0.25)), np.asarray(rng.uniform(0.9, 1.9))
    return {"points": np.stack([across, height]), "slant": slant, "pen": pen}


def _signature(
    style: dict[str, Floats], moved: float, tremble: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Draw one signature: uint8 `(64, 128)`, dark on white."""
    points = style["points"] + rng.normal(0, moved, (2, POINTS)) * [[0.5], [1.0]]
    x, y = (_smooth(line) for line in points)
    x, y = (line + _smooth(rng.normal(0, tremble, 90)) for line in (x, y))
    angle, scale = rng.normal(0, 0.04), rng.normal(1, 0.05)
    x = 0.5 + scale * (x - 0.5 - (style["slant"] + angle) * y)
    y = 0.5 + scale * (y + angle * (x - 0.5))
    canvas = np.zeros((2 * HEIGHT, 2 * WIDTH), np.float32)  # Twice as fine, for smooth edges.
    radius = style["pen"] * rng.normal(1, 0.08)
    for dy, dx in np.argwhere(np.ones((7, 7))) - 3:
        if dy**2 + dx**2 <= (1.4 * radius) ** 2:
            rows = np.clip(np.rint(y * 2 * HEIGHT + dy), 0, 2 * HEIGHT - 1).astype(int)
            columns = np.clip(np.rint(x * 2 * WIDTH + dx), 0, 2 * WIDTH - 1).astype(int)
            canvas[rows, columns] = 1
    ink = canvas.reshape(HEIGHT, 2, WIDTH, 2).mean(axis=(1, 3))
    paper = rng.normal(0.96, 0.015, ink.shape) - rng.uniform(0.7, 0.9) * ink
    return np.rint(255 * paper.clip(0, 1)).astype(np.uint8)


def _smooth(line: Floats) -> Floats:
    """Interpolate a line through its points without corners."""
    every = np.interp(np.linspace(0, len(line) - 1, STEPS), np.arange(len(line)), line)
    window = np.hanning(STEPS // len(line))
    padded = np.pad(every, len(window) // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), "same")[len(window) // 2 :][:STEPS]
