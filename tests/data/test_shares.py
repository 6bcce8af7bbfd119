"""Tests of the shares of batches, against the whole batches."""

import numpy as np
import pytest
from encoded_images import encode
from hypothesis import given
from hypothesis import strategies as st

import siamese_verify as sv
from siamese_verify.data.batching import streams_of
from siamese_verify.data.shares import WHOLE, Share

IMAGES = np.random.default_rng(0).integers(0, 256, (26, 12, 10, 1), np.uint8)
DATA = sv.IdentityDataset.from_arrays(IMAGES, [i // 2 for i in range(26)])
STRONG = sv.Augmentation(probability=0.8, brightness=0.3, contrast=0.3, erasing=0.6, flip=True)


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 5), st.integers(1, 3))
def test_the_shares_of_a_batch_hold_each_row_once(parts, devices, n_each, sides):
    n = parts * devices * n_each
    shares = [Share(number, parts, parts * devices) for number in range(parts)]
    rows = np.concatenate([share.rows(sides * n, n).reshape(sides, -1) for share in shares], axis=1)
    np.testing.assert_array_equal(rows.ravel(), np.arange(sides * n))


@given(st.integers(2, 4), st.integers(1, 30))
def test_a_batch_without_equal_parts_is_whole_in_each_share(parts, n):
    share = Share(1, parts, parts)
    whole = n % parts != 0
    assert share.divides(n) != whole
    assert len(share.rows(n, n)) == (n if whole else n // parts)


def shared(dataset, number):
    """Read a dataset's next epoch as process `number` of two."""
    (stream,) = streams_of(dataset)
    stream.share = Share(number, 2, 2)
    try:
        return [[np.asarray(part) for part in parts(batch)] for batch in dataset]
    finally:
        stream.share = WHOLE


def parts(batch):
    images, labels = batch
    return [*images, labels] if isinstance(images, tuple) else [images, labels]


@pytest.mark.parametrize("augment", [False, STRONG], ids=["plain", "augmented"])
@pytest.mark.parametrize("kind", ["pairs", "images of pairs", "identities", "images of identities"])
def test_two_shares_are_the_batches_of_one_process(kind, augment):
    pairs = DATA.pairs(26)
    made = {
        "pairs": lambda: pairs.batches(8, shuffle=True, augment=augment, seed=3),
        "images of pairs": lambda: pairs.image_batches(8, augment=augment, seed=3),
        "identities": lambda: DATA.batches(8, True, per_identity=2, augment=augment, seed=3),
        "images of identities": lambda: DATA.batches(8, True, augment=augment, seed=3),
    }[kind]
    whole = [[np.asarray(part) for part in parts(batch)] for batch in made()]
    halves = [shared(made().map(lambda *batch: batch), number) for number in (0, 1)]
    assert len(whole) == len(halves[0]) == len(halves[1]) == 4
    for batch, left, right in zip(whole, *halves, strict=True):
        sides = 2 if kind == "images of pairs" else 1
        for all_rows, first, second in zip(batch, left, right, strict=True):
            assert len(first) == len(second) == len(all_rows) // 2
            both = [half.reshape(sides, -1, *half.shape[1:]) for half in (first, second)]
            together = np.concatenate(both, axis=1).reshape(all_rows.shape)
            np.testing.assert_allclose(together, all_rows, atol=1e-6)


def test_a_function_of_a_users_own_changes_each_share_differently():
    def noise(images, seed):
        return np.random.default_rng(seed).random(images.shape, np.float32)

    first, second = (shared(DATA.batches(26, augment=noise), number)[0][0] for number in (0, 1))
    assert first.shape == second.shape == (13, 12, 10, 1)
    assert not np.isin(first, second).any()


def test_a_function_of_a_users_own_changes_a_batch_without_equal_parts_alike():
    def noise(images, seed):
        return np.random.default_rng(seed).random(images.shape, np.float32)

    first, second = (shared(DATA.batches(13, augment=noise), number)[0][0] for number in (0, 1))
    np.testing.assert_array_equal(first, second)


def test_files_of_shards_are_shared_too(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(26)]
    for path, pixels in zip(paths, IMAGES, strict=True):
        path.write_bytes(encode(pixels[:, :, 0], "PNG"))
    table = {"path": list(map(str, paths)), "identity": [str(number // 2) for number in range(26)]}
    images = sv.write_shards(table, tmp_path / "shards", sv.Preprocessing((12, 10)), verbose=False)
    whole = [labels.numpy().tolist() for _, labels in images.batches(8, True)]
    halves = [[labels for _, labels in shared(images.batches(8, True), i)] for i in (0, 1)]
    both = [np.concatenate(pair).tolist() for pair in zip(*halves, strict=True)]
    assert both == whole
