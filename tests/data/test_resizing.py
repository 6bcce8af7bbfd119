"""Tests of the three ways to resize, against Pillow and whole numbers."""

import dataclasses
import io
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from encoded_images import encode, largest_difference
from PIL import Image

from siamese_verify.data.jpeg_graph import jpeg_graph
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.reading import read_image
from siamese_verify.data.resizing import RESIZE_MODES

SHAPES = [(24, 20), (20, 24), (7, 50), (50, 7), (1, 9), (33, 33)]
SIZES = [(10, 10), (12, 30), (30, 12)]
BLUE = (10, 20, 200)


def noise(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(shape).integers(0, 256, (*shape, 3)).astype(np.uint8)


def whole(number: Fraction) -> int:
    """Round a half up, to at least one pixel."""
    return max(1, int(number + Fraction(1, 2)))


def squashed(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))


def letterbox(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    scale = min(Fraction(size[0], image.shape[0]), Fraction(size[1], image.shape[1]))
    height, width = (whole(side * scale) for side in image.shape[:2])
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    frame = np.tile(np.array(BLUE, np.uint8), (*size, 1))
    frame[top : top + height, left : left + width] = squashed(image, (height, width))
    return frame


def crop(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    scale = min(Fraction(image.shape[0], size[0]), Fraction(image.shape[1], size[1]))
    height, width = (whole(side * scale) for side in size)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return squashed(image[top : top + height, left : left + width], size)


BY_FORMULA = {"squash": squashed, "letterbox": letterbox, "crop": crop}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", BY_FORMULA)
def test_each_way_to_resize_is_its_formula(mode: str, size: tuple[int, int]):
    for shape in SHAPES:
        decoded = Preprocessing(size, 3, background=BLUE, resize=mode).prepare(noise(shape))
        assert largest_difference(decoded, BY_FORMULA[mode](noise(shape), size)) <= 1, shape


def test_a_grey_letterbox_has_the_grey_of_the_background():
    decoded = Preprocessing((10, 10), 1, background=BLUE, resize="letterbox").prepare(noise((9, 3)))
    grey = Image.new("RGB", (1, 1), BLUE).convert("L").getpixel((0, 0))
    assert (decoded[:, :3] == grey).all()
    assert (decoded[:, 7:] == grey).all()


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_an_image_of_the_right_size_stays(mode: str):
    decoded = Preprocessing((24, 20), 3, resize=mode).prepare(noise((24, 20)))
    np.testing.assert_array_equal(decoded, noise((24, 20)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_the_graph_and_each_route_have_the_same_pixels(mode: str, channels: int):
    preprocessing = Preprocessing((12, 30), channels, (6, 7), background=BLUE, resize=mode)
    graph = jpeg_graph(preprocessing)
    for shape in [(24, 20), (7, 50), (50, 7)]:
        contents = encode(noise(shape), "JPEG")
        decoded = preprocessing.decode(contents)
        np.testing.assert_array_equal(graph(tf.constant(contents)), decoded)
        image = Image.open(io.BytesIO(contents))
        for form in (io.BytesIO(contents), image, np.asarray(image)):
            assert largest_difference(read_image(form, preprocessing), decoded) <= 1


def test_the_centre_crop_comes_before_each_way_to_resize():
    for mode in RESIZE_MODES:
        preprocessing = Preprocessing((5, 9), 3, resize=mode)
        cropped = dataclasses.replace(preprocessing, center_crop=(10, 8)).prepare(noise((24, 20)))
        np.testing.assert_array_equal(cropped, preprocessing.prepare(noise((24, 20))[7:17, 6:14]))
