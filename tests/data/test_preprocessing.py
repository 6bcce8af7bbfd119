"""Tests of cropping, resizing and the range of pixels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encoded_images import NOISE, by_pillow, encode, largest_difference
from PIL import Image

from siamese_verify.data.decoding import ImageError
from siamese_verify.data.preprocessing import Preprocessing, scale

LFW = Path(__file__).parents[3] / "shared" / "lfw"
needs_lfw = pytest.mark.skipif(not LFW.is_dir(), reason="needs LFW in ../shared/lfw")


def triangle(n_in: int, n_out: int) -> np.ndarray:
    """Weights `(n_out, n_in)` of bilinear resizing, antialiased by a wider triangle."""
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
    assert largest_difference(decoded, expected) <= 0.502  # Rounded to whole numbers.


def test_resizing_agrees_with_pillow():
    decoded = Preprocessing((9, 8), 3).decode(encode(NOISE, "PNG"))
    resized = Image.fromarray(NOISE).resize((8, 9), Image.Resampling.BILINEAR)
    assert largest_difference(decoded, np.asarray(resized)) <= 1  # Pillow rounds twice.


@needs_lfw
@pytest.mark.parametrize("channels", [1, 3])
def test_lfw_is_decoded_and_resized_as_pillow_does(channels: int):
    path = LFW / "lfw2" / "Wendy_Kennedy" / "Wendy_Kennedy_0001.jpg"
    decoded = Preprocessing(channels=channels).decode(path.read_bytes())
    assert decoded.shape == (105, 105, channels)
    expected = by_pillow(path.read_bytes(), Preprocessing(channels=channels))
    assert largest_difference(decoded, expected) <= 1
    assert (decoded == expected).mean() > 0.999


def test_a_brightness_halfway_between_two_levels_is_rounded_up():
    """A mean of two levels that differ by 1, also where floats round it down."""
    for level in range(255):
        halves = np.uint8([[level, level + 1]])
        assert Preprocessing((1, 1)).decode(encode(halves, "PNG")) == level + 1


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
    with pytest.raises(ImageError, match=r"^Ada\.png .*centre crop.* 24 x 20 pixels, center_crop="):
        preprocessing.decode(encode(NOISE, "PNG"), "Ada.png")


@pytest.mark.parametrize(
    "settings",
    [
        *({"image_size": size} for size in [(0, 5), (5, -1), (5,), (5, 5, 1), 105, None, "55"]),
        *({"center_crop": size} for size in [(0, 5), (5,), 105]),
        *({"channels": channels} for channels in [0, 2, 4, True, 1.0]),
        *({"background": colour} for colour in [255, (255, 255), (0, 0, 256), (0, 0, -1)]),
        *({"max_pixels": pixels} for pixels in [0, -1]),
    ],
    ids=str,
)
def test_settings_out_of_range_raise_an_error(settings: dict[str, Any]):
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}=") as caught:
        Preprocessing(**settings)
    assert str(caught.value).endswith(f"{name}={value!r}")


@pytest.mark.parametrize("name", ["image_size", "center_crop"])
@pytest.mark.parametrize("size", [(105.7, 105), ("105", 105), (0, 105)])
def test_pixels_are_counted_in_whole_numbers(name: str, size: tuple):
    with pytest.raises(ValueError, match=f"`{name}` must be .* whole numbers. Received: {name}="):
        Preprocessing(**{name: size})


def test_sizes_given_as_lists_are_the_same_settings():
    tuples = Preprocessing((6, 4), center_crop=(3, 2), background=(0, 0, 0))
    assert Preprocessing([6, 4], center_crop=[3, 2], background=[0, 0, 0]) == tuples
    assert hash(Preprocessing([6, 4], center_crop=[3, 2], background=[0, 0, 0])) == hash(tuples)


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
def test_floating_point_pixels_outside_0_and_1_raise_an_error(value: float):
    with pytest.raises(ValueError, match=r"\[0, 1\].*Received"):
        scale(np.array([0.0, value, 1.0]))


@pytest.mark.parametrize("pixels", [np.array([0, 1]), np.array([True]), np.array([0], np.int8)])
def test_pixels_of_another_type_raise_an_error(pixels: np.ndarray):
    with pytest.raises(ValueError, match=f"Received: dtype={pixels.dtype}"):
        scale(pixels)
