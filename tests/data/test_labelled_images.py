"""Tests of images with their identities: tables, splits and pairs."""

from pathlib import Path

import numpy as np
import pytest
from encoded_images import SMALL, write_greys

from siamese_verify.data.identity_dataset import IdentityDataset

# 40 images of 10 identities. The grey of an image is its row.
IMAGES = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)
DATA = IdentityDataset.from_arrays(IMAGES, [f"n{i % 10}" for i in range(40)])


def test_a_split_divides_the_identities_and_shares_the_pixels():
    parts = DATA.split((0.6, 0.2, 0.2), seed=3)
    assert [len(part.identities) for part in parts] == [6, 2, 2]
    assert sorted(name for part in parts for name in part.identities) == list(DATA.identities)
    for part in parts:
        for row in range(len(part)):
            grey = int(part.images[row, 0, 0, 0])
            assert part.samples[row].path == str(grey)
            assert part.identities[part.labels[row]] == f"n{grey % 10}"
        assert np.shares_memory(part.images[0], DATA.images)
    again = DATA.split((0.6, 0.2, 0.2), seed=3)
    assert [part.identities for part in again] == [part.identities for part in parts]
    assert DATA.split((0.6, 0.2, 0.2), seed=4)[0].identities != parts[0].identities


def test_parts_after_the_first_know_whom_it_trains_on():
    train, validation, test = DATA.split((0.5, 0.3, 0.2))
    assert train.training_identities is None
    for part in (validation, test, test.pairs(4)):
        assert part.training_identities == frozenset(train.identities)


def test_fractions_may_leave_identities_out():
    assert [len(part.identities) for part in DATA.split((0.3, 0.3))] == [3, 3]


@pytest.mark.parametrize("fractions", [(), (0.6, 0.5), (0.5, 0.0), (0.9, 0.1), (0.5, float("nan"))])
def test_fractions_that_do_not_fit_raise_an_error(fractions: tuple[float, ...]):
    with pytest.raises(ValueError, match="fractions"):
        DATA.split(fractions)


def test_one_fraction_is_not_a_list_of_them():
    with pytest.raises(TypeError, match=r"such as \(0\.8, 0\.2\)\. Received: fractions=0\.8"):
        DATA.split(0.8)  # type: ignore[arg-type]


def test_pairs_share_the_pixels():
    pairs = DATA.pairs(20, seed=1)
    assert pairs.images is DATA.images
    for (left, right), label in zip(pairs.indices, pairs.labels, strict=True):
        assert (left % 10 == right % 10) == label
    assert pairs.pairs != DATA.pairs(20, seed=2).pairs


def test_a_table_makes_a_data_set(tmp_path: Path):
    paths = write_greys(tmp_path, 4)
    table = {"file": [path.name for path in paths], "sku": ["a", "b", "a", "b"]}
    data = IdentityDataset.from_table(table, "file", "sku", tmp_path, SMALL, verbose=False)
    assert dict(zip(data.images[:, 0, 0, 0].tolist(), data.labels.tolist(), strict=True)) == {
        **{1: 0, 2: 1},
        **{3: 0, 4: 1},
    }
    absolute = {"path": list(map(str, paths)), "identity": ["a", "b", "a", "b"]}
    assert len(IdentityDataset.from_table(absolute, preprocessing=SMALL, verbose=False)) == 4


def test_skipped_images_are_told_and_written_as_a_table(tmp_path: Path):
    paths = write_greys(tmp_path, 6)
    paths[0].unlink()
    paths[3].write_bytes(b"")
    table = {"path": [path.name for path in paths], "identity": ["a", "b", "c"] * 2}
    with pytest.warns(UserWarning, match="2 of 6 images are left out"):
        data = IdentityDataset.from_table(
            table, images_root=tmp_path, preprocessing=SMALL, on_error="skip", verbose=False
        )
    assert sorted(data.images[:, 0, 0, 0].tolist()) == [2, 3, 5, 6]
    data.write_skipped(tmp_path / "skipped.csv")
    lines = (tmp_path / "skipped.csv").read_text().splitlines()
    assert lines[0] == "path,reason"
    assert sorted(lines[1:]) == sorted(
        [f"{paths[0].name},the file is missing", f"{paths[3].name},the file is empty"]
    )


def test_draws_of_many_identities_are_those_of_one_after_another():
    data = IdentityDataset.from_arrays(IMAGES, [f"n{i % 7}" for i in range(40)])
    rng = np.random.default_rng((5, 0))
    expected = []
    for who in rng.permutation(7):
        rows = np.flatnonzero(data.labels == who)
        repeats = -(-4 // len(rows))
        expected += np.concatenate([rng.permutation(rows) for _ in range(repeats)])[:4].tolist()
    batches = data.batches(28, shuffle=True, seed=5, per_identity=4)
    drawn = [round(float(image[0, 0, 0]) * 255) for images, _ in batches for image in images]
    assert drawn == expected
