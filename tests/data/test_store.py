"""Tests of pixels: found, decoded, resized, kept."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from siamese_verify.data import store
from siamese_verify.data.decoding import ImageError
from siamese_verify.data.folders import find_files
from siamese_verify.data.lfw import lfw_sample
from siamese_verify.data.preprocessing import Preprocessing, scale
from siamese_verify.data.reading import read_image
from siamese_verify.data.samples import Sample
from siamese_verify.data.store import load_images

LFW = Path(__file__).parents[3] / "shared" / "lfw"
needs_lfw = pytest.mark.skipif(not LFW.is_dir(), reason="needs LFW in ../shared/lfw")

HEIGHT, WIDTH = 40, 60
Y, X = np.mgrid[:HEIGHT, :WIDTH]
# Smooth, so that JPEG keeps it; each channel and direction differs.
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


def write(folder: Path, count: int, size: tuple[int, int] = (6, 4)) -> list[Path]:
    """Small PNGs, each of one grey: 1, 2, 3, ..."""
    paths = [folder / f"{i}.png" for i in range(1, count + 1)]
    for i, path in enumerate(paths, start=1):
        path.write_bytes(encode(np.full(size, i, np.uint8), "PNG"))
    return paths


SMALL = Preprocessing((6, 4))


# --- Formats

# JPEG decoders may differ in their inverse cosine transform and in how they enlarge colour; 4 of
# 255 covers both, and is far below any mix-up of channels, ranges or colour spaces.
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


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ENCODED)
def test_a_file_of_each_format_is_decoded_as_pillow_does(kind: str, channels: int):
    decoded = unsized(channels).decode(ENCODED[kind])
    assert decoded.dtype == np.uint8
    # Of the others, colours are exact, and grey is rounded once here and once there.
    tolerance = JPEG_TOLERANCE if "JPEG" in kind else channels == 1
    assert largest_difference(decoded, by_pillow(ENCODED[kind], channels)) <= tolerance


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("file_format", ["PNG", "BMP"])
def test_transparency_is_dropped(file_format: str, channels: int):
    alpha = np.broadcast_to(np.arange(WIDTH, dtype=np.uint8) * 4, (HEIGHT, WIDTH))
    decoded = unsized(channels).decode(encode(np.dstack([SMOOTH, alpha]), file_format))
    opaque = unsized(channels).decode(encode(SMOOTH, "PNG"))
    assert largest_difference(decoded, opaque) <= (channels == 1)


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


@pytest.mark.parametrize("mode", ["I", "I;16", "F"])
def test_a_pil_image_of_more_than_8_bits_is_refused(mode: str):
    with pytest.raises(ImageError, match=rf"Received: mode {mode}\. Give the file"):
        read_image(Image.new(mode, (6, 4)), SMALL)


def test_16_bits_are_brought_to_8():
    deep = (np.arange(24 * 20, dtype=np.uint16) * 136).reshape(24, 20)
    decoded = unsized(1, deep.shape).decode(encode(deep, "PNG"))
    assert largest_difference(decoded[..., 0], deep / 257) < 1


def test_the_first_frame_of_an_animation_counts():
    first, *more = (Image.fromarray(NOISE[..., i]) for i in range(3))
    animation = encode(first, "GIF", save_all=True, append_images=more)
    np.testing.assert_array_equal(unsized(1, NOISE.shape).decode(animation)[..., 0], NOISE[..., 0])


def test_a_bmp_stored_from_its_top_is_not_upside_down():
    bottom_up = encode(SMOOTH, "BMP")
    start = struct.unpack_from("<I", bottom_up, 10)[0]
    rows = np.frombuffer(bottom_up[start:], np.uint8).reshape(HEIGHT, -1)
    height = struct.pack("<i", -HEIGHT)
    top_down = bottom_up[:22] + height + bottom_up[26:start] + rows[::-1].tobytes()
    np.testing.assert_array_equal(by_pillow(top_down, 3), SMOOTH)
    np.testing.assert_array_equal(unsized(3).decode(top_down), SMOOTH)
    np.testing.assert_array_equal(unsized(1).decode(top_down), unsized(1).decode(bottom_up))


def with_bytes(contents: bytes, start: int, new: bytes) -> bytes:
    return contents[:start] + new + contents[start + len(new) :]


UNUSUAL_BMP = {
    "palette": encode(SMOOTH, "BMP", "P"),
    "black and white": encode(SMOOTH, "BMP", "1"),
    # One run of 60 pixels a row, of the colour that is the row's number; then the end.
    "run-length encoding": with_bytes(
        encode(SMOOTH, "BMP", "L")[: 54 + 1024], 30, struct.pack("<I", 1)
    )
    + b"".join(bytes([WIDTH, row, 0, 0]) for row in range(HEIGHT))
    + b"\0\1",
    # Marked as run-length encoded, but of the size that it has without.
    "run-length encoding of full size": with_bytes(
        encode(SMOOTH, "BMP", "L"), 30, struct.pack("<I", 1)
    ),
}


@pytest.mark.parametrize("kind", UNUSUAL_BMP)
def test_an_unusual_bmp_is_decoded_as_pillow_does_or_refused(kind: str):
    try:
        decoded = unsized(3).decode(UNUSUAL_BMP[kind])
    except ImageError:
        return
    np.testing.assert_array_equal(decoded, by_pillow(UNUSUAL_BMP[kind], 3))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF"])
def test_bytes_after_the_end_of_an_image_do_not_matter(file_format: str):
    contents = encode(NOISE, file_format)
    preprocessing = unsized(3, NOISE.shape)
    padded = preprocessing.decode(contents + b"\0" * 5)
    np.testing.assert_array_equal(padded, preprocessing.decode(contents))


@needs_lfw
@pytest.mark.parametrize("channels", [1, 3])
def test_lfw_is_decoded_and_resized_as_pillow_does(channels: int):
    path = LFW / "lfw2" / "Wendy_Kennedy" / "Wendy_Kennedy_0001.jpg"
    decoded = Preprocessing(channels=channels).decode(path.read_bytes())
    assert decoded.shape == (105, 105, channels)
    image = Image.open(path).convert("L" if channels == 1 else "RGB")
    resized = np.asarray(image.resize((105, 105), Image.Resampling.BILINEAR))
    difference = np.abs(decoded - resized.reshape(decoded.shape).astype(float))
    assert difference.mean() < 1
    assert difference.max() <= JPEG_TOLERANCE + 2  # Pillow rounds twice as it resizes.


# --- Size


def triangle(n_in: int, n_out: int) -> np.ndarray:
    """Weights `(n_out, n_in)` of bilinear resizing; antialiased by a wider triangle."""
    step = n_in / n_out
    centres = (np.arange(n_out)[:, None] + 0.5) * step
    distance = np.abs(np.arange(n_in) + 0.5 - centres) / max(step, 1)
    weights = np.maximum(1 - distance, 0)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(10, 10), (24, 20), (7, 19), (50, 33), (1, 1)])
def test_resizing_is_bilinear_with_antialiasing(size: tuple[int, int], channels: int):
    image = NOISE if channels == 3 else NOISE[..., :1]
    decoded = Preprocessing(size, channels).decode(encode(image.squeeze(), "PNG"))
    rows, columns = triangle(24, size[0]), triangle(20, size[1])
    expected = np.einsum("ij,jkc,lk->ilc", rows, image.astype(float), columns)
    assert largest_difference(decoded, expected) <= 0.501  # Rounded to whole numbers.


def test_resizing_agrees_with_pillow():
    decoded = Preprocessing((9, 8), 3).decode(encode(NOISE, "PNG"))
    resized = Image.fromarray(NOISE).resize((8, 9), Image.Resampling.BILINEAR)
    assert largest_difference(decoded, np.asarray(resized)) <= 1  # Pillow rounds twice.


@pytest.mark.parametrize("crop", [(24, 20), (10, 6), (11, 7), (1, 1), (24, 1)])
def test_the_centre_crop_keeps_the_middle(crop: tuple[int, int]):
    decoded = Preprocessing(crop, 3, center_crop=crop).decode(encode(NOISE, "PNG"))
    top, left = (24 - crop[0]) // 2, (20 - crop[1]) // 2
    np.testing.assert_array_equal(decoded, NOISE[top : top + crop[0], left : left + crop[1]])


def test_the_centre_crop_comes_before_resizing():
    decoded = Preprocessing((5, 4), 3, center_crop=(10, 8)).decode(encode(NOISE, "PNG"))
    cropped = Preprocessing((5, 4), 3).decode(encode(NOISE[7:17, 6:14], "PNG"))
    np.testing.assert_array_equal(decoded, cropped)


@pytest.mark.parametrize("crop", [(25, 20), (24, 21)])
def test_a_file_smaller_than_the_centre_crop_is_named(crop: tuple[int, int]):
    preprocessing = Preprocessing((5, 4), center_crop=crop)
    with pytest.raises(ImageError, match=r"^Ada\.png .*centre crop.* 24 20 "):
        preprocessing.decode(encode(NOISE, "PNG"), "Ada.png")


@pytest.mark.parametrize(
    "settings",
    [
        *({"image_size": size} for size in [(0, 5), (5, -1), (5,), (5, 5, 1), 105, None, "55"]),
        *({"center_crop": size} for size in [(0, 5), (5,), 105]),
        *({"channels": channels} for channels in [0, 2, 4]),
        *({"max_pixels": pixels} for pixels in [0, -1]),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]):
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}=") as caught:
        Preprocessing(**settings)
    assert str(caught.value).endswith(f"{name}={value}")


def test_sizes_given_as_lists_are_the_same_settings():
    assert Preprocessing([6, 4], center_crop=[3, 2]) == Preprocessing((6, 4), center_crop=(3, 2))


# --- Files that cannot be used


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )


def gif_header(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0;"


def bmp_header(width: int, height: int) -> bytes:
    return b"BM" + b"\0" * 16 + struct.pack("<ii", width, height) + b"\1\0\x18\0" + b"\0" * 24


def jpeg_header(width: int, height: int) -> bytes:
    whole = encode(NOISE, "JPEG")
    frame = whole.index(b"\xff\xc0")  # Marker, length, precision, height, width.
    return with_bytes(whole, frame + 5, struct.pack(">HH", height, width))


UNUSABLE = {
    "empty": (b"", "the file is empty"),
    "text": (b"no image", "no JPEG, PNG, BMP or GIF"),
    "WebP": (encode(NOISE, "WEBP"), "no JPEG, PNG, BMP or GIF"),
    "TIFF": (encode(NOISE, "TIFF"), "no JPEG, PNG, BMP or GIF"),
    "no width": (png_header(0, 5), "without size"),
    **{f"only {start!r}": (start, "") for start in (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"GIF8")},
    **{
        f"corrupt {kind}": (with_bytes(contents, len(contents) // 2, b"\0" * 60), "")
        for kind, contents in [
            ("JPEG", encode(NOISE, "JPEG")[:-200]),
            ("PNG", encode(NOISE, "PNG")),
            ("GIF", encode(NOISE, "GIF")[:-200]),
        ]
    },
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_unusable_file_is_named_with_the_reason_in_one_line(kind: str):
    contents, reason = UNUSABLE[kind]
    with pytest.raises(ImageError) as caught:
        SMALL.decode(contents, "identities/Ada.jpg")
    message = str(caught.value)
    assert message.startswith("identities/Ada.jpg cannot be read as an image: ")
    assert reason in message
    assert "\n" not in message
    assert not any(noise in message for noise in ("{{", "[Op:", "assertion failed", "node "))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP"])
def test_a_file_truncated_anywhere_is_refused(file_format: str):
    contents = encode(NOISE, file_format)
    ends = {*range(1, 40), *range(40, len(contents), 31), *range(len(contents) - 16, len(contents))}
    for end in ends:
        with pytest.raises(ImageError, match=r"^Ada "):
            SMALL.decode(contents[:end], "Ada")


def test_an_animation_truncated_after_its_first_frame_is_refused():
    first, *more = (Image.fromarray(NOISE[..., i]) for i in range(3))
    animation = encode(first, "GIF", save_all=True, append_images=more)
    second_frame = animation.rindex(b"\x21\xf9\x04", 0, animation.rindex(b"\x21\xf9\x04"))
    with pytest.raises(ImageError, match=r"^Ada "):
        SMALL.decode(animation[:second_frame], "Ada")


@pytest.mark.parametrize(
    "header",
    [
        *(png_header(60_000, 60_000), png_header(2**31 - 1, 2**31 - 1), gif_header(60_000, 60_000)),
        *(bmp_header(60_000, 60_000), bmp_header(60_000, -60_000), bmp_header(-(2**31), -(2**31))),
        jpeg_header(60_000, 60_000),
    ],
    ids=["PNG", "largest PNG", "GIF", "BMP", "top-down BMP", "largest BMP", "JPEG"],
)
def test_a_header_that_claims_too_many_pixels_is_refused_before_decoding(header: bytes):
    # Whatever follows the header is absent or does not fit: decoding would report that instead.
    with pytest.raises(ImageError, match=r"^Ada .*over-large: pixels \d+ where max_pixels=500000"):
        SMALL.decode(header, "Ada")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP"])
def test_max_pixels_is_the_most_that_a_file_may_hold(file_format: str):
    contents = encode(NOISE, file_format)
    Preprocessing((6, 4), max_pixels=24 * 20).decode(contents)
    with pytest.raises(ImageError, match="over-large: pixels 480 where max_pixels=479"):
        Preprocessing((6, 4), max_pixels=24 * 20 - 1).decode(contents)


def test_a_gif_cannot_hide_a_large_frame_behind_a_small_screen():
    contents = with_bytes(encode(SMOOTH, "GIF"), 6, struct.pack("<HH", 1, 1))
    with pytest.raises(ImageError, match="over-large"):
        Preprocessing((6, 4), max_pixels=HEIGHT * WIDTH - 1).decode(contents)


@pytest.mark.parametrize(
    ("bad", "contents", "reason"),
    [(0, b"", "empty"), (64, b"", "empty"), (69, png_header(60_000, 60_000), "over-large")],
)
def test_one_unusable_file_among_many_is_named(
    bad: int, contents: bytes, reason: str, tmp_path: Path
):
    paths = write(tmp_path, 70)
    paths[bad].write_bytes(contents)
    with pytest.raises(ImageError, match=reason) as caught:
        load_images(paths, SMALL, verbose=False)
    assert str(caught.value).startswith(f"{paths[bad]} ")


# --- Finding


def test_all_missing_images_come_in_one_error(tmp_path: Path):
    (tmp_path / "Ada").mkdir()
    samples = [lfw_sample("Ada", i) for i in range(1, 31)]
    for sample in samples[::6]:
        (tmp_path / sample.path).touch()
    with pytest.raises(FileNotFoundError) as caught:
        find_files(tmp_path, samples)
    message = str(caught.value)
    assert message.startswith("25 of 30 images are missing:")
    missing = [str(tmp_path / sample.path) for i, sample in enumerate(samples) if i % 6]
    assert [line.strip() for line in message.splitlines()[1:11]] == missing[:10]
    assert missing[10] not in message
    assert "and 15 more" in message
    assert f"images_root={tmp_path}" in message


def test_a_folder_named_as_a_image_is_missing(tmp_path: Path):
    sample = lfw_sample("Ada", 1)
    (tmp_path / sample.path).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="1 of 1 images"):
        find_files(tmp_path, [sample])


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".gif", ".jpeg", ".JPG", ".PNG"])
def test_an_image_may_have_another_ending_than_lfws(suffix: str, tmp_path: Path):
    sample = lfw_sample("Ada", 1)
    (tmp_path / "Ada").mkdir()
    other = (tmp_path / sample.path).with_suffix(suffix)
    other.touch()
    assert find_files(tmp_path, [sample]) == [other]
    (tmp_path / sample.path).touch()
    assert find_files(tmp_path, [sample]) == [tmp_path / sample.path]


# --- Loading


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The contents of every file that is decoded from here on."""
    contents: list[bytes] = []
    decode = Preprocessing.decode_tensor

    def note(one: bytes) -> bytes:
        contents.append(one)
        return one

    def noting(self: Preprocessing, one: tf.Tensor) -> tf.Tensor:
        return decode(self, tf.ensure_shape(tf.numpy_function(note, [one], tf.string), ()))

    monkeypatch.setattr(Preprocessing, "decode_tensor", noting)
    return contents


