"""Tests of the formats of the extra `images`, whose pixels NumPy or Pillow tell."""

import io
import struct
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from encoded_images import (
    BY_PILLOW,
    NOISE,
    RGBA,
    SMALL,
    SMOOTH,
    X,
    by_pillow,
    encode,
    largest_difference,
    unsized,
    with_exif,
)
from PIL import Image, ImageFile

from siamese_verify.data.decoding import ImageError, decode
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.reading import read_image

pillow_heif = pytest.importorskip("pillow_heif")
WHITE = (255, 255, 255)


def heic(image: np.ndarray, orientation: int = 1) -> bytes:
    """A HEIC without loss, as a telephone turns it: by a box of its own, and again in Exif."""
    file = pillow_heif.from_pillow(Image.fromarray(image))
    file.info["exif"] = with_exif(orientation).tobytes()
    stream = io.BytesIO()
    file.save(stream, quality=-1, matrix_coefficients=0, chroma=444)
    return stream.getvalue()


def colours(contents: bytes, most: int = 10**6) -> np.ndarray:
    return decode(contents, "Ada.tif", most, WHITE)


@pytest.mark.parametrize("kind", BY_PILLOW)
def test_each_other_format_has_the_pixels_of_pillow(kind: str):
    size = Image.open(io.BytesIO(BY_PILLOW[kind])).size[::-1]
    shape = colours(BY_PILLOW[kind]).shape
    assert sorted(shape[:2]) == sorted(size)
    preprocessing = unsized(3, shape)
    decoded = preprocessing.decode(BY_PILLOW[kind])
    np.testing.assert_array_equal(decoded, by_pillow(BY_PILLOW[kind], preprocessing))


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "TGA", "SGI", "QOI", "JPEG2000"])
def test_a_format_without_loss_keeps_the_pixels(kind: str):
    np.testing.assert_array_equal(colours(encode(NOISE, kind)), NOISE)


TURNS = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image.swapaxes(0, 1)[::-1, ::-1],
    8: lambda image: image.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("orientation", TURNS)
def test_a_file_of_each_format_is_turned_once(orientation: int):
    expected = TURNS[orientation](SMOOTH)
    exif = with_exif(orientation)
    np.testing.assert_array_equal(colours(encode(SMOOTH, "TIFF", exif=exif)), expected)
    webp = encode(SMOOTH, "WEBP", exif=exif, lossless=True)
    np.testing.assert_array_equal(colours(webp), expected)
    avif = colours(encode(SMOOTH, "AVIF", exif=exif, quality=100, subsampling="4:4:4"))
    assert largest_difference(avif, expected) <= 3
    assert largest_difference(colours(heic(SMOOTH, orientation)), expected) <= 3


@pytest.mark.parametrize(
    ("kind", "dtype"), [("TIFF", "<u2"), ("TIFF", ">u2"), ("PPM", "<u2"), ("JPEG2000", "<u2")]
)
def test_16_bits_keep_their_upper_8_as_in_a_png(kind: str, dtype: str):
    deep = (np.arange(24 * 20) * 136).reshape(24, 20)
    decoded = colours(encode(Image.fromarray(deep.astype(dtype)), kind))
    np.testing.assert_array_equal(decoded, (deep >> 8)[..., None].repeat(3, axis=2))
    png = encode(Image.fromarray(deep.astype(np.uint16)), "PNG")
    np.testing.assert_array_equal(decoded, colours(png))


def test_a_pgm_of_10_bits_is_scaled_to_white():
    rows = (X[:4, :32] * 33).astype(">u2")
    decoded = colours(b"P5 32 4 1023\n" + rows.tobytes())
    assert largest_difference(decoded[..., 0], rows / 1023 * 255) <= 1
    assert decoded.max() == 255


