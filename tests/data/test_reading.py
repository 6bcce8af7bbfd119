"""Tests of one image in the forms that a user has."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from encoded_images import ENCODED, NOISE, SMALL, by_pillow, encode
from PIL import Image

from siamese_verify.data.decoding import ImageError
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.reading import image_list, read_image


@pytest.mark.parametrize("mode", ["I", "I;16", "F"])
def test_a_pil_image_of_more_than_8_bits_raises_an_error(mode: str):
    with pytest.raises(ImageError, match=rf"Pass the path .*Received: mode {mode}$"):
        read_image(Image.new(mode, (6, 4)), SMALL)


CROPPED = Preprocessing((6, 4), center_crop=(10, 12))


@pytest.mark.parametrize("preprocessing", [SMALL, CROPPED], ids=["whole", "cropped"])
@pytest.mark.parametrize("kind", ENCODED)
def test_every_form_of_a_file_has_the_same_pixels(
    kind: str, preprocessing: Preprocessing, tmp_path: Path
):
    contents = ENCODED[kind]
    path = tmp_path / "Ada"
    path.write_bytes(contents)
    expected = by_pillow(contents, preprocessing)
    forms = [path, str(path), contents, bytearray(contents), memoryview(contents)]
    for form in [*forms, io.BytesIO(contents), Image.open(io.BytesIO(contents))]:
        np.testing.assert_array_equal(read_image(form, preprocessing), expected)
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_image(file, preprocessing), expected)
    array = np.asarray(Image.open(io.BytesIO(contents)).convert("RGBA"))
    for form in [array, array / 255, array.astype(np.float32) / 255]:
        np.testing.assert_array_equal(read_image(form, preprocessing), expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "HSV"])
def test_a_pil_image_of_any_mode_has_the_pixels_that_pil_shows(mode: str):
    image = Image.fromarray(NOISE).convert("RGBA").convert(mode)
    expected = read_image(np.asarray(image.convert("RGBA")), SMALL)
    np.testing.assert_array_equal(read_image(image, SMALL), expected)


def test_an_array_of_the_final_shape_is_cropped_too():
    pixels = np.arange(24, dtype=np.uint8).reshape(6, 4, 1)
    np.testing.assert_array_equal(read_image(pixels, SMALL), pixels)
    cropped = Preprocessing((6, 4), center_crop=(2, 2))
    np.testing.assert_array_equal(
        read_image(pixels, cropped), read_image(encode(pixels[..., 0], "PNG"), cropped)
    )


def test_a_pil_image_that_cannot_be_used_raises_an_image_error():
    truncated = Image.open(io.BytesIO(encode(NOISE, "JPEG")[:-100]))
    with pytest.raises(ImageError, match=r"A PIL image cannot be used\. image file is truncated"):
        read_image(truncated, SMALL)
    with pytest.raises(ImageError, match=r"over-large.* 480 pixels where max_pixels=479"):
        read_image(Image.fromarray(NOISE), Preprocessing((6, 4), max_pixels=479))
    with pytest.raises(ImageError, match=r"has no pixels\. Received: 0 x 5"):
        read_image(Image.new("RGB", (0, 5)), SMALL)
    odd = Image.new("L", (6, 4))
    odd.info["transparency"] = "none"
    with pytest.raises(ImageError, match="A PIL image cannot be used"):
        read_image(odd, SMALL)


def test_only_regular_files_are_read(tmp_path: Path):
    folder = tmp_path / "pipes"
    folder.mkdir()
    pipe = folder / "pipe.png"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/zero", tmp_path):
        with pytest.raises(ImageError, match=f"{path} is not a regular file"):
            read_image(path, SMALL)
    with pytest.raises(ImageError, match="is not a path"):
        read_image("a\0b", SMALL)


def test_a_file_that_is_read_in_parts_is_read_to_its_end():
    contents = encode(NOISE, "PNG")
    read_end, write_end = os.pipe()
    with open(read_end, "rb", buffering=0) as file, open(write_end, "wb") as pipe:

        class Parts(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                return super().read(100)

        pipe.write(contents)
        pipe.close()
        for parts in (Parts(contents), file):
            np.testing.assert_array_equal(read_image(parts, SMALL), read_image(contents, SMALL))


def test_a_file_of_any_size_is_refused_without_reading_it(tmp_path: Path):
    sparse = tmp_path / "sparse.png"
    with sparse.open("wb") as file:
        file.truncate(9 << 30)
    with pytest.raises(ImageError, match="too large"):
        read_image(sparse, SMALL)
    with Path("/dev/zero").open("rb") as endless, pytest.raises(ImageError, match="not a JPEG"):
        read_image(endless, Preprocessing((6, 4), max_pixels=24))


@pytest.mark.parametrize("image", [None, 3, [1, 2], {}])
def test_something_that_is_not_an_image_raises_an_error(image: object):
    with pytest.raises(TypeError, match=r"must be a path, bytes.*Received: "):
        read_image(image, SMALL)


def test_a_file_in_text_mode_raises_an_error():
    with pytest.raises(TypeError, match=r"binary mode.*Received: str"):
        read_image(io.StringIO("text"), SMALL)


@pytest.mark.parametrize("shape", [(6,), (6, 4, 2), (1, 6, 4, 1), (0, 4)])
def test_an_array_of_another_shape_raises_an_error(shape: tuple[int, ...]):
    with pytest.raises(ImageError, match=r"must have the shape .*Received: shape \("):
        read_image(np.zeros(shape, np.uint8), SMALL)


@pytest.mark.parametrize("one", ["a.png", Path("a.png"), b"", NOISE, NOISE[..., 0]])
def test_one_image_in_place_of_a_list_raises_an_error(one: object):
    with pytest.raises(TypeError, match=r"must be in a list.*Received: "):
        image_list(one)


@pytest.mark.parametrize("images", [[], ["a.png"], NOISE[None], np.zeros((5, 6, 7))])
def test_a_list_or_a_stack_of_images_stays(images: object):
    assert image_list(images) is images
