"""Tests of embeddings of images in any form."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from verifiers import FACE_SIZE

import siamese_verify as sv
from siamese_verify.data.decoding import ImageError
from siamese_verify.data.reading import read_image


def test_an_image_may_be_given_in_many_ways(
    verifier: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    path, other = paths[0]
    expected = verifier.embed([path])
    opened = PIL.Image.open(path)
    with path.open("rb") as file:
        ways = [str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), file, opened]
        ways += [opened.convert("RGB"), np.asarray(opened.convert("L"))]
        ways += [np.asarray(opened.convert("L")).astype(np.float64) / 255]
        for way in ways:
            # Other decoders round grey differently by a level or two.
            np.testing.assert_allclose(verifier.embed([way]), expected, atol=0.02)
    # Pixels as a network sees them are taken as they are.
    pixels = verifier.preprocessing.decode(path.read_bytes())
    np.testing.assert_array_equal(verifier.embed([pixels]), expected)
    np.testing.assert_array_equal(verifier.embed([pixels / 255]), expected)
    assert verifier.verify(pixels, other) == verifier.verify(path, other)


def test_an_array_is_cropped_and_resized_as_a_file() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    png = io.BytesIO()
    PIL.Image.fromarray(image).save(png, "png")
    for preprocessing in (
        sv.Preprocessing((16, 16), 3),
        sv.Preprocessing((16, 16), 3, center_crop=(40, 30)),
    ):
        expected = preprocessing.decode(png.getvalue())
        np.testing.assert_array_equal(read_image(image, preprocessing), expected)
        with_alpha = np.dstack([image, np.full((60, 50), 255, np.uint8)])
        np.testing.assert_array_equal(read_image(with_alpha, preprocessing), expected)


@pytest.mark.parametrize(
    ("image", "error", "match"),
    [
        (np.full(FACE_SIZE, 255.0), ImageError, "Divide pixels by 255"),
        (np.full(FACE_SIZE, np.nan), ImageError, r"lie in \[0, 1\]"),
        (np.full(FACE_SIZE, 7, np.int64), ImageError, "dtype=int64"),
        (np.zeros((2, *FACE_SIZE, 1), np.uint8), ImageError, r"shape \(2, 24, 24, 1\)"),
        (np.zeros((24, 24, 2), np.uint8), ImageError, r"shape \(24, 24, 2\)"),
        (np.zeros((0, 24), np.uint8), ImageError, r"shape \(0, 24\)"),
        (b"no image", ImageError, "not a JPEG, PNG, BMP, GIF or WebP"),
        ("nowhere.jpg", FileNotFoundError, r"nowhere\.jpg"),
        (io.StringIO("text"), TypeError, "binary mode"),
        (7, TypeError, "Received: int"),
    ],
)
def test_something_else_than_an_image_raises(
    verifier: sv.Verifier, image: object, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        verifier.embed([image])


def test_one_image_without_a_list_raises(
    enrolled: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    before = enrolled.gallery.names
    path = paths[0][0]
    array = np.zeros((*FACE_SIZE, 3), np.uint8)
    image = PIL.Image.fromarray(array)
    for one in (path, str(path), path.read_bytes(), io.BytesIO(), array, image):
        with pytest.raises(TypeError, match="must be in a list, even a single image"):
            enrolled.embed(one)
        with pytest.raises(TypeError, match="must be in a list, even a single image"):
            enrolled.enroll({"Eve": [path], "Bob": one})
    assert enrolled.gallery.names == before


def test_images_may_come_in_one_array(enrolled: sv.Verifier) -> None:
    for shape in ((2, *FACE_SIZE), (2, *FACE_SIZE, 1), (2, *FACE_SIZE, 3)):
        assert enrolled.embed(np.zeros(shape, np.uint8)).shape == (2, 16)
