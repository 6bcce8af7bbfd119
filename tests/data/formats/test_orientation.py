"""Tests of images that a camera stored as it was held, against Pillow."""

import io
import struct
import zlib

import numpy as np
import pytest
from encoded_images import SMOOTH, by_pillow, encode, png_chunk, unsized
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.reading import read_image

JPEG, PNG = encode(SMOOTH, "JPEG", quality=95), encode(SMOOTH, "PNG")
EXIF, XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
# Number of TIFF's type, and its format in `struct`.
TYPES = {
    **{"BYTE": (1, "B"), "ASCII": (2, "c"), "SHORT": (3, "H"), "LONG": (4, "I")},
    **{"RATIONAL": (5, "2I"), "SBYTE": (6, "b"), "UNDEFINED": (7, "B"), "SSHORT": (8, "h")},
    **{"SLONG": (9, "i"), "SRATIONAL": (10, "2i"), "FLOAT": (11, "f"), "DOUBLE": (12, "d")},
    **{"IFD": (13, "I"), "LONG8": (16, "Q")},
}


def tiff(orientation: int, order: str = "<", kind: str = "SHORT") -> bytes:
    """An Exif header with two tags: the camera's maker, and the orientation."""
    number, form = TYPES[kind]
    value = {"ASCII": [b"6"], "RATIONAL": [orientation, 1], "SRATIONAL": [orientation, 1]}
    content = struct.pack(order + form, *value.get(kind, [orientation]))
    place = content.ljust(4, b"\0") if len(content) <= 4 else struct.pack(order + "I", 38)
    start = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 2)
    make = struct.pack(order + "HHI4s", 0x010F, 2, 2, b"A")
    turn = struct.pack(order + "HHI", 0x0112, number, 1) + place
    return start + make + turn + b"\0" * 4 + content


def xmp(orientation: int, form: str = ' tiff:Orientation="%d"') -> bytes:
    return b"<x:xmpmeta><rdf:Description" + (form % orientation).encode() + b"/></x:xmpmeta>"


def with_segments(*segments: tuple[int, bytes]) -> bytes:
    """A JPEG that starts with others than its JFIF header."""
    start = b"".join(
        bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content
        for marker, content in segments
    )
    return JPEG[:2] + start + JPEG[4 + int.from_bytes(JPEG[4:6], "big") :]


def with_chunks(*chunks: tuple[bytes, bytes], last: bool = False) -> bytes:
    """A PNG with more chunks, before its pixels or after them."""
    place = PNG.index(b"IEND" if last else b"IDAT") - 4
    return PNG[:place] + b"".join(png_chunk(*chunk) for chunk in chunks) + PNG[place:]


def in_text(orientation: int) -> bytes:
    """An Exif header as ImageMagick writes it."""
    header = EXIF + tiff(orientation)
    return f"\nexif\n{len(header):8}\n{header.hex()}\n".encode()


PLACES = {
    "JPEG": lambda n: with_segments((0xE1, EXIF + tiff(n))),
    "JPEG, big-endian": lambda n: with_segments((0xE1, EXIF + tiff(n, ">"))),
    "JPEG, after others": lambda n: with_segments(
        (0xFE, b"Exif\0\0 is kept"), *[(0xE2, bytes(65_000))] * 5, (0xE1, EXIF + tiff(n))
    ),
    "JPEG, in two segments": lambda n: with_segments(
        (0xE1, EXIF + tiff(n)[:20]), (0xE1, EXIF + tiff(n)[20:])
    ),
    "JPEG, XMP": lambda n: with_segments((0xE1, XMP + xmp(n))),
    "JPEG, XMP element": lambda n: with_segments(
        (0xE1, XMP + xmp(n, "><tiff:Orientation>%d</tiff:Orientation"))
    ),
    "JPEG, Exif before XMP": lambda n: with_segments((0xE1, XMP + xmp(1)), (0xE1, EXIF + tiff(n))),
    "PNG": lambda n: with_chunks((b"eXIf", tiff(n))),
    "PNG, after the pixels": lambda n: with_chunks((b"eXIf", tiff(n, ">")), last=True),
    "PNG, text": lambda n: with_chunks((b"tEXt", b"Raw profile type exif\0" + in_text(n))),
    "PNG, compressed text": lambda n: with_chunks(
        (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(in_text(n)))
    ),
    "PNG, XMP": lambda n: with_chunks((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(n))),
    "PNG, compressed XMP": lambda n: with_chunks(
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp(n)))
    ),
}


def check_as_pillow_does(contents: bytes) -> None:
    expected_shape = by_pillow(contents, unsized(3)).shape
    for channels in (1, 3):
        decode = unsized(channels, expected_shape)
        expected = by_pillow(contents, decode)
        np.testing.assert_array_equal(decode.decode(contents), expected)
        by_pil = read_image(Image.open(io.BytesIO(contents)), decode)
        np.testing.assert_array_equal(by_pil, expected)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("orientation", range(10))  # 0 and 9 mean nothing.
def test_an_image_is_turned_as_its_camera_noted(orientation: int, place: str):
    contents = PLACES[place](orientation)
    assert Image.open(io.BytesIO(contents)).getexif().get(0x0112) == orientation or "after" in place
    check_as_pillow_does(contents)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", TYPES)
def test_the_orientation_may_be_a_number_of_any_type(kind: str, order: str):
    check_as_pillow_does(with_segments((0xE1, EXIF + tiff(6, order, kind))))


def test_an_orientation_where_it_is_not_turns_nothing():
    segment = b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(tiff(6))) + EXIF + tiff(6)
    upright = unsized(3).decode(JPEG)
    for contents in (
        JPEG + segment,  # After the end of the image.
        with_segments((0xFE, segment)),  # In a comment.
        with_segments((0xE2, EXIF + tiff(6))),  # In another segment.
        with_segments((0xE1, b"Exif" + tiff(6))),
    ):
        np.testing.assert_array_equal(unsized(3).decode(contents), upright)


def test_a_text_that_would_inflate_to_much_is_read_in_part():
    bomb = zlib.compress(bytes(50 << 20))
    contents = with_chunks((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb))
    np.testing.assert_array_equal(unsized(3).decode(contents), unsized(3).decode(PNG))


@given(st.binary(max_size=64), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_damaged_exif_header_does_no_harm(noise: bytes, start: int):
    square = Preprocessing((16, 16))
    for place, plain in (("JPEG", JPEG), ("PNG", PNG)):
        header = tiff(1)[:start] + noise
        damaged = {
            "JPEG": with_segments((0xE1, EXIF + header)),
            "PNG": with_chunks((b"eXIf", header)),
        }[place]
        upright = Image.open(io.BytesIO(plain))
        turned = [upright, *(upright.transpose(method) for method in Image.Transpose)]
        decoded = square.decode(damaged)
        assert any((decoded == read_image(image, square)).all() for image in turned)
