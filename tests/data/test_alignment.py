"""Tests of `align`: what it gets, what it may return, and the name by which it is found again."""

import functools
import io
import json
import re

import keras
import numpy as np
import pytest
from encoded_images import NOISE, RGBA, SMOOTH, encode, unsized, with_exif, write_greys
from PIL import Image

from siamese_verify.data.decoding import ImageError
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.reading import read_image
from siamese_verify.data.store import load_images


def upper_half(image: np.ndarray) -> np.ndarray:
    return image[: len(image) // 2]


@keras.saving.register_keras_serializable("tests", "darker")
def darker(image: np.ndarray) -> np.ndarray:
    image //= 2
    return image


def failing(image: np.ndarray) -> np.ndarray:
    raise KeyError("no face")


def listing(image: np.ndarray) -> list:
    return image.tolist()


def grey(image: np.ndarray) -> np.ndarray:
    return image[..., :1]


def scaled(image: np.ndarray) -> np.ndarray:
    return image / 255


def nothing(image: np.ndarray) -> np.ndarray:
    return image[:0]


def huge(image: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.uint8(0), (10_000, 10_000, 3))


def test_it_gets_upright_opaque_colours_before_cropping_and_resizing():
    preprocessing = Preprocessing((10, 12), 3, center_crop=(10, 12), align=upper_half)
    contents = encode(RGBA, "PNG", exif=with_exif(3))
    upright = unsized(3).decode(contents)
    expected = Preprocessing((10, 12), 3, center_crop=(10, 12)).prepare(upright[:20])
    np.testing.assert_array_equal(preprocessing.decode(contents), expected)


def test_it_is_called_by_every_route(tmp_path):
    preprocessing = Preprocessing((9, 8), align=upper_half)
    path = tmp_path / "image.jpg"
    path.write_bytes(encode(SMOOTH, "JPEG"))
    image = np.asarray(Image.open(path))
    expected = Preprocessing((9, 8)).prepare(upper_half(image))
    for form in (path, path.read_bytes(), io.BytesIO(path.read_bytes()), Image.open(path), image):
        np.testing.assert_array_equal(read_image(form, preprocessing), expected)
    np.testing.assert_array_equal(load_images([path], preprocessing, verbose=False)[0][0], expected)


def test_it_may_change_its_image_in_place():
    mine = NOISE.copy()
    aligned = Preprocessing(NOISE.shape[:2], 3, align=darker).prepare(mine)
    np.testing.assert_array_equal(mine, NOISE)
    np.testing.assert_array_equal(aligned, NOISE // 2)


def test_a_function_that_fails_is_named_with_the_image():
    with pytest.raises(
        ImageError, match=r"^Ada\.png cannot be aligned: .*>failing raised KeyError: 'no face'"
    ):
        Preprocessing(align=failing).decode(encode(NOISE, "PNG"), "Ada.png")


@pytest.mark.parametrize(
    ("align", "received"),
    [
        (listing, "list"),
        (grey, "uint8 array of shape (24, 20, 1)"),
        (scaled, "float64 array of shape (24, 20, 3)"),
        (nothing, "uint8 array of shape (0, 20, 3)"),
        (huge, "uint8 array of shape (10000, 10000, 3)"),
    ],
)
def test_anything_but_colours_is_named_with_the_image(align, received: str):
    with pytest.raises(
        ImageError,
        match=rf"^Ada .*>{align.__name__} must return a uint8 .*{re.escape(received)}$",
    ):
        Preprocessing(align=align).decode(encode(NOISE, "PNG"), "Ada")


@pytest.mark.parametrize(
    "align",
    [lambda image: image, functools.partial(grey), "text".join],
    ids=["lambda", "partial", "method"],
)
def test_a_function_that_no_other_process_could_find_raises(align):
    with pytest.raises(ValueError, match=r"`align` must have a name .*register.*Received: align="):
        Preprocessing(align=align)


def test_a_local_function_raises_until_it_is_registered():
    def local(image):
        return image

    with pytest.raises(ValueError, match="a local function"):
        Preprocessing(align=local)
    keras.saving.register_keras_serializable("tests", "local")(local)
    assert Preprocessing(align=local).to_dict()["align"] == "tests>local"


def test_anything_callable_can_be_registered():
    detector = functools.partial(np.flip, axis=1)
    keras.saving.get_custom_objects()["tests>detector"] = detector
    preprocessing = Preprocessing(NOISE.shape[:2], 3, align=detector)
    np.testing.assert_array_equal(preprocessing.prepare(NOISE), NOISE[:, ::-1])
    assert Preprocessing.from_dict(preprocessing.to_dict()) == preprocessing


def test_something_else_than_a_function_raises():
    with pytest.raises(TypeError, match=r"`align` must be a function. Received: align='crop'"):
        Preprocessing(align="crop")


@pytest.mark.parametrize("align", [None, darker, upper_half])
@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_settings_stay_the_same_as_json(align, resize: str):
    preprocessing = Preprocessing((7, 9), 3, (5, 5), 99, (1, 2, 3), resize, align)
    settings = json.loads(json.dumps(preprocessing.to_dict()))
    assert Preprocessing.from_dict(settings) == preprocessing


def test_settings_at_their_default_are_those_of_earlier_versions():
    assert [*Preprocessing().to_dict()] == [
        *("image_size", "channels", "center_crop", "max_pixels", "background")
    ]


@pytest.mark.parametrize("name", ["faces>upright", "os>system", "builtins>exec", 5, None, ["a"]])
def test_a_file_cannot_name_a_function_that_is_not_registered(name):
    with pytest.raises(
        ValueError, match=r"aligned by .*which this process does not know.*register"
    ):
        Preprocessing.from_dict({**Preprocessing().to_dict(), "align": name})


def test_a_file_cannot_name_a_class():
    keras.saving.get_custom_objects()["tests>Aligner"] = type("Aligner", (), {})
    with pytest.raises(ValueError, match="aligned by 'tests>Aligner'"):
        Preprocessing.from_dict({"align": "tests>Aligner"})


def test_a_cache_is_not_shared_with_other_settings(tmp_path):
    paths = write_greys(tmp_path, 2)
    for preprocessing in (
        Preprocessing((6, 4)),
        Preprocessing((6, 4), align=darker),
        Preprocessing((6, 4), resize="crop"),
    ):
        load_images(paths, preprocessing, cache=tmp_path / "cache", verbose=False)
    assert len([*(tmp_path / "cache").glob("*.images")]) == 3
