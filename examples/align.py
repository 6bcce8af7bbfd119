"""Straighten drawings before a network sees them: `python examples/align.py`.

A detector of faces or of parts is used in the same way: a function from RGB pixels to RGB pixels.
"""

import keras
import numpy as np

import siamese_verify as sv


@keras.saving.register_keras_serializable("examples")
def straighten(image: np.ndarray) -> np.ndarray:
    """Turn dark ink until its main axis is level, and crop the image to the ink."""
    ink = 255 - image.mean(axis=2)
    rows, columns = np.nonzero(ink > 64)
    if len(rows) < 2:
        return image
    points, weights = np.stack([columns, rows]), ink[rows, columns]
    centre = np.average(points, axis=1, weights=weights)
    # The main axis is the direction in which the ink is spread most.
    _, directions = np.linalg.eigh(np.cov(points, aweights=weights))
    along = directions[:, -1] * (1 if directions[0, -1] >= 0 else -1)
    axes = np.array([along, [-along[1], along[0]]])
    placed = axes @ (points - centre[:, None])
    (left, top), (right, bottom) = placed.min(axis=1), placed.max(axis=1)
    x, y = np.meshgrid(np.arange(left, right + 1), np.arange(top, bottom + 1))
    # Each pixel of the result is the nearest pixel of the image.
    x, y = np.rint(np.tensordot(axes.T, [x, y], 1) + centre[:, None, None]).astype(int)
    inside = (x >= 0) & (x < image.shape[1]) & (y >= 0) & (y < image.shape[0])
    result = np.full((*x.shape, 3), 255, np.uint8)
    result[inside] = image[y[inside], x[inside]]
    return result


def draw(degrees: float) -> np.ndarray:
    """Draw a curve that is turned by an angle, black on white."""
    t = np.linspace(-45, 45, 2000)
    curve = t + 1j * (10 * np.sin(t / 9) + t**2 / 150)
    curve = curve * np.exp(1j * np.radians(degrees)) + 64 + 64j
    image = np.full((128, 128, 3), 255, np.uint8)
    for dx, dy in np.ndindex(3, 3):
        image[(curve.imag + dy).astype(int), (curve.real + dx).astype(int)] = 0
    return image


def main() -> None:
    plain = sv.Preprocessing((48, 96), resize="letterbox")
    aligned = sv.Preprocessing((48, 96), resize="letterbox", align=straighten)
    for degrees in (5, 15, 30, -30):
        both = [
            np.corrcoef([p.prepare(draw(angle)).ravel() for angle in (0, degrees)])[0, 1]
            for p in (plain, aligned)
        ]
        print(f"{degrees:4} degrees: correlation {both[0]:.2f} without, {both[1]:.2f} aligned")


if __name__ == "__main__":
    main()