def test_a_tiff_of_floats_is_scaled_from_1():
    floats = (X / X.max()).astype(np.float32)
    decoded = colours(encode(Image.fromarray(floats), "TIFF"))
    np.testing.assert_array_equal(decoded[..., 0], np.round(floats * 255))


@pytest.mark.parametrize("value", [1.5, -0.1, 255.0, np.nan, np.inf])
def test_floats_of_an_unknown_white_raise_an_error(value: float):
    floats = np.full((4, 5), value, np.float32)
    with pytest.raises(ImageError, match=r"^Ada\.tif .*floats outside \[0, 1\].*Received: values"):
        colours(encode(Image.fromarray(floats), "TIFF"))


def test_whole_numbers_of_an_unknown_white_raise_an_error():
    wide = Image.fromarray(X.astype(np.int32))
    with pytest.raises(ImageError, match=r"whose white is not known. Save it with 16 bits"):
        colours(encode(wide, "TIFF"))


@pytest.mark.parametrize("values", [X.astype(np.uint16) * 1000, (X / 64).astype(np.float32)])
def test_a_tiff_whose_white_is_zero_is_inverted(values: np.ndarray):
    plain = encode(Image.fromarray(values), "TIFF")
    tag = plain.index(b"\x06\x01\x03\0\1\0\0\0\1")
    inverted = plain[: tag + 8] + b"\0" + plain[tag + 9 :]
    np.testing.assert_array_equal(colours(inverted), 255 - colours(plain))


def test_transparent_pixels_lie_on_the_background():
    clear = np.dstack([SMOOTH, 0 * SMOOTH[..., 0]])
    for kind in ("TIFF", "WEBP", "AVIF", "QOI", "TGA"):
        assert (decode(encode(clear, kind), "Ada", 10**6, (3, 20, 200)) == (3, 20, 200)).all(), kind
    assert (decode(heic(clear), "Ada", 10**6, (3, 20, 200)) == (3, 20, 200)).all()


def test_max_pixels_holds_before_decoding():
    files = [encode(NOISE, kind) for kind in ("TIFF", "PPM", "WEBP", "AVIF", "QOI")] + [heic(NOISE)]
    for contents in files:
        assert colours(contents, 480).shape == NOISE.shape
        with pytest.raises(ImageError, match="over-large: 480 pixels where max_pixels=479"):
            colours(contents, 479)
    with pytest.raises(ImageError, match="over-large: 3,600,000,000 pixels"):
        colours(b"P6 60000 60000 255\n")


def test_a_tile_of_a_tiff_counts_as_pixels():
    tags = {256: 20, 257: 24, 258: 8, 259: 1, 262: 1, 322: 4000, 323: 4000, 324: 8, 325: 480}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    tiled = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)
    with pytest.raises(ImageError, match="over-large: 16,000,000 pixels"):
        colours(tiled)


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "WEBP", "QOI", "AVIF"])
def test_pillows_own_limit_neither_warns_nor_counts(kind: str, monkeypatch: pytest.MonkeyPatch):
    contents = encode(NOISE, kind)
    expected = colours(contents)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    np.testing.assert_array_equal(colours(contents), expected)
    if kind in ("TIFF", "PPM", "QOI", "AVIF"):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        np.testing.assert_array_equal(colours(contents), expected)


def test_odd_metadata_of_a_tiff_does_not_warn():
    """A tag that must have one value has two, of which Pillow warns."""
    contents = encode(SMOOTH, "TIFF", tiffinfo={274: 1})
    tag = contents.index(b"\x12\x01\x03\0\1\0\0\0")
    odd = contents[: tag + 4] + b"\2\0\0\0" + contents[tag + 8 :]
    with pytest.warns(UserWarning, match="too many entries"):
        Image.open(io.BytesIO(odd)).load()
    np.testing.assert_array_equal(colours(odd), SMOOTH)