@pytest.mark.parametrize("cached", [False, True])
def test_each_file_is_decoded_once_and_lies_at_its_index(
    cached: bool, decoded: list[bytes], tmp_path: Path
):
    paths = write(tmp_path, 70)[::-1]
    pixels = load_images(paths, SMALL, cache=tmp_path / "cache" if cached else None, verbose=False)
    assert (pixels.shape, pixels.dtype) == ((70, 6, 4, 1), np.uint8)
    np.testing.assert_array_equal(pixels[:, 0, 0, 0], np.arange(70, 0, -1))
    assert np.ptp(pixels, axis=(1, 2, 3)).max() == 0
    assert sorted(decoded) == sorted(path.read_bytes() for path in paths)


def test_many_files_are_decoded_as_each_alone(tmp_path: Path):
    paths = [tmp_path / kind for kind in ENCODED]
    for path in paths:
        path.write_bytes(ENCODED[path.name])
    preprocessing = Preprocessing((9, 8), channels=3, center_crop=(30, 30))
    pixels = load_images(paths, preprocessing, verbose=False)
    np.testing.assert_array_equal(pixels, [preprocessing.decode(one) for one in ENCODED.values()])


def test_progress_is_shown_unless_it_is_not_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    paths = write(tmp_path, 70)
    load_images(paths, SMALL, verbose=False)
    assert capsys.readouterr().out == ""
    load_images(paths, SMALL)
    shown = capsys.readouterr().out
    assert "64/70" in shown
    assert "70/70" in shown


