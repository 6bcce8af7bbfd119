"""Small images, encoded in every format."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

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


def by_pillow(contents: bytes, preprocessing: Preprocessing) -> np.ndarray:
    """The pixels of a file by Pillow alone, from decoding to resizing."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(contents))).convert("RGBA")
    background = Image.new("RGBA", image.size, (*preprocessing.background, 255))
    colours = Image.alpha_composite(background, image).convert("RGB")
    if preprocessing.center_crop:
        height, width = preprocessing.center_crop
        left, top = (colours.width - width) // 2, (colours.height - height) // 2
        colours = colours.crop((left, top, left + width, top + height))
    bands = (colours.convert("L") if preprocessing.channels == 1 else colours).split()
    size = preprocessing.image_size[::-1]
    resized = [band.convert("F").resize(size, Image.Resampling.BILINEAR) for band in bands]
    return np.floor(np.stack(resized, axis=-1) + (0.5 + 2**-10)).astype(np.uint8)


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


ALPHA = np.broadcast_to(np.arange(WIDTH, dtype=np.uint8) * 4, (HEIGHT, WIDTH))
SHAPE = np.where((X - 30) ** 2 + (Y - 20) ** 2 < 25, 255, 0).astype(np.uint8)


def png(bits: int, colour_type: int, n_values: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of random bytes, as Pillow cannot write it."""
    rows = NUMBERS.integers(0, 256, (HEIGHT, 1 + (WIDTH * n_values * bits + 7) // 8), np.uint8)
    rows[:, 0] = 0  # No filter.
    size = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour_type, 0, 0, 0)
    pixels = (b"IDAT", zlib.compress(rows.tobytes()))
    all_chunks = [(b"IHDR", size), *chunks, pixels, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in all_chunks)


def interlaced_png() -> bytes:
    """A PNG stored in the seven passes of Adam7, as Pillow cannot write it."""
    steps = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    passes = [SMOOTH[y::down, x::right] for y, x, down, right in [*steps, (1, 0, 2, 1)]]
    rows = b"".join(b"\0" + row.tobytes() for one in passes for row in one)
    size = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 1)
    chunks = [(b"IHDR", size), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    length, checksum = len(content), zlib.crc32(kind + content)
    return struct.pack(">I", length) + kind + content + struct.pack(">I", checksum)


def gif_of_parts(screen: tuple[int, int], place: tuple[int, int], **how: Any) -> bytes:
    """A GIF whose frame is smaller than its screen, or goes beyond it."""
    whole = encode(Image.fromarray(SMOOTH[:20, :30]).quantize(64), "GIF", **how)
    frame = whole.rindex(b"," + struct.pack("<4H", 0, 0, 30, 20))
    moved = with_bytes(whole, frame + 1, struct.pack("<HH", *place))
    return with_bytes(moved, 6, struct.pack("<HH", *screen))


def without_adobe(contents: bytes) -> bytes:
    start = contents.index(b"\xff\xee")
    return contents[:start] + contents[start + 16 :]


def bmp_with_alpha(masks: tuple[int, int, int, int]) -> bytes:
    """A BMP of version 4, which tells where red, green, blue and alpha are."""
    pixels = np.dstack([SMOOTH[::-1, :, ::-1], ALPHA]).tobytes()
    info = struct.pack("<IiiHHIIiiII", 108, WIDTH, HEIGHT, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    header = info + struct.pack("<4I", *masks) + b"\0" * 52
    start = 14 + len(header)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + pixels


NUMBERS = np.random.default_rng(1)
PALETTE = NUMBERS.integers(0, 256, 768, np.uint8).tobytes()
FADING = NUMBERS.integers(0, 256, 256, np.uint8).tobytes()
GAMMA = (b"gAMA", struct.pack(">I", 20_000))
SRGB = (b"sRGB", b"\0")


def with_bytes(contents: bytes, start: int, new: bytes) -> bytes:
    return contents[:start] + new + contents[start + len(new) :]


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )


ENCODED = {
    "JPEG, grey": encode(SMOOTH, "JPEG", "L", quality=95),
    "JPEG, colour": encode(SMOOTH, "JPEG", quality=95),
    "JPEG, colours out of range": encode(NOISE.repeat(3, 0).repeat(3, 1), "JPEG", quality=30),
    "JPEG, progressive": encode(SMOOTH, "JPEG", quality=95, progressive=True),
    "JPEG, full colour resolution": encode(SMOOTH, "JPEG", quality=95, subsampling=0),
    "JPEG, half colour resolution": encode(SMOOTH, "JPEG", quality=95, subsampling=1),
    "JPEG, RGB": encode(SMOOTH, "JPEG", quality=95, keep_rgb=True),
    "JPEG, CMYK": encode(SMOOTH, "JPEG", "CMYK", quality=95),
    "JPEG, CMYK without Adobe's marker": without_adobe(encode(SMOOTH, "JPEG", "CMYK")),
    "JPEG, restart markers": encode(SMOOTH, "JPEG", restart_marker_rows=1),
    "PNG, grey": encode(SMOOTH, "PNG", "L"),
    "PNG, colour": encode(SMOOTH, "PNG"),
    "PNG, palette": encode(SMOOTH, "PNG", "P"),
    "PNG, black and white": encode(SMOOTH, "PNG", "1"),
    "PNG, alpha": encode(np.dstack([SMOOTH, ALPHA]), "PNG"),
    "PNG, grey and alpha": encode(np.dstack([SMOOTH[..., 0], ALPHA]), "PNG"),
    "PNG, ink on nothing": encode(np.dstack([0 * SMOOTH, SHAPE]), "PNG"),
    "PNG, one transparent grey": png(8, 0, 1, (b"tRNS", b"\0\7")),
    "PNG, one transparent colour": png(8, 2, 3, (b"tRNS", b"\0\1\0\2\0\3")),
    "PNG, grey and gamma": png(8, 0, 1, GAMMA),
    "PNG, colour and gamma": png(8, 2, 3, GAMMA),
    "PNG, colour and sRGB": png(8, 2, 3, SRGB),
    "PNG, alpha and gamma": png(8, 6, 4, GAMMA),
    "PNG, palette and sRGB": png(8, 3, 1, SRGB, (b"PLTE", PALETTE)),
    "PNG, transparent palette": png(8, 3, 1, (b"PLTE", PALETTE), (b"tRNS", FADING)),
    "PNG, palette of 4 bits": png(4, 3, 1, (b"PLTE", PALETTE[:48]), (b"tRNS", FADING[:9])),
    "PNG, palette of 1 bit": png(1, 3, 1, (b"PLTE", PALETTE[:6])),
    "PNG, interlaced": interlaced_png(),
    "PNG, animation": encode(
        Image.fromarray(SMOOTH), "PNG", save_all=True, append_images=[Image.fromarray(SMOOTH[::-1])]
    ),
    "PNG, grey of 2 bits": png(2, 0, 1),
    "PNG, colour of 16 bits": png(16, 2, 3, GAMMA),
    "PNG, alpha of 16 bits": png(16, 6, 4),
    "BMP, grey": encode(SMOOTH, "BMP", "L"),
    "BMP, colour": encode(SMOOTH, "BMP"),
    "BMP, four bytes": encode(np.dstack([SMOOTH, ALPHA]), "BMP"),
    "BMP, alpha": bmp_with_alpha((0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    "BMP, masks": bmp_with_alpha((0xFF0000, 0xFF00, 0xFF, 0)),
    "GIF, grey": encode(SMOOTH, "GIF", "L"),
    "GIF, palette": encode(SMOOTH, "GIF", "P"),
    "GIF, few colours": encode(Image.fromarray(SMOOTH).quantize(5), "GIF"),
    "GIF, interlaced": encode(SMOOTH, "GIF", "P", interlace=1),
    "GIF, black and white": encode(SMOOTH, "GIF", "1"),
    "GIF, ink on nothing": encode(np.dstack([0 * SMOOTH, SHAPE]), "GIF"),
    "GIF, transparent colour": encode(SMOOTH, "GIF", "P", transparency=40),
    "GIF, palette of its frame": encode(SMOOTH, "GIF", "P", include_color_table=True),
    "GIF, small frame": gif_of_parts((50, 40), (7, 5)),
    "GIF, small frame on nothing": gif_of_parts((50, 40), (7, 5), transparency=9),
    "GIF, frame beyond its screen": gif_of_parts((24, 12), (3, 2)),
    "GIF, animation": encode(
        Image.fromarray(SMOOTH), "GIF", save_all=True, append_images=[Image.fromarray(SMOOTH[::-1])]
    ),
}
"""Files of each format in each form that is decoded."""


def with_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


RGBA = np.dstack([SMOOTH, ALPHA])
BY_PILLOW = {
    **{f"TIFF, mode {mode}": encode(SMOOTH, "TIFF", mode) for mode in ("1", "L", "P", "CMYK")},
    **{
        f"TIFF, {how}": encode(SMOOTH, "TIFF", compression=how)
        for how in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd")
    },
    "TIFF, of a fax": encode(SMOOTH, "TIFF", "1", compression="group4"),
    "TIFF, alpha": encode(RGBA, "TIFF"),
    "TIFF, grey and alpha": encode(Image.fromarray(RGBA).convert("LA"), "TIFF"),
    "TIFF, turned": encode(SMOOTH, "TIFF", exif=with_exif(6)),
    "TIFF, two pages": encode(
        Image.fromarray(SMOOTH), "TIFF", save_all=True, append_images=[Image.fromarray(NOISE)]
    ),
    "PBM": encode(SMOOTH, "PPM", "1"),
    "PGM": encode(SMOOTH, "PPM", "L"),
    "PPM": encode(SMOOTH, "PPM"),
    "WebP, lossy": encode(SMOOTH, "WEBP"),
    "WebP, lossless": encode(SMOOTH, "WEBP", lossless=True),
    "WebP, lossy and alpha": encode(RGBA, "WEBP"),
    "WebP, lossless and alpha": encode(RGBA, "WEBP", lossless=True),
    "WebP, turned": encode(SMOOTH, "WEBP", exif=with_exif(8)),
    "WebP, animation": encode(
        Image.fromarray(SMOOTH),
        "WEBP",
        save_all=True,
        append_images=[Image.fromarray(SMOOTH[::-1])],
    ),
    "AVIF": encode(SMOOTH, "AVIF"),
    "AVIF, alpha": encode(RGBA, "AVIF"),
    "AVIF, turned": encode(SMOOTH, "AVIF", exif=with_exif(5)),
    "JPEG 2000": encode(SMOOTH, "JPEG2000"),
    "BMP, palette": encode(SMOOTH, "BMP", "P"),
    "BMP, black and white": encode(SMOOTH, "BMP", "1"),
    "TGA": encode(SMOOTH, "TGA"),
    "PCX": encode(SMOOTH, "PCX"),
    "SGI": encode(SMOOTH, "SGI"),
    "QOI": encode(RGBA, "QOI"),
}
"""Files of formats that Pillow decodes, or that TensorFlow decodes in some versions only."""
