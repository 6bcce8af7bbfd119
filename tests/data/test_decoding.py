"""Tests of decoding: Pillow's pixels, and files that cannot be used."""

import dataclasses
import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from encoded_images import (
    ENCODED,
    HEIGHT,
    NOISE,
    SMALL,
    SMOOTH,
    WIDTH,
    bmp_with_alpha,
    by_pillow,
    encode,
    largest_difference,
    png_header,
    unsized,
    with_bytes,
)
from PIL import Image

from siamese_verify.data.decoding import ImageError
from siamese_verify.data.preprocessing import Preprocessing


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ENCODED)
def test_a_file_of_each_format_is_decoded_as_pillow_does(kind: str, channels: int):
    size = Image.open(io.BytesIO(ENCODED[kind])).size[::-1]
    preprocessing = Preprocessing(size, channels)
    decoded = preprocessing.decode(ENCODED[kind])
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, by_pillow(ENCODED[kind], preprocessing))


def test_a_transparent_pixel_has_the_colour_of_the_background():
    drawing = encode(np.dstack([SMOOTH, 0 * SMOOTH[..., 0]]), "PNG")
    assert (unsized(3).decode(drawing) == 255).all()
    blue = dataclasses.replace(unsized(3), background=(3, 20, 200))
    assert (blue.decode(drawing) == (3, 20, 200)).all()


def test_two_drawings_in_black_ink_on_nothing_differ():
    rng = np.random.default_rng(0)
    inks = 255 * (rng.random((2, HEIGHT, WIDTH)) < 0.2).astype(np.uint8)
    one, other = (unsized(1).decode(encode(np.dstack([0 * SMOOTH, ink]), "PNG")) for ink in inks)
    assert (one != other).mean() > 0.2


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
    np.testing.assert_array_equal(by_pillow(top_down, unsized(3)), SMOOTH)
    np.testing.assert_array_equal(unsized(3).decode(top_down), SMOOTH)
    np.testing.assert_array_equal(unsized(1).decode(top_down), unsized(1).decode(bottom_up))