def test_a_file_name_that_is_not_utf8_is_read(tmp_path: Path):
    path = tmp_path / os.fsdecode(b"Jos\xe9.png")
    try:
        path.write_bytes(encode(NOISE, "PNG"))
    except OSError:
        pytest.skip("This file system takes UTF-8 names only.")
    pixels = load_images([path], unsized(3, NOISE.shape), verbose=False)
    np.testing.assert_array_equal(pixels[0], NOISE)


# --- The cache


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return write(tmp_path, 3)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "made" / "cache"


def load(paths: list[Path], cache: Path | None, preprocessing: Preprocessing = SMALL) -> np.ndarray:
    return load_images(paths, preprocessing, cache=cache, verbose=False)


def test_a_second_call_decodes_nothing(paths: list[Path], cache: Path, decoded: list[bytes]):
    first = load(paths, cache)
    assert len(decoded) == 3
    second = load(paths, cache)
    assert len(decoded) == 3
    np.testing.assert_array_equal(second, first)
    np.testing.assert_array_equal(second, load(paths, None))


def test_cached_pixels_are_mapped_and_read_only(paths: list[Path], cache: Path):
    for _ in range(2):
        pixels = load(paths, cache)
        assert isinstance(pixels, np.memmap)
        assert not pixels.flags.writeable


