"""Tests of JPEGs that a camera stored as it was held."""

import io
import struct

import numpy as np
import pytest
from encoded_images import JPEG_TOLERANCE, SMOOTH, encode, largest_difference, unsized
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from siamese_verify.data.reading import read_image


def exif(orientation: int, byte_order: str) -> bytes:
    """A header with two tags: the camera's maker, and the orientation."""
    start = struct.pack(byte_order + "2sHI", b"II" if byte_order == "<" else b"MM", 42, 8)
    make = struct.pack(byte_order + "HHI4s", 0x010F, 2, 2, b"A")
    turn = struct.pack(byte_order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + start + struct.pack(byte_order + "H", 2) + make + turn + b"\0" * 4


def with_segments(contents: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG that starts with others than its JFIF header."""
    start = b"".join(
        bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content
        for marker, content in segments
    )
    return contents[:2] + start + contents[4 + int.from_bytes(contents[4:6], "big") :]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("orientation", range(10))  # 0 and 9 mean nothing
def test_a_jpeg_is_turned_as_its_camera_noted(orientation: int, channels: int):
    for byte_order in "<>":
        header = exif(orientation, byte_order)
        plain, segment = encode(SMOOTH, "JPEG", quality=95), (0xE1, header)
        for contents in (
            encode(SMOOTH, "JPEG", quality=95, exif=header),
            with_segments(plain, segment),
            with_segments(plain, (0xFE, b"a comment"), (0xE2, b"\0" * 60_000), segment),
        ):
            image = Image.open(io.BytesIO(contents))
            assert image.getexif()[0x0112] == orientation
            expected = np.asarray(ImageOps.exif_transpose(image))
            if channels == 1:
                expected = np.asarray(Image.fromarray(expected).convert("L"))[..., None]
            decode = unsized(channels, expected.shape)
            assert largest_difference(decode.decode(contents), expected) <= JPEG_TOLERANCE
            assert largest_difference(read_image(image, decode), expected) <= 1


@given(st.binary(max_size=64), st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_a_damaged_exif_header_does_no_harm(noise: bytes, start: int):
    header = exif(1, "<")[: 6 + start] + noise
    contents = with_segments(encode(SMOOTH, "JPEG", quality=95), (0xE1, header))
    upright = unsized(1, (16, 16)).decode(encode(SMOOTH, "JPEG", quality=95))
    turned = [upright, upright[:, ::-1]]
    turned += [image[::-1] for image in turned]
    turned += [image.transpose(1, 0, 2) for image in turned]
    decoded = unsized(1, (16, 16)).decode(contents)
    assert any(largest_difference(decoded, image) <= 1 for image in turned)
