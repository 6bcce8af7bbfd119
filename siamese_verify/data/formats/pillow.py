"""All other formats: TIFF, PGM, AVIF and more by Pillow, HEIC by pillow-heif (extra `images`).

Each plugin of Pillow is called directly. `Image.open` would warn of large images by a limit of its
own, and pillow-heif would have to be registered for the whole process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.data.formats.header import Header
from siamese_verify.data.formats.orientation import read_orientation, upright

SIGNATURE = b""
"""Any file may be of a format that Pillow knows."""
_INSTALL = 'the extra `images` decodes: pip install "siamese-verify[images]"'
_NAMES = {
    rb"II[*+]\0|MM\0[*+]": "a TIFF",
    rb"P[1-6]\s": "a PBM, PGM or PPM",
    rb"P[Ff]\s": "a PFM",
    rb".{4}ftypavi[fs]": "an AVIF",
    rb".{4}ftyp(he[ivm][cxsm]|mif1|msf1)": "a HEIC",
    rb"\0{3}\x0cjP  |\xff\x4f\xff\x51": "a JPEG 2000",
    rb"RIFF.{4}WEBP": "a WebP",
    rb"BM": "a BMP with a palette, masks or compression",
    rb"8BPS": "a Photoshop file",
    rb"qoif": "a QOI",
    rb"%!PS": "an EPS",
    rb"\0\0\x01\0": "an ICO",
    rb"icns": "an ICNS",
}
"""Starts of files, for errors that name the format also where no decoder is installed."""
_NOT_DECODED = {"EPS", "ICNS", "ICO", "WMF"}
"""Formats that run another program, or hold a second image whose size the header does not tell."""
_MODES_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_BITS, _WHITE_IS_ZERO, _TILE = 258, (262, 0), (322, 323)
"""Tags of TIFF: bits of a value, the tag and the value for inverted greys, and sides of a tile."""
_one_at_a_time = threading.Lock()


@dataclasses.dataclass(frozen=True)
class PillowHeader(Header):
    """Header that Pillow read.

    Args:
        image: PIL image, whose pixels are not decoded yet.
    """

    image: Any = None


def read_header(contents: bytes) -> PillowHeader:
    """Let Pillow read the header. An image as large as a tile of a TIFF is assumed at least."""
    with as_value_errors(), _without_warnings():
        image = _open(contents)
        tags = getattr(image, "tag_v2", {})
        tile = [side if isinstance(side := tags.get(tag), int) else 0 for tag in _TILE]
        width, height = map(max, image.size, tile)
        return PillowHeader(width, height, image=image)


def decode(contents: bytes, header: PillowHeader) -> npt.NDArray[np.uint8]:
    """Decode the first frame to upright RGB or RGBA."""
    pixels = decode_as_stored(header)
    # Pillow turns a TIFF, and pillow-heif a HEIC, whose Exif header it changes accordingly.
    if hasattr(header.image, "tag_v2"):
        return pixels
    exif, xmp = (header.image.info.get(name) for name in ("exif", "xmp"))
    return upright(pixels, read_orientation(exif, xmp if isinstance(xmp, bytes) else None))


def decode_as_stored(header: PillowHeader) -> npt.NDArray[np.uint8]:
    """Decode the first frame to RGB or RGBA, as Pillow's plugin turns it."""
    image = header.image
    is_tiff = hasattr(image, "tag_v2")
    with as_value_errors(), _without_warnings() if is_tiff else contextlib.nullcontext():
        if is_tiff:
            _allocate(image)
        image.load()
        return _from_grey(image) if image.mode[0] in "IF" else to_colours(image)


def to_colours(image: Any) -> npt.NDArray[np.uint8]:
    """Convert a PIL image of 8 bits a channel to RGB, or RGBA if it can be transparent."""
    has_alpha = "transparency" in image.info or image.mode in _MODES_WITH_ALPHA
    return np.asarray(image.convert("RGBA" if has_alpha else "RGB"))


def _open(contents: bytes) -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ValueError(_without_decoder(contents)) from None
    Image.init()
    reason = None
    # Formats without a signature come last.
    for name in sorted(Image.ID, key=lambda name: Image.OPEN[name][1] is None):
        factory, accept = Image.OPEN[name]
        try:
            # A text says that Pillow was built without this format.
            accepted = accept is None or accept(contents[:16])
            if accepted and not isinstance(accepted, str) and name not in _NOT_DECODED:
                return factory(io.BytesIO(contents), "")
        except Exception as error:  # Each plugin raises its own types.
            reason = reason or (accept and f"{name}: {error}")
    if contents[4:8] == b"ftyp":
        return _open_heic(contents)
    raise ValueError(reason or _without_decoder(contents))


def _open_heic(contents: bytes) -> Any:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise ValueError(_without_decoder(contents)) from None
    opener: Any = HeifImageFile
    return opener(io.BytesIO(contents))


def _without_decoder(contents: bytes) -> str:
    """Say which format a file has that nothing installed decodes."""
    for pattern, name in _NAMES.items():
        if re.match(pattern, contents, re.DOTALL):
            if name.split()[-1] in _NOT_DECODED:
                return f"{name}, which is not decoded. Save it as PNG"
            return f"{name}, which {_INSTALL}"
    return f"not a JPEG, PNG, BMP, GIF or WebP, nor of a format that {_INSTALL}"


def _allocate(image: Any) -> None:
    """Give a TIFF memory for its pixels, for which Pillow would apply a limit of its own."""
    from PIL import Image

    size = image.tag_v2[256], image.tag_v2[257]
    image.im = Image.new(image.mode, size).im


def _from_grey(image: Any) -> npt.NDArray[np.uint8]:
    """Bring greys of more than 8 bits to 8, where Pillow's `convert` would cut them off at 255."""
    values, tags = np.asarray(image), getattr(image, "tag_v2", {})
    if image.mode == "F":
        if not (values.min() >= 0 and values.max() <= 1):  # It is false for NaN.
            raise ValueError(
                "floats outside [0, 1], whose white is not known. Divide them by the value of "
                f"white. Received: values from {values.min()} to {values.max()}"
            )
        grey = np.round(values * np.float32(255)).astype(np.uint8)
    elif image.mode == "I" and image.format != "PPM":
        raise ValueError(
            "signed or 32-bit whole numbers, whose white is not known. Save it with 16 bits"
        )
    else:
        (bits, *_) = tags.get(_BITS, (16,))
        grey = (values >> (bits - 8)).astype(np.uint8)
    tag, inverted = _WHITE_IS_ZERO
    if tags.get(tag) == inverted:
        grey = 255 - grey
    return np.repeat(grey[..., None], 3, axis=2)


@contextlib.contextmanager
def as_value_errors() -> Iterator[None]:
    """Raise what a decoder raises, which can be anything, as a `ValueError` with the reason."""
    try:
        yield
    except (MemoryError, ValueError):
        raise
    except Exception as error:
        raise ValueError(f"{error or type(error).__name__}") from error


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Ignore Pillow's warnings of odd metadata. Python's filters belong to all threads."""
    with _one_at_a_time, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield
