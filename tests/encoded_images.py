"""Small images, encoded in every format."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from siamese_verify.data.preprocessing import Preprocessing

HEIGHT, WIDTH = 40, 60


Y, X = np.mgrid[:HEIGHT, :WIDTH]


# Smooth, so that JPEG keeps it. Each channel and direction differs.
SMOOTH = np.stack([X * 4, Y * 6, (X + Y) * 2.5], axis=-1).astype(np.uint8)


NOISE = np.random.default_rng(0).integers(0, 256, (24, 20, 3)).astype(np.uint8)


def encode(image: np.ndarray | Image.Image, file_format: str, mode: str = "", **how: Any) -> bytes:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    stream = io.BytesIO()
    (image.convert(mode) if mode else image).save(stream, file_format, **how)
    return stream.getvalue()


def by_pillow(contents: bytes, channels: int) -> np.ndarray:
    rgb = Image.open(io.BytesIO(contents)).convert("RGB")
    return np.asarray(rgb.convert("L"))[..., None] if channels == 1 else np.asarray(rgb)


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape
    return np.abs(one.astype(float) - other.astype(float)).max()


def unsized(channels: int, shape: tuple[int, ...] = (HEIGHT, WIDTH)) -> Preprocessing:
    """Keeps the size, so that nothing is resized."""
    return Preprocessing(shape[:2], channels)


def write_greys(folder: Path, count: int, size: tuple[int, int] = (6, 4)) -> list[Path]:
    """Small PNGs, each of one grey: 1, 2, 3, ..."""
    paths = [folder / f"{i}.png" for i in range(1, count + 1)]
    for i, path in enumerate(paths, start=1):
        path.write_bytes(encode(np.full(size, i, np.uint8), "PNG"))
    return paths


SMALL = Preprocessing((6, 4))


# JPEG decoders may differ in their inverse cosine transform and in their enlargement of colour. A
# tolerance of 4 of 255 covers both. Any mix-up of channels, ranges or colour spaces is far larger.
JPEG_TOLERANCE = 4


ENCODED = {
    "JPEG, grey": encode(SMOOTH, "JPEG", "L", quality=95),
    "JPEG, colour": encode(SMOOTH, "JPEG", quality=95),
    "JPEG, progressive": encode(SMOOTH, "JPEG", quality=95, progressive=True),
    "JPEG, full colour resolution": encode(SMOOTH, "JPEG", quality=95, subsampling=0),
    "JPEG, CMYK": encode(SMOOTH, "JPEG", "CMYK", quality=95),
    "PNG, grey": encode(SMOOTH, "PNG", "L"),
    "PNG, colour": encode(SMOOTH, "PNG"),
    "PNG, palette": encode(SMOOTH, "PNG", "P"),
    "PNG, black and white": encode(SMOOTH, "PNG", "1"),
    "BMP, grey": encode(SMOOTH, "BMP", "L"),
    "BMP, colour": encode(SMOOTH, "BMP"),
    "BMP, alpha": encode(SMOOTH, "BMP", "RGBA"),
    "GIF, grey": encode(SMOOTH, "GIF", "L"),
    "GIF, palette": encode(SMOOTH, "GIF", "P"),
    "GIF, interlaced": encode(SMOOTH, "GIF", "P", interlace=1),
    "GIF, black and white": encode(SMOOTH, "GIF", "1"),
}


def with_bytes(contents: bytes, start: int, new: bytes) -> bytes:
    return contents[:start] + new + contents[start + len(new) :]


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )
