"""Tests of the measures of an image, against SciPy and by counting."""

import numpy as np
import pytest
from scipy import ndimage, signal

from siamese_verify.data.stored_images import StoredImages
from siamese_verify.verification.image_measures import LAYOUT_SIDE, limits, measure

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 21, 17, 3), np.uint8)


def test_contrast_and_detail_are_those_of_scipy():
    image = IMAGES[0].mean(axis=2)
    contrast, detail = measure(IMAGES[:1])[0, :2]
    assert contrast == pytest.approx(np.log2(1 + image.std()), rel=1e-5)
    laplacian = signal.convolve2d(image, [[0, 1, 0], [1, -4, 1], [0, 1, 0]], "valid")
    slopes = np.mean(np.diff(image, axis=0) ** 2) + np.mean(np.diff(image, axis=1) ** 2)
    assert detail == pytest.approx(np.log2(np.abs(laplacian).mean() / slopes**0.5), rel=1e-5)


def test_detail_falls_with_blur_and_does_not_depend_on_contrast():
    smooth = ndimage.gaussian_filter(IMAGES[:9].astype(float), (0, 1, 1, 0))
    blurred = ndimage.gaussian_filter(IMAGES[:9].astype(float), (0, 3, 3, 0))
    pale = 100 + smooth / 2
    sharp, less, half = (measure(x)[:, 1] for x in (smooth, blurred, pale))
    assert (less < sharp - 0.5).all()
    assert half == pytest.approx(sharp, abs=1e-3)


@pytest.mark.parametrize("deviation", [5, 20, 40])
def test_noise_is_the_standard_deviation_of_the_noise_that_was_added(deviation):
    plane = 100 + np.add.outer(np.arange(64), np.arange(64)) / 4
    plane[20:40, 20:40] += 30  # An edge is not noise.
    noise = np.random.default_rng(0).normal(0, deviation, (8, 64, 64))
    images = np.round(plane + noise).clip(0, 255).astype(np.uint8)[..., None]
    assert 2 ** measure(images)[:, 2] - 1 == pytest.approx(deviation, rel=0.1)


def test_the_layout_is_the_brightness_of_fields():
    image = np.random.default_rng(0).integers(0, 256, (1, 24, 24, 3), np.uint8)
    fields = image.mean(axis=3).reshape(12, 2, 12, 2).mean(axis=(1, 3)).ravel()
    expected = (fields - fields.mean()) / (fields.std() + 1)
    assert measure(image)[0, 3:] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (2, 40), (5, 3)])
def test_a_small_or_constant_image_has_measures_without_a_warning(shape):
    measures = measure(np.full((2, *shape, 1), 7, np.uint8))
    assert measures.shape == (2, 3 + LAYOUT_SIDE**2)
    assert np.isnan(measures[:, 1]).all()
    assert np.isnan(measures[:, 2]).all() == (min(shape) < 3)
    assert not measures[:, [0, *range(3, 147)]].any()


def test_stored_images_are_measured_block_by_block():
    stored = StoredImages([IMAGES], np.zeros(300, np.int32), np.arange(300))
    assert np.array_equal(measure(stored), measure(IMAGES))
    assert measure(IMAGES[:0]).shape == (0, 147)


def test_limits_hold_nearly_all_values_and_reach_beyond_few():
    values = np.random.default_rng(0).normal(size=100_000)
    low, high = limits(values)
    assert np.mean((values < low) | (values > high)) < 0.01
    low, high = limits(values[:30])  # Beyond three deviations, though no value is.
    assert low < values[:30].min() < values[:30].max() < high
    assert limits(np.array([np.nan, 1.0])) == (1.0, 1.0)
    assert limits(np.full(3, np.nan))[0] < -1e6
