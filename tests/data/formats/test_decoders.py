"""Tests of the two decoders: TensorFlow and Pillow decode the same pixels."""

import sys

import numpy as np
import pytest
from encoded_images import BY_PILLOW, ENCODED, NOISE, PALETTE, encode, png

from siamese_verify.data import decoding
from siamese_verify.data.decoding import ImageError
from siamese_verify.data.formats import by_pillow, by_tensorflow
from siamese_verify.data.formats.decoders import decoder

MODULES = ("bmp", "gif", "jpeg", "png", "webp")
LARGE = NOISE.repeat(5, 0).repeat(5, 1)[:97, :51]
RARE = {
    **{
        f"PNG, grey of {bits} bits, one transparent": png(bits, 0, 1, (b"tRNS", b"\0\1"))
        for bits in (1, 2, 4, 8, 16)
    },
    **{f"PNG, grey of {bits} bits": png(bits, 0, 1) for bits in (1, 4, 16)},
    "PNG, grey and alpha of 16 bits": png(16, 4, 2),
    "PNG, colours beyond the palette": png(8, 3, 1, (b"PLTE", PALETTE[:30]), (b"tRNS", b"\1\2")),
    **{
        f"JPEG, {mode}, {quality}, {subsampling}, {progressive}": encode(
            LARGE, "JPEG", mode, quality=quality, subsampling=subsampling, progressive=progressive
        )
        for mode in ("CMYK", "RGB")
        for quality in (10, 60, 95)
        for subsampling in (0, 1, 2, "4:1:1")
        for progressive in (False, True)
    },
}
FILES = {**ENCODED, **BY_PILLOW, **RARE}


def decode_by(module: object, contents: bytes, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    for name in MODULES:
        monkeypatch.setattr(f"siamese_verify.data.formats.{name}.decoder", lambda: module)
    return decoding.decode(contents, "Ada", 50_000_000, (3, 200, 20))


@pytest.mark.parametrize("kind", FILES)
def test_both_decode_the_same_pixels(kind: str, monkeypatch: pytest.MonkeyPatch):
    one = decode_by(by_tensorflow, FILES[kind], monkeypatch)
    np.testing.assert_array_equal(decode_by(by_pillow, FILES[kind], monkeypatch), one)


def test_what_pillow_alone_cannot_decode_exactly_raises(monkeypatch: pytest.MonkeyPatch):
    contents = png(16, 2, 3, (b"tRNS", b"\0\1\0\2\0\3"))
    with pytest.raises(ImageError, match=r"^Ada .*16 bits with a transparent colour.*Save"):
        decode_by(by_pillow, contents, monkeypatch)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_pillow_raises_for_a_file_truncated_anywhere(
    file_format: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    contents = encode(NOISE, file_format)
    for end in {*range(1, len(contents), 17), *range(len(contents) - 16, len(contents))}:
        with pytest.raises(ImageError, match=r"^Ada "):
            decode_by(by_pillow, contents[:end], monkeypatch)


def test_pillow_raises_for_a_png_with_a_wrong_sum(monkeypatch: pytest.MonkeyPatch):
    contents = bytearray(encode(NOISE, "PNG"))
    contents[contents.index(b"IEND") - 8] ^= 1
    with pytest.raises(ImageError, match="damaged: a wrong sum of IDAT"):
        decode_by(by_pillow, bytes(contents), monkeypatch)


def test_tensorflow_decodes_where_it_is_imported(monkeypatch: pytest.MonkeyPatch):
    assert decoder() is by_tensorflow
    monkeypatch.delitem(sys.modules, "tensorflow")
    assert decoder() is by_pillow


def test_without_any_decoder_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    for package in ("tensorflow", "PIL"):
        monkeypatch.delitem(sys.modules, package, raising=False)
    with pytest.raises(ImportError, match=r'pip install "siamese-verify\[runtime\]"'):
        decoder()
