"""Tests of data sets of images that are in memory."""

import numpy as np
import pytest
import tensorflow as tf

from siamese_verify.data.decoding import ImageError
from siamese_verify.data.identity_dataset import IdentityDataset
from siamese_verify.data.pair_dataset import PairDataset
from siamese_verify.data.preprocessing import Preprocessing

N = 8
LEFT, RIGHT = np.random.default_rng(0).integers(0, 256, (2, N, 6, 4, 1)).astype(np.uint8)
LABELS = np.arange(N) % 2
FLOATS = LEFT / np.float32(255), RIGHT / np.float32(255)
PLAIN = tf.data.Dataset.from_tensor_slices((FLOATS, LABELS))
COLUMN = tf.data.Dataset.from_tensor_slices((FLOATS, LABELS[:, None]))
INDICES = np.arange(2 * N).reshape(2, N).T


@pytest.mark.parametrize(
    ("images", "arguments"),
    [
        ((LEFT, RIGHT), {"labels": LABELS}),
        (FLOATS, {"labels": LABELS}),
        ((LEFT[..., 0], RIGHT[..., 0]), {"labels": LABELS.tolist()}),
        (np.concatenate([LEFT, RIGHT]), {"labels": LABELS, "indices": INDICES}),
        (PLAIN, {}),
        (PLAIN.batch(3), {}),
        (COLUMN, {}),
        (COLUMN.batch(3), {}),
    ],
    ids=[
        *("uint8", "floats", "grey", "indices", "elements", "batches"),
        *("elements with labels (1,)", "batches with labels (n, 1)"),
    ],
)
def test_arrays_make_the_pairs_that_they_hold(images: object, arguments: dict):
    data = PairDataset.from_arrays(images, **arguments)
    assert data.labels.tolist() == LABELS.tolist()
    assert data.images.dtype == np.uint8
    assert data.preprocessing == Preprocessing((6, 4), 1)
    for side, expected in enumerate((LEFT, RIGHT)):
        np.testing.assert_array_equal(data.images[data.indices[:, side]], expected)
    (left, right), label = next(iter(data.batches(N)))
    np.testing.assert_allclose(left, FLOATS[0], rtol=1e-6)
    np.testing.assert_allclose(right, FLOATS[1], rtol=1e-6)
    assert label.numpy().tolist() == LABELS.tolist()


def test_more_images_than_ten_keep_their_order():
    images = np.arange(30, dtype=np.uint8).reshape(30, 1, 1)
    data = PairDataset.from_arrays(images, [0, 1], indices=[[2, 10], [29, 11]])
    assert data.images[data.indices][:, :, 0, 0, 0].tolist() == [[2, 10], [29, 11]]
    pixels, samples = data.distinct_images()
    assert [str(value) for value in pixels[:, 0, 0, 0]] == [sample.path for sample in samples]


def test_unknown_identities_cannot_be_split_apart():
    data = PairDataset.from_arrays((LEFT, RIGHT), LABELS)
    assert len(data.split(0.5)[1]) == N // 2
    with pytest.raises(ValueError, match=r"identities.*not known.*Received: by='identity'"):
        data.split(0.5, by="identity")


def test_equal_images_of_two_data_sets_have_one_unknown_identity():
    one = PairDataset.from_arrays((LEFT, RIGHT), LABELS)
    other = PairDataset.from_arrays((LEFT[::-1], RIGHT[::-1]), LABELS[::-1])
    new = PairDataset.from_arrays((255 - LEFT, 255 - RIGHT), LABELS)
    assert set(one.pairs.identities) == set(other.pairs.identities)
    assert not set(one.pairs.identities) & set(new.pairs.identities)


def test_known_identities_folds_and_groups_are_kept():
    names = [f"n{i}" for i in range(N)]
    data = PairDataset.from_arrays(
        (LEFT, RIGHT),
        LABELS,
        identities=(names, ["other"] * N),
        folds=[0, 1] * 4,
        groups=["skilled"] * N,
    )
    pair = data.pairs[3]
    assert (pair.left.identity, pair.right.identity) == ("n3", "other")
    assert data.pairs.folds.tolist() == [0, 1] * 4
    assert data.pairs.groups.tolist() == ["skilled"] * N


def test_a_preprocessing_resizes_arrays_as_files():
    wanted = Preprocessing((3, 2), channels=3)
    data = PairDataset.from_arrays((LEFT, RIGHT), LABELS, preprocessing=wanted)
    assert data.images.shape == (2 * N, 3, 2, 3)
    assert data.preprocessing == wanted


@pytest.mark.parametrize(
    ("images", "arguments", "error"),
    [
        (LEFT, {"labels": LABELS}, r"`images` must be a tuple.*Received: ndarray"),
        ((LEFT, RIGHT[1:]), {"labels": LABELS}, r"as many left as right.*\(7, 6, 4, 1\)"),
        ((LEFT, RIGHT), {"labels": LABELS[1:]}, r"`labels` must be.*\(7,\)"),
        ((LEFT, RIGHT), {"labels": LABELS + 1}, r"`labels` must be 1 or 0"),
        ((LEFT, RIGHT), {}, "`labels` must be given"),
        (LEFT, {"labels": [1], "indices": [[0, N]]}, "`indices` must be rows of the 8"),
        ((LEFT + 0.0, RIGHT + 0.0), {"labels": LABELS}, r"must lie in \[0, 1\]"),
        (PLAIN.repeat(), {}, "has no end"),
        (PLAIN, {"labels": LABELS}, "its own labels"),
        (PLAIN.map(lambda two, label: two), {}, r"\(\(left, right\), label\)"),
    ],
)
def test_what_does_not_fit_raises_an_error(images: object, arguments: dict, error: str):
    with pytest.raises((TypeError, ValueError), match=error):
        PairDataset.from_arrays(images, **arguments)


def test_arrays_with_identities_make_an_identity_data_set():
    data = IdentityDataset.from_arrays(FLOATS[0], [7, 8] * 4)
    assert data.identities == ("7", "8")
    np.testing.assert_array_equal(data.images, LEFT)
    with pytest.raises(ValueError, match="Received: 3 identities for 8 images"):
        IdentityDataset.from_arrays(LEFT, ["a", "b", "c"])
    with pytest.raises(TypeError, match="`identities` must be one name"):
        IdentityDataset.from_arrays(LEFT, "a")


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan")])
def test_a_missing_identity_is_not_a_name(missing: object):
    with pytest.raises(ValueError, match=r"Received: identities=.* of images 1, 3"):
        IdentityDataset.from_arrays(LEFT[:4], ["Ada", missing, "Bob", missing])


def test_an_image_that_cannot_be_used_is_numbered():
    images = [*LEFT[:2], np.zeros((6, 4, 7), np.uint8), LEFT[3]]
    with pytest.raises(ImageError, match=r"Image 2 cannot be used\. .*Received: shape \(6, 4, 7\)"):
        IdentityDataset.from_arrays(images, list("ABAB"), preprocessing=Preprocessing((6, 4)))
