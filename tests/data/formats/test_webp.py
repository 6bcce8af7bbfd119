"""Tests of WebP: the same pixels by TensorFlow and by Pillow."""

import struct

import numpy as np
import pytest
import tensorflow as tf
from encoded_images import BY_PILLOW, NOISE, SMOOTH, encode

from siamese_verify.data.decoding import ImageError, decode
from siamese_verify.data.formats import webp

WEBP = [kind for kind in BY_PILLOW if kind.startswith("WebP")]
WHITE = (255, 255, 255)


@pytest.mark.parametrize("kind", WEBP)
def test_a_version_of_tensorflow_without_webp_has_the_same_pixels(
    kind: str, monkeypatch: pytest.MonkeyPatch
):
    decoded = decode(BY_PILLOW[kind], "Ada", 10**6, WHITE)
    monkeypatch.delattr(tf.io, "decode_webp", raising=False)
    np.testing.assert_array_equal(decode(BY_PILLOW[kind], "Ada", 10**6, WHITE), decoded)


def test_tensorflow_never_gets_an_animation(monkeypatch: pytest.MonkeyPatch):
    """It would write beyond its memory."""
    fail = pytest.fail
    monkeypatch.setattr(tf.io, "decode_webp", lambda *_: fail("an animation"), raising=False)
    animation = BY_PILLOW["WebP, animation"]
    assert decode(animation, "Ada", 10**6, WHITE).shape == SMOOTH.shape
    flags = animation.index(b"VP8X") + 8
    hidden = animation[:flags] + bytes([animation[flags] & ~2]) + animation[flags + 1 :]
    assert webp.read_header(hidden).is_animation


def test_the_frame_of_a_webp_counts_as_pixels_too():
    contents = encode(np.dstack([NOISE, NOISE[..., :1]]), "WEBP")
    canvas = contents.index(b"VP8X") + 12
    small = contents[:canvas] + b"\0\0\0\0\0\0" + contents[canvas + 6 :]
    with pytest.raises(ImageError, match="over-large: 480 pixels"):
        decode(small, "Ada", 479, WHITE)
    huge = contents[:canvas] + struct.pack("<HBHB", 0xFFFF, 0, 0xFFFF, 0) + contents[canvas + 6 :]
    with pytest.raises(ImageError, match="over-large: 4,294,967,296 pixels"):
        decode(huge, "Ada", 10**6, WHITE)


def test_bytes_after_the_end_do_not_matter():
    contents = encode(NOISE, "WEBP")
    padded = decode(contents + b"\0" * 9, "Ada", 10**6, WHITE)
    np.testing.assert_array_equal(padded, decode(contents, "Ada", 10**6, WHITE))