def test_moved_and_renamed_files_are_found_in_the_cache(
    paths: list[Path], cache: Path, tmp_path: Path, decoded: list[bytes]
):
    first = load(paths, cache)
    (tmp_path / "elsewhere").mkdir()
    moved = [path.rename(tmp_path / "elsewhere" / f"new {path.name}") for path in paths]
    np.testing.assert_array_equal(load(moved, cache), first)
    assert len(decoded) == 3


def change_a_file(paths: list[Path]) -> list[Path]:
    # Of the same length, and as old as before.
    before = paths[1].stat()
    contents = encode(np.full((6, 4), 200, np.uint8), "PNG")
    assert len(contents) == before.st_size
    paths[1].write_bytes(contents)
    os.utime(paths[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    return paths


@pytest.mark.parametrize(
    "change",
    [change_a_file, lambda paths: paths[::-1], lambda paths: paths[:2]],
    ids=["contents", "order", "fewer"],
)
def test_other_files_are_never_given_old_pixels(
    change: Callable[[list[Path]], list[Path]], paths: list[Path], cache: Path
):
    before = load(paths, cache).copy()
    changed = change(paths)
    after = load(changed, cache)
    assert not np.array_equal(after, before)
    np.testing.assert_array_equal(after, load(changed, None))


@pytest.mark.parametrize(
    "other",
    [
        Preprocessing((4, 6)),
        Preprocessing((6, 4), channels=3),
        Preprocessing((6, 4), center_crop=(2, 2)),
    ],
)
def test_other_settings_are_never_given_old_pixels(
    other: Preprocessing, cache: Path, tmp_path: Path
):
    path = tmp_path / "Ada.png"
    path.write_bytes(encode(NOISE, "PNG"))
    for preprocessing in (SMALL, other, SMALL):
        pixels = load([path], cache, preprocessing)
        np.testing.assert_array_equal(pixels[0], preprocessing.decode(path.read_bytes()))


def test_a_tighter_limit_holds_for_cached_images_too(paths: list[Path], cache: Path):
    load(paths, cache)
    with pytest.raises(ImageError, match="over-large"):
        load(paths, cache, Preprocessing((6, 4), max_pixels=23))


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:-1],
        lambda whole: whole[:20],
        lambda whole: b"PK\x03\x04" + whole,
        lambda whole: whole.replace(b"}", b" "),
        lambda whole: whole.replace(b"|u1", b"|i1"),
    ],
    ids=["empty", "short", "header", "zip", "bracket", "type"],
)
def test_a_damaged_cache_file_is_made_anew(
    damage: Callable[[bytes], bytes], paths: list[Path], cache: Path
):
    expected = load(paths, cache).copy()
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    kept.unlink()  # Not overwritten: it could be mapped still.
    kept.write_bytes(damage(whole))
    assert kept.read_bytes() != whole
    pixels = load(paths, cache)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, expected)
    assert kept.read_bytes() == whole


