"""Tests of images in several arrays, which are indexed as one array."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamese_verify.data.stored_images import StoredImages, images_at

RNG = np.random.default_rng(0)
PARTS = [RNG.integers(0, 256, (n, 3, 2, 1)).astype(np.uint8) for n in (4, 1, 7)]
PART = np.array([2, 0, 2, 1, 0, 2, 2, 0])
ROW = np.array([6, 0, 0, 0, 3, 1, 0, 1])
WHOLE = np.stack([PARTS[part][row] for part, row in zip(PART, ROW, strict=True)])
IMAGES = StoredImages(PARTS, PART, ROW)

INDICES = (
    *(0, -1, np.int64(3), slice(None), slice(5, 1, -2), slice(3, 3), [1, 1, 7]),
    *(np.array([], int), WHOLE[:, 0, 0, 0] > 99, np.array([[0, 1], [2, 2]])),
    *((slice(None), 0, 0, 0), (..., 0), (2, 1)),
)


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_an_index_selects_as_in_one_array(index: object):
    np.testing.assert_array_equal(IMAGES[index], WHOLE[index])
    assert IMAGES[index].dtype == np.uint8


@given(st.lists(st.integers(-8, 7)))
def test_rows_are_gathered_in_their_order(rows: list[int]):
    np.testing.assert_array_equal(IMAGES[np.array(rows, int)], WHOLE[np.array(rows, int)])


def test_all_images_become_one_array():
    assert (len(IMAGES), IMAGES.shape, IMAGES.dtype) == (8, (8, 3, 2, 1), np.uint8)
    np.testing.assert_array_equal(np.asarray(IMAGES), WHOLE)
    np.testing.assert_array_equal(list(IMAGES), WHOLE)
    assert np.asarray(IMAGES, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copy"):
        IMAGES.__array__(copy=False)


@pytest.mark.parametrize("index", [8, -9, [0, 8]])
def test_a_row_out_of_range_raises_an_error(index: object):
    with pytest.raises(IndexError, match="out of bounds"):
        IMAGES[index]


@pytest.mark.parametrize("images", [IMAGES, WHOLE], ids=["stored", "array"])
def test_a_selection_reads_no_pixels(images: StoredImages | np.ndarray):
    rows = np.array([5, 0, 5])
    selected = images_at(images, rows)
    assert isinstance(selected, StoredImages)
    np.testing.assert_array_equal(selected[:], WHOLE[rows])
    assert np.shares_memory(selected[1], PARTS[2] if images is IMAGES else WHOLE)
