"""Tests of pairs that are drawn from images."""

import collections
import itertools
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from image_folders import make_folders

from siamese_verify.data.folders import samples_by_identity
from siamese_verify.data.lfw import lfw_sample
from siamese_verify.data.pairs import PairList
from siamese_verify.data.sample_list import SampleList
from siamese_verify.data.samples import Pair, Sample
from siamese_verify.evaluation.report import evaluate_scores

N_SAME, N_DIFFERENT = 3 + 6 + 1, 45 - (3 + 6 + 1)  # Ten images form 45 pairs.


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_folders(tmp_path)


def unordered(pairs: PairList) -> set[frozenset[Sample]]:
    return {frozenset(pair[:2]) for pair in pairs}


def assert_balanced_without_repeats(pairs: PairList):
    assert pairs.labels.tolist() == [1] * (len(pairs) // 2) + [0] * (len(pairs) // 2)
    assert all((p.left.identity == p.right.identity) == (p.label == 1) for p in pairs)
    assert all(pair.left != pair.right for pair in pairs)
    assert len(unordered(pairs)) == len(pairs)


@pytest.mark.parametrize("size", [None, 2, 10, 20])
def test_half_of_the_pairs_are_same_and_none_is_repeated(size: int | None, root: Path):
    pairs = PairList.sample(root, size)
    assert_balanced_without_repeats(pairs)
    assert len(pairs) == size or (size is None and len(pairs) == 2 * min(N_SAME, N_DIFFERENT, 10))
    assert all(file.is_file() for two in pairs.paths(root) for file in two)


def test_by_default_there_are_at_most_two_pairs_for_each_image(tmp_path: Path):
    make_folders(tmp_path, {name: [f"{i}.jpg" for i in range(20)] for name in "ABC"})
    assert len(PairList.sample(tmp_path)) == 2 * 60


def test_the_seed_alone_decides_what_is_drawn(root: Path):
    draws = [PairList.sample(root, 8, seed=seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] == PairList.sample(root, 8)
    assert draws[0] != draws[2]


def test_all_same_pairs_can_be_drawn(root: Path):
    samples = samples_by_identity(root)
    every = {frozenset(two) for of in samples.values() for two in itertools.combinations(of, 2)}
    assert len(every) == N_SAME
    assert unordered(PairList.sample(root, 2 * N_SAME).same) == every


def test_all_different_pairs_can_be_drawn(tmp_path: Path):
    make_folders(tmp_path, {"Ada": [f"{i}.jpg" for i in range(12)], "Bob": ["0.jpg", "1.jpg"]})
    every = {
        frozenset((Sample(f"Ada/{i}.jpg", "Ada"), Sample(f"Bob/{j}.jpg", "Bob")))
        for i in range(12)
        for j in range(2)
    }
    assert unordered(PairList.sample(tmp_path, 48).different) == every


@pytest.mark.parametrize("size", [-2, 0, 1, 3, 2 * N_SAME + 2, 10**9])
def test_a_size_that_is_odd_or_not_possible_raises_an_error(size: int, root: Path):
    with pytest.raises(ValueError, match=rf"from 2 to {2 * N_SAME}.*Received: size={size}"):
        PairList.sample(root, size)


@pytest.mark.parametrize(
    "files",
    [{"Ada": ["1.jpg", "2.jpg"]}, {"Ada": ["1.jpg"], "Bob": ["1.jpg"]}],
    ids=["one identity", "one image each"],
)
def test_a_folder_without_both_kinds_of_pairs_raises_an_error(files: dict, tmp_path: Path):
    with pytest.raises(ValueError, match=r"Add images.*\d identities with 2 images$"):
        PairList.sample(make_folders(tmp_path, files))


def test_identities_restricts_whom_pairs_are_drawn_from(root: Path):
    pairs = PairList.sample(root, identities=["Zoë", "Ada", "Zoë"])
    assert_balanced_without_repeats(pairs)
    assert pairs.identities == ("Ada", "Zoë")
    assert pairs == PairList.sample(root, identities=("Ada", "Zoë"))


def test_the_order_in_which_the_system_lists_files_does_not_matter(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = PairList.sample(root, seed=4)
    forwards = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: sorted(forwards(self), reverse=True))
    assert PairList.sample(root, seed=4) == expected


def test_pairs_of_files_in_lfws_naming_can_be_written_and_read(tmp_path: Path):
    names = [f"Ada_{i:04d}.jpg" for i in (1, 2, 10)]
    make_folders(tmp_path, {"Ada": names, "Bob": [name.replace("Ada", "Bob") for name in names]})
    pairs = PairList.sample(tmp_path, seed=2)
    pairs.to_lfw(tmp_path / "pairs.txt")
    assert PairList.from_lfw(tmp_path / "pairs.txt") == pairs


def test_pairs_of_other_files_are_not_written_as_lfws(root: Path):
    pairs = PairList.sample(root, identities=["Bob the Builder", "Zoë"])
    with pytest.raises(ValueError, match="named as in LFW"):
        pairs.to_lfw(root / "pairs.txt")
    assert "pairs.txt" not in os.listdir(root)


# --- Listed samples, and folds


def test_samples_in_a_flat_folder_and_in_folders_of_identities_are_drawn_alike(root: Path):
    in_folders = PairList.sample(root, seed=1)
    flat = {s: Sample(s.path.replace("/", " "), s.identity) for s in in_folders.samples}
    listed = itertools.chain(*samples_by_identity(root).values())
    moved = [flat.get(s, Sample(s.path.replace("/", " "), s.identity)) for s in listed]
    assert PairList.sample(moved, seed=1) == PairList(
        Pair(flat[left], flat[right], label) for left, right, label in in_folders
    )


def test_listed_samples_are_restricted_to_identities():
    pairs = PairList.sample(iter(samples_with([3, 3, 3])), identities=["P0", "P2"])
    assert pairs.identities == ("P0", "P2")
    with pytest.raises(FileNotFoundError, match=r"1 of the 2 `identities` have no image.*P7"):
        PairList.sample(samples_with([3, 3]), identities=["P0", "P7"])


def test_one_path_for_two_samples_raises_an_error():
    twice = [Sample("1.jpg", "Ada"), Sample("2.jpg", "Bob"), Sample("1.jpg", "Bob")]
    with pytest.raises(ValueError, match=r"each image once.*Received: 1 repeated paths.*1\.jpg"):
        PairList.sample(twice)


def test_samples_of_another_type_raise_an_error():
    with pytest.raises(TypeError, match=r"only `Sample`s.*Received: 'Ada/1\.jpg'"):
        PairList.sample(["Ada/1.jpg"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(2, 5), min_size=12, max_size=20), st.integers(2, 5), st.integers(0, 99))
def test_folds_of_drawn_pairs_are_equal_and_share_no_identity(counts, n_folds, seed):
    pairs = PairList.sample(samples_with(counts), n_folds=n_folds, seed=seed)
    size = len(pairs) // n_folds
    assert pairs.folds.tolist() == np.repeat(np.arange(n_folds), size).tolist()
    folds = [pairs[start : start + size] for start in range(0, len(pairs), size)]
    for fold in folds:
        assert_balanced_without_repeats(fold)
    for one, other in itertools.combinations(folds, 2):
        assert not set(one.identities) & set(other.identities)


def test_size_counts_the_pairs_of_all_folds_and_the_seed_alone_decides_them():
    samples = samples_with([3] * 20)
    pairs = PairList.sample(samples, 40, n_folds=10, seed=1)
    assert len(pairs) == 40
    assert pairs == PairList.sample(samples, 40, n_folds=10, seed=1)
    assert pairs != PairList.sample(samples, 40, n_folds=10, seed=2)


def test_folds_of_drawn_pairs_can_be_written_as_view_2(tmp_path: Path):
    names = [f"P{i}" for i in range(8)]
    samples = [lfw_sample(name, number) for name in names for number in (1, 2, 3)]
    pairs = PairList.sample(samples, 16, n_folds=4)
    pairs.to_lfw(tmp_path / "pairs.txt")
    assert PairList.from_lfw(tmp_path / "pairs.txt") == pairs


@pytest.mark.parametrize(
    ("size", "n_folds", "reason"),
    [
        (None, 1, "`n_folds` must be a whole number, at least 2. Received: n_folds=1"),
        (None, 2.0, "`n_folds` must be .*Received: n_folds=2.0"),
        (6, 2, r"a multiple of 4 from 4 to 24.*Received: size=6, n_folds=2"),
        (28, 2, r"a multiple of 4 from 4 to 24.*Received: size=28, n_folds=2"),
        (0, 2, "Received: size=0, n_folds=2"),
        (None, 3, "two identities or more of its own.*Use fewer folds.*Received: n_folds=3"),
        (4, 9, "two identities or more of its own.*Use fewer folds.*Received: n_folds=9"),
    ],
)
def test_folds_that_the_images_do_not_allow_raise_an_error(
    size: int | None, n_folds: object, reason: str
):
    with pytest.raises(ValueError, match=reason):
        PairList.sample(samples_with([3] * 4), size, n_folds=n_folds)


# --- Any number of pairs


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"same": 5, "different": 40}, (5, 40)),
        ({"same": 0, "different": 3}, (0, 3)),
        ({"same": 12}, (12, 12)),
        ({"different": 7}, (7, 7)),
        ({"different": 100}, (24, 100)),
        ({"far": 0.3}, (18, 18)),
        ({"same": 2, "far": 0.3}, (2, 18)),
        ({"same": 4, "different": 8, "n_folds": 4}, (4, 8)),
    ],
)
def test_any_number_of_pairs_of_either_kind_is_drawn(request_, expected: tuple[int, int]):
    pairs = PairList.sample(samples_with([3] * 8), **request_)
    assert (len(pairs.same), len(pairs.different)) == expected
    assert len(unordered(pairs)) == len(pairs)
    assert all((p.left.identity == p.right.identity) == (p.label == 1) for p in pairs)


def test_different_pairs_need_no_second_image():
    assert len(PairList.sample(samples_with([1] * 5), same=0, different=10)) == 10


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"size": 4, "same": 2}, "`size` counts .*Received: size=4, same=2, different=None"),
        ({"different": 4, "far": 0.1}, "`far` tells how many .*different=4, far=0.1"),
        ({"same": 25}, "`same` must be a whole number from 0 to 24,.*Received: same=25"),
        ({"different": 253}, "`different` must be .* from 0 to 252,.*24 same and 252 different"),
        ({"same": -1}, "Received: same=-1"),
        ({"different": 2.5}, "Received: different=2.5"),
        ({"same": 0, "different": 0}, "a pair or more"),
        ({"same": 3, "n_folds": 2}, "`same` must be a multiple of 2 .*n_folds=2"),
        ({"far": 0}, "`far` must be above 0 and below 1. Received: far=0"),
        ({"far": "1%"}, "`far` must be a finite number"),
        (
            {"far": 0.01},
            r"FAR 0\.01 needs 762 impostor pairs.* 40 identities\. Only 28 .* are possible\..*"
            r"raise `far` to 0\.22\. Received: far=0\.01, 8 identities with 24 images",
        ),
    ],
)
def test_a_request_that_the_images_do_not_allow_raises_an_error(request_, reason: str):
    with pytest.raises(ValueError, match=reason):
        PairList.sample(samples_with([3] * 8), **request_)


def test_the_identities_and_the_rate_that_the_error_for_a_far_names_suffice():
    assert len(PairList.sample(samples_with([2] * 40), same=1, far=0.01).different) == 762
    with pytest.raises(ValueError, match="40 identities"):
        PairList.sample(samples_with([2] * 39), far=0.01)
    assert len(PairList.sample(samples_with([3] * 8), same=1, far=0.22).different) == 28


def test_pairs_for_a_far_determine_it():
    pairs = PairList.sample(samples_with([2] * 200), same=200, far=0.01, seed=1)
    rng = np.random.default_rng(0)
    report = evaluate_scores(
        rng.normal(2.0 * pairs.labels), pairs.labels, identities=pairs.identity_codes
    )
    assert report.tar(0.01).low > 0  # Without a warning, which would be an error.


def test_all_pairs_are_listed_once(root: Path):
    pairs = PairList.all_pairs(root)
    every = set(map(frozenset, itertools.combinations(pairs.samples, 2)))
    assert unordered(pairs) == every
    assert len(pairs) == len(every) == N_SAME + N_DIFFERENT
    assert all((p.left.identity == p.right.identity) == (p.label == 1) for p in pairs)
    assert PairList.all_pairs(root, identities=["Ada"]).identities == ("Ada",)


def test_too_many_or_no_pairs_raise_an_error_that_tells_how_many():
    many = SampleList([f"{i}.png" for i in range(20_000)], ["A"], np.zeros(20_000, np.int32))
    with pytest.raises(ValueError, match=r"20,000 images have 199,990,000 pairs.*100,000,000"):
        PairList.all_pairs(many)
    with pytest.raises(ValueError, match="most that is drawn"):
        PairList.sample(many, same=10**8 + 1, different=0)
    with pytest.raises(ValueError, match=r"two images or more.*1 images"):
        PairList.all_pairs([Sample("1.png", "Ada")])


def test_images_in_a_table_are_drawn_as_listed_ones(tmp_path: Path):
    samples = sorted(samples_with([3] * 4), key=lambda s: (s.identity, s.path))
    table = {"path": [s.path for s in samples], "identity": [s.identity for s in samples]}
    lines = [f"{path},{who}" for path, who in zip(*table.values(), strict=True)]
    (tmp_path / "images.csv").write_text("\n".join(["path,identity", *lines]))
    expected = PairList.sample(samples, 8, seed=1)
    assert PairList.sample(tmp_path / "images.csv", 8, seed=1) == expected
    assert PairList.sample(table, 8, seed=1) == expected
    assert PairList.sample(table, identities=["P1", "P2"]).identities == ("P1", "P2")
    assert len(PairList.all_pairs(table)) == math.comb(12, 2)


# --- How draws are distributed


def samples_with(counts: list[int]) -> list[Sample]:
    return [Sample(f"{i}/{j}.jpg", f"P{i}") for i, n in enumerate(counts) for j in range(n)]


def draw(counts: list[int], size: int, seed: int) -> PairList:
    return PairList.sample(samples_with(counts), size, seed=seed)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=7), st.data())
def test_same_pairs_are_spread_over_identities_as_evenly_as_possible(counts, data):
    n_same = [math.comb(count, 2) for count in counts]
    n_different = math.comb(sum(counts), 2) - sum(n_same)
    half = min(sum(n_same), n_different)
    assume(half)
    size = 2 * data.draw(st.integers(1, half), label="half")
    pairs = draw(counts, size, data.draw(st.integers(0, 99), label="seed"))
    assert len(pairs) == size
    assert_balanced_without_repeats(pairs)
    of_identity = collections.Counter(pair.left.identity for pair in pairs.same)
    shares = [of_identity[f"P{i}"] for i in range(len(counts))]
    for share, possible in zip(shares, n_same, strict=True):
        assert share <= possible
        assert share == possible or share >= max(shares) - 1


def test_where_many_of_the_possible_pairs_are_drawn_all_identities_are_compared_equally_often():
    # 72 pairs are possible, 60 of them with P0.
    for seed in range(20):
        pairs = draw([10, 2, 2, 2], 36, seed).different
        counts = collections.Counter((p.left.identity, p.right.identity) for p in pairs)
        assert list(counts.values()) == [3] * 6


@pytest.mark.parametrize("seed", [-1, None, 0.5])
def test_a_seed_is_a_whole_number(seed: Any):
    pairs = PairList.sample(samples_with([3] * 4))
    for draw in (
        lambda: PairList.sample(pairs.samples, seed=seed),
        lambda: pairs.split(0.5, seed=seed),
        lambda: pairs.in_folds(2, seed=seed),
    ):
        with pytest.raises(ValueError, match=f"`seed` must be .*Received: seed={seed}"):
            draw()