UNUSUAL_BMP = {
    "palette": encode(SMOOTH, "BMP", "P"),
    "black and white": encode(SMOOTH, "BMP", "1"),
    # Each row is one run of 60 pixels, whose colour is the row's number. The end mark follows.
    "run-length encoding": with_bytes(
        encode(SMOOTH, "BMP", "L")[: 54 + 1024], 30, struct.pack("<I", 1)
    )
    + b"".join(bytes([WIDTH, row, 0, 0]) for row in range(HEIGHT))
    + b"\0\1",
    "alpha between the colours": bmp_with_alpha((0xFF000000, 0xFF00, 0xFF, 0xFF0000)),
    "red first": bmp_with_alpha((0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
    "masks of nothing": bmp_with_alpha((0, 0, 0, 0)),
    # Marked as run-length encoded, but of the size that it has without.
    "run-length encoding of full size": with_bytes(
        encode(SMOOTH, "BMP", "L"), 30, struct.pack("<I", 1)
    ),
}


@pytest.mark.parametrize("kind", UNUSUAL_BMP)
def test_an_unusual_bmp_is_decoded_as_pillow_does_or_raises(kind: str):
    try:
        decoded = unsized(3).decode(UNUSUAL_BMP[kind])
    except ImageError:
        return
    np.testing.assert_array_equal(decoded, by_pillow(UNUSUAL_BMP[kind], unsized(3)))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF"])
def test_bytes_after_the_end_of_an_image_do_not_matter(file_format: str):
    contents = encode(NOISE, file_format)
    preprocessing = unsized(3, NOISE.shape)
    padded = preprocessing.decode(contents + b"\0" * 5)
    np.testing.assert_array_equal(padded, preprocessing.decode(contents))


def gif_header(width: int, height: int) -> bytes:
    size = struct.pack("<HH", width, height)
    return b"GIF89a" + size + b"\0\0\0," + b"\0" * 4 + size + b"\0\x08\0;"


def bmp_header(width: int, height: int) -> bytes:
    size = struct.pack("<iii", 40, width, height)
    return b"BM" + b"\0" * 12 + size + b"\1\0\x18\0" + b"\0" * 24


def jpeg_header(width: int, height: int) -> bytes:
    whole = encode(NOISE, "JPEG")
    frame = whole.index(b"\xff\xc0")  # Marker, length, precision, height, width.
    return with_bytes(whole, frame + 5, struct.pack(">HH", height, width))


UNUSABLE = {
    "empty": (b"", "the file is empty"),
    "text": (b"no image", "not a JPEG, PNG, BMP, GIF or WebP"),
    "sound": (b"RIFF\4\0\0\0WAVE", "a RIFF file that is not a WebP"),
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
def test_a_file_truncated_anywhere_raises_an_error(file_format: str):
    contents = encode(NOISE, file_format)
    ends = {*range(1, 40), *range(40, len(contents), 31), *range(len(contents) - 16, len(contents))}
    for end in ends:
        with pytest.raises(ImageError, match=r"^Ada "):
            SMALL.decode(contents[:end], "Ada")


def test_an_animation_truncated_after_its_first_frame_raises_an_error():
    first, *more = (Image.fromarray(NOISE[..., i]) for i in range(3))
    animation = encode(first, "GIF", save_all=True, append_images=more)
    second_frame = animation.rindex(b"\x21\xf9\x04", 0, animation.rindex(b"\x21\xf9\x04"))
    with pytest.raises(ImageError, match=r"^Ada "):
        SMALL.decode(animation[:second_frame], "Ada")


@pytest.mark.parametrize(
    "header",
    [
        *(png_header(60_000, 60_000), png_header(2**31 - 1, 2**31 - 1), gif_header(60_000, 60_000)),
        *(bmp_header(60_000, 60_000), bmp_header(60_000, -60_000), bmp_header(2**31 - 1, -(2**31))),
        jpeg_header(60_000, 60_000),
    ],
    ids=["PNG", "largest PNG", "GIF", "BMP", "top-down BMP", "largest BMP", "JPEG"],
)
def test_a_header_that_claims_too_many_pixels_raises_an_error_before_decoding(header: bytes):
    # Whatever follows the header is absent or does not fit: decoding would report that instead.
    with pytest.raises(
        ImageError, match=r"^Ada .*over-large: [0-9,]+ pixels where max_pixels=50,000,000"
    ):
        SMALL.decode(header, "Ada")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP"])
def test_max_pixels_is_the_most_that_a_file_may_hold(file_format: str):
    contents = encode(NOISE, file_format)
    Preprocessing((6, 4), max_pixels=24 * 20).decode(contents)
    with pytest.raises(ImageError, match="over-large: 480 pixels where max_pixels=479"):
        Preprocessing((6, 4), max_pixels=24 * 20 - 1).decode(contents)


def test_a_gif_cannot_hide_a_large_frame_behind_a_small_screen():
    contents = with_bytes(encode(SMOOTH, "GIF"), 6, struct.pack("<HH", 1, 1))
    with pytest.raises(ImageError, match="over-large"):
        Preprocessing((6, 4), max_pixels=HEIGHT * WIDTH - 1).decode(contents)


def progressive(n_more_scans: int) -> bytes:
    whole = encode(SMOOTH, "JPEG", progressive=True)
    last_scan = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + n_more_scans * last_scan + b"\xff\xd9"


def test_the_scans_of_a_jpeg_are_bounded():
    assert progressive(0).count(b"\xff\xda") == 10
    unsized(3).decode(progressive(0))
    with pytest.raises(ImageError, match="more than 32 scans"):
        unsized(3).decode(progressive(300))


def test_scan_markers_outside_of_the_image_do_not_count():
    whole = encode(SMOOTH, "JPEG")
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 100 * 4) + 100 * b"\xff\xda\0\2"
    for contents in (whole[:2] + comment + whole[2:], whole + 100 * b"\xff\xda\0\2"):
        np.testing.assert_array_equal(unsized(3).decode(contents), unsized(3).decode(whole))


def test_the_bytes_of_a_file_are_bounded_by_max_pixels():
    contents = encode(NOISE, "PNG")
    preprocessing = Preprocessing((6, 4), max_pixels=24 * 20)
    limit = 8 * 24 * 20 + 2**20
    preprocessing.decode(contents.ljust(limit, b"\0"))
    with pytest.raises(ImageError, match=rf"{limit + 1:,} bytes, where {limit:,} suffice"):
        preprocessing.decode(contents.ljust(limit + 1, b"\0"))


def test_later_frames_of_a_gif_cost_nothing():
    """A second frame of 60,000 x 60,000 is not decoded."""
    first = encode(Image.fromarray(NOISE), "GIF")
    huge = b"," + struct.pack("<4HB", 0, 0, 60_000, 60_000, 0) + b"\x08\2\0\1\0"
    animation = first[:-1] + huge + b";"
    preprocessing = unsized(3, NOISE.shape)
    np.testing.assert_array_equal(preprocessing.decode(animation), preprocessing.decode(first))


@pytest.mark.parametrize("damage", ["cut", "zeroed"])
def test_a_damaged_jpeg_raises_an_error_with_the_extra(damage: str):
    pytest.importorskip("simplejpeg")
    for seed in range(20):
        noise = np.random.default_rng(seed).integers(0, 256, (25, 25, 3), np.uint8)
        whole = encode(Image.fromarray(noise).resize((250, 250)), "JPEG", quality=90)
        unsized(3).decode(whole)
        middle = len(whole) // 2
        cut = whole[:middle] + b"\xff\xd9"
        zeroed = whole[:middle] + bytes(2_000) + whole[middle + 2_000 :]
        with pytest.raises(ImageError, match="cannot be read"):
            unsized(3).decode(cut if damage == "cut" else zeroed)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_in_colours_of_print_decodes_with_the_extra(subsampling: int):
    pytest.importorskip("simplejpeg")
    print_colours = Image.fromarray(NOISE).convert("CMYK")
    contents = encode(print_colours, "JPEG", subsampling=subsampling)
    preprocessing = unsized(3)
    difference = largest_difference(
        preprocessing.decode(contents), by_pillow(contents, preprocessing)
    )
    assert difference <= 1


def test_memory_that_does_not_suffice_is_not_an_image_error(monkeypatch: pytest.MonkeyPatch):
    def exhausted(*_: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(tf.io, "decode_png", exhausted)
    with pytest.raises(MemoryError, match=r"decode Ada\.png"):
        SMALL.decode(encode(NOISE, "PNG"), "Ada.png")
    with pytest.raises(MemoryError, match="resize An array"):
        Preprocessing((10**9, 10**9)).prepare(NOISE, "An array")
