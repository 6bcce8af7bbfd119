"""Tests of one image in the forms that a user has."""

import io
from pathlib import Path

import numpy as np
import pytest
from encoded_images import ENCODED, NOISE, SMALL, encode
from PIL import Image

from siamese_verify.data.decoding import ImageError
from siamese_verify.data.reading import image_list, read_image


@pytest.mark.parametrize("mode", ["I", "I;16", "F"])
def test_a_pil_image_of_more_than_8_bits_raises_an_error(mode: str):
    with pytest.raises(ImageError, match=rf"Pass the path .*Received: mode {mode}$"):
        read_image(Image.new(mode, (6, 4)), SMALL)


@pytest.mark.parametrize("kind", ENCODED)
def test_every_form_of_a_file_has_the_same_pixels(kind: str, tmp_path: Path):
    contents = ENCODED[kind]
    path = tmp_path / "Ada"
    path.write_bytes(contents)
    expected = SMALL.decode(contents)
    for form in [path, str(path), bytearray(contents), memoryview(contents), io.BytesIO(contents)]:
        np.testing.assert_array_equal(read_image(form, SMALL), expected)
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_image(file, SMALL), expected)


def test_an_array_and_a_pil_image_have_the_pixels_of_their_file():
    expected = SMALL.decode(encode(NOISE, "PNG"))
    for form in [NOISE, Image.fromarray(NOISE)]:
        # TensorFlow decodes a PNG to grey with other rounding than it converts colours.
        pixels = read_image(form, SMALL)
        assert (pixels.shape, pixels.dtype) == (SMALL.shape, np.uint8)
        assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_an_array_of_the_right_shape_stays():
    pixels = np.arange(24, dtype=np.uint8).reshape(6, 4, 1)
    assert read_image(pixels, SMALL) is pixels


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