def test_pillow_stays_as_it_was():
    Image.init()
    before = dict(Image.OPEN), list(Image.ID), ImageFile.LOAD_TRUNCATED_IMAGES, warnings.filters[:]
    colours(heic(NOISE))
    colours(encode(NOISE, "TIFF"))
    after = dict(Image.OPEN), list(Image.ID), ImageFile.LOAD_TRUNCATED_IMAGES, warnings.filters[:]
    assert after == before


EXTRA = r'pip install "siamese-verify\[images\]"'


@pytest.mark.parametrize(
    ("contents", "name"),
    [
        (encode(NOISE, "TIFF"), "a TIFF"),
        (encode(NOISE, "PPM"), "a PBM, PGM or PPM"),
        (encode(NOISE, "AVIF"), "an AVIF"),
        (encode(NOISE, "JPEG2000"), "a JPEG 2000"),
        (heic(NOISE), "a HEIC"),
        (encode(NOISE, "BMP", "1"), "a BMP with a palette, masks or compression"),
        (BY_PILLOW["WebP, animation"], "a WebP"),
        (b"no image", "not a JPEG, PNG, BMP, GIF or WebP"),
    ],
)
def test_without_the_extra_the_error_names_the_format_and_the_extra(
    contents: bytes, name: str, monkeypatch: pytest.MonkeyPatch
):
    for module in ("PIL", "pillow_heif"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImageError, match=rf"^Ada\.tif cannot be read as an image: {name}.*{EXTRA}"):
        colours(contents)


def test_a_heic_without_pillow_heif_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=f"a HEIC, which the extra `images` decodes: {EXTRA}"):
        colours(heic(NOISE))


def test_a_format_that_runs_a_program_is_not_decoded():
    with pytest.raises(ImageError, match=r"an EPS, which is not decoded. Save it as PNG"):
        colours(encode(NOISE, "EPS"))


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "WEBP", "AVIF", "SGI", "HEIC"])
def test_a_truncated_file_raises_an_error(kind: str):
    contents = heic(NOISE) if kind == "HEIC" else encode(NOISE, kind)
    for end in [*range(1, 40, 3), *range(40, len(contents), 97), len(contents) - 1]:
        with pytest.raises(ImageError, match=r"^Ada\.tif cannot be read as an image: ."):
            colours(contents[:end])


def test_a_damaged_file_is_decoded_or_raises_the_documented_error():
    rng = np.random.default_rng(0)
    files = [*BY_PILLOW.values(), heic(NOISE), heic(RGBA)]
    for i in range(400):
        contents = bytearray(files[i % len(files)])
        reach = len(contents) if i % 2 else min(len(contents), 200)
        for place in rng.integers(reach, size=rng.integers(1, 8)):
            contents[place] = rng.integers(256)
        try:
            decoded = colours(bytes(contents))
        except ImageError:
            continue
        assert decoded.dtype == np.uint8
        assert decoded.shape[2] == 3


def test_threads_decode_the_same_pixels():
    files = [*BY_PILLOW.values(), heic(NOISE)] * 3
    expected = [colours(contents) for contents in files[: len(files) // 3]] * 3
    barrier = threading.Barrier(4)

    def decode_all(start: int) -> list[np.ndarray]:
        barrier.wait()
        return [colours(contents) for contents in files[start::4]]

    with ThreadPoolExecutor(4) as pool:
        for start, results in enumerate(pool.map(decode_all, range(4))):
            for one, other in zip(results, expected[start::4], strict=True):
                np.testing.assert_array_equal(one, other)


def test_every_route_has_the_pixels_of_a_pgm(tmp_path):
    contents = encode(SMOOTH, "PPM", "L")
    (tmp_path / "1.pgm").write_bytes(contents)
    expected = by_pillow(contents, SMALL)
    array = np.asarray(Image.open(io.BytesIO(contents)))
    for image in (tmp_path / "1.pgm", contents, io.BytesIO(contents), array):
        assert largest_difference(read_image(image, Preprocessing((6, 4))), expected) <= 1