def test_an_interrupted_write_leaves_nothing(
    paths: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(pixels: np.ndarray, *_: Any):
        pixels[0] = 7
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "_decode_into", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(paths, cache)
    assert list(cache.iterdir()) == []
    np.testing.assert_array_equal(load(paths, cache)[:, 0, 0, 0], [1, 2, 3])


def test_an_unusable_image_leaves_nothing_in_the_cache(paths: list[Path], cache: Path):
    paths[1].write_bytes(b"")
    with pytest.raises(ImageError, match="empty"):
        load(paths, cache)
    assert list(cache.iterdir()) == []


# --- The range of pixels


def test_whole_numbers_are_divided_by_255():
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    scaled = scale(every)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, (every / 255).astype(np.float32))
    assert scaled.min() == 0
    assert scaled.max() == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_scaled_pixels_stay(dtype: type):
    pixels = np.linspace(0, 1, 12).reshape(2, 6).astype(dtype)
    scaled = scale(pixels)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, pixels.astype(np.float32))


def test_no_pixels_stay_none():
    assert scale(np.empty((0, 6, 4, 1))).shape == (0, 6, 4, 1)


@pytest.mark.parametrize("value", [255.0, 1.001, -0.001, np.nan, np.inf])
def test_floating_point_pixels_outside_0_and_1_are_refused(value: float):
    with pytest.raises(ValueError, match=r"\[0, 1\].*Received"):
        scale(np.array([0.0, value, 1.0]))


@pytest.mark.parametrize("pixels", [np.array([0, 1]), np.array([True]), np.array([0], np.int8)])
def test_pixels_of_another_type_are_refused(pixels: np.ndarray):
    with pytest.raises(ValueError, match=f"Received: dtype={pixels.dtype}"):
        scale(pixels)


def test_an_ending_that_is_not_known_is_a_part_of_the_name(tmp_path: Path):
    (tmp_path / "Ada").mkdir()
    (tmp_path / "Ada" / "scan.jpg").touch()
    assert find_files(tmp_path, [Sample("Ada", "scan")]) == [tmp_path / "Ada" / "scan.jpg"]
    with pytest.raises(FileNotFoundError, match="2 of 2 images are missing"):
        find_files(tmp_path, [Sample("Ada", "scan.1"), Sample("Ada", "scan.2")])


@pytest.mark.parametrize("name", ["image_size", "center_crop"])
@pytest.mark.parametrize("size", [(105.7, 105), ("105", 105), (0, 105)])
def test_pixels_are_counted_in_whole_numbers(name: str, size: tuple):
    with pytest.raises(ValueError, match=f"`{name}` must be .* whole numbers. Received: {name}="):
        Preprocessing(**{name: size})
