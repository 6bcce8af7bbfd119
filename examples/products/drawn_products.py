"""Drawn parts: images of products, in PNG and WebP, of which some files are broken.

A product has an outline, colours and holes. Each image turns and lights it differently.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

SIZE = 80
Floats = npt.NDArray[np.floating]


def draw_products(
    folder: Path, products: int = 80, each: int = 6, seed: int = 0
) -> tuple[list[str], list[str]]:
    """Draw images of products, and return the columns `image_path` and `sku`."""
    paths, skus = [], []
    folder.mkdir(parents=True, exist_ok=True)
    for product in range(products):
        rng = np.random.default_rng((seed, product))
        part = _part(rng)
        for number in range(each):
            ending = ("png", "webp")[(product + number) % 2]
            contents = _encoded(_image(part, rng), ending)
            if rng.random() < 0.02:  # An upload that was cut off.
                contents = contents[: len(contents) // 3]
            path = f"{product:03d}-{number}.{ending}"
            (folder / path).write_bytes(contents)
            paths.append(path)
            skus.append(f"SKU-{product:04d}")
    return paths, skus


def _part(rng: np.random.Generator) -> dict[str, Floats]:
    """Draw what all images of a product share."""
    waves = rng.normal(0, [0.12, 0.1, 0.07, 0.05], (2, 4))
    holes = np.column_stack([rng.uniform(-0.4, 0.4, (3, 2)), rng.uniform(0.05, 0.16, 3)])
    return {"waves": waves, "holes": holes, "colours": rng.uniform(0.15, 0.95, (2, 3))}


def _image(part: dict[str, Floats], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw one image: uint8 `(80, 80, 3)`."""
    v, u = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    u, v = u - rng.normal(0, 0.06), v - rng.normal(0, 0.06)
    turn, scale = rng.normal(0, 0.35), rng.normal(1.0, 0.08)
    u, v = np.cos(turn) * u - np.sin(turn) * v, np.sin(turn) * u + np.cos(turn) * v
    u, v = u / scale, v / scale
    angle, waves = np.arctan2(v, u), part["waves"]
    orders = np.arange(2, 6)
    outline = 0.62 + sum(
        waves[0, i] * np.cos(n * angle) + waves[1, i] * np.sin(n * angle)
        for i, n in enumerate(orders)
    )
    inside = 1 / (1 + np.exp(40 * (np.hypot(u, v) - outline)))
    pattern = (np.sin(9 * u * waves[0, 0] * 8 + 6 * v) > 0)[..., None]
    colour = np.where(pattern, part["colours"][0], part["colours"][1])
    for x, y, radius in part["holes"]:
        inside = inside / (1 + np.exp(60 * (radius - np.hypot(u - x, v - y))))
    light = rng.normal(1, 0.12) + 0.25 * np.clip(u * np.cos(turn) - v, -1, 1)
    table = rng.uniform(0.6, 0.95)
    image = inside[..., None] * colour * light[..., None] + (1 - inside[..., None]) * table
    image += rng.normal(0, 0.02, image.shape)
    return np.rint(255 * image.clip(0, 1)).astype(np.uint8)


def _encoded(pixels: npt.NDArray[np.uint8], ending: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, ending)
    return file.getvalue()
