"""Tests of pairs drawn from a folder of identities."""

import collections
import itertools
import math
import os
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from siamese_verify.data import folders, sampling
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import Pair, Sample

FILES = {
    "Ada": ["Ada_0001.jpg", "Ada_0002.jpg", "Ada_0003.jpg"],
    "Bob the Builder": ["front view.JPEG", "left.PNG", "x.bmp", "anim.gif"],
    "Zoë": ["só.jpg", "1.jpg"],
    "Only one": ["1.png"],
}
N_SAME, N_DIFFERENT = 3 + 6 + 1, 45 - (3 + 6 + 1)  # Of 10 images.


def make(root: Path, files: dict[str, list[str]]) -> Path:
    for identity, names in files.items():
        (root / identity).mkdir()
        for name in names:
            (root / identity / name).touch()
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make(tmp_path, FILES)


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
    make(tmp_path, {name: [f"{i}.jpg" for i in range(20)] for name in "ABC"})
    assert len(PairList.sample(tmp_path)) == 2 * 60


def test_the_seed_alone_decides_what_is_drawn(root: Path):
    draws = [PairList.sample(root, 8, seed=seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] == PairList.sample(root, 8)
    assert draws[0] != draws[2]


def test_all_same_pairs_can_be_drawn(root: Path):
    samples = {name: [Sample(name, file) for file in files] for name, files in FILES.items()}
    every = {frozenset(two) for of in samples.values() for two in itertools.combinations(of, 2)}
    assert len(every) == N_SAME
    assert unordered(PairList.sample(root, 2 * N_SAME).same) == every


def test_all_different_pairs_can_be_drawn(tmp_path: Path):
    make(tmp_path, {"Ada": [f"{i}.jpg" for i in range(12)], "Bob": ["0.jpg", "1.jpg"]})
    every = {
        frozenset((Sample("Ada", f"{i}.jpg"), Sample("Bob", f"{j}.jpg")))
        for i in range(12)
        for j in range(2)
    }
    assert unordered(PairList.sample(tmp_path, 48).different) == every


def test_pairs_of_a_few_identities_take_no_more_draws():
    # Nearly all pairs are of the first two, whom drawing identities hits once in 820 times.
    identities = {"Ada": 200, "Bob": 200} | {f"identity {i}": 1 for i in range(39)}
    files = {identity: [f"{i}.jpg" for i in range(n)] for identity, n in identities.items()}
    rng = mock.Mock(wraps=np.random.default_rng(0))
    _, different = sampling.sample_pairs(files, 2 * 13_000, rng)
    assert len({frozenset(pair) for pair in different}) == len(different) == 13_000
    assert all(left[0] != right[0] for left, right in different)
    assert rng.choice.call_count <= 4 * 13_000 + len(identities) + 1


@pytest.mark.parametrize("size", [-2, 0, 1, 3, 2 * N_SAME + 2, 10**9])
def test_a_size_that_is_odd_or_not_possible_is_refused(size: int, root: Path):
    with pytest.raises(ValueError, match=rf"from 2 to {2 * N_SAME}.*Received: size={size}"):
        PairList.sample(root, size)


@pytest.mark.parametrize(
    "files",
    [{"Ada": ["1.jpg", "2.jpg"]}, {"Ada": ["1.jpg"], "Bob": ["1.jpg"]}],
    ids=["one identity", "one image each"],
)
def test_a_folder_without_both_kinds_of_pairs_is_refused(files: dict, tmp_path: Path):
    with pytest.raises(ValueError, match=r"give \d same and \d different pairs"):
        PairList.sample(make(tmp_path, files))


# --- What is found in the folder


def test_only_image_files_in_folders_of_identities_count(root: Path):
    for stray in ("stray.jpg", "Ada/notes.txt", "Ada/Thumbs.db", "Ada/.jpg", "Ada/jpg"):
        (root / stray).touch()
    make(root, {"Empty": [], "No images": ["readme.md"]})
    (root / "Ada" / "folder.jpg").mkdir()
    (root / "Ada" / "nested").mkdir()
    (root / "Ada" / "nested" / "1.jpg").touch()
    found = folders.find_samples(root, None)
    assert found == {identity: sorted(files) for identity, files in FILES.items()}


def test_identities_restricts_whom_pairs_are_drawn_from(root: Path):
    pairs = PairList.sample(root, identities=["Zoë", "Ada", "Zoë"])
    assert_balanced_without_repeats(pairs)
    assert pairs.identities == ("Ada", "Zoë")
    assert pairs == PairList.sample(root, identities=("Ada", "Zoë"))


def test_identities_without_images_are_named(root: Path):
    (root / "Empty").mkdir()
    with pytest.raises(FileNotFoundError, match="2 of the 3 identities named: Empty, Nobody"):
        PairList.sample(root, identities=["Nobody", "Ada", "Empty"])


@pytest.mark.parametrize("files", [{}, {"Empty": []}, {"Ada": ["notes.txt"]}])
def test_a_folder_without_images_is_named(files: dict, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no folder with an image file") as caught:
        PairList.sample(make(tmp_path, files))
    assert str(tmp_path) in str(caught.value)


def test_an_absent_folder_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="absent"):
        PairList.sample(tmp_path / "absent")


def test_the_order_in_which_the_system_lists_files_does_not_matter(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = PairList.sample(root, seed=4)
    forwards = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: sorted(forwards(self), reverse=True))
    assert PairList.sample(root, seed=4) == expected


def test_pairs_of_files_in_lfws_naming_can_be_written_and_read(tmp_path: Path):
    names = [f"Ada_{i:04d}.jpg" for i in (1, 2, 10)]
    make(tmp_path, {"Ada": names, "Bob": [name.replace("Ada", "Bob") for name in names]})
    pairs = PairList.sample(tmp_path, seed=2)
    pairs.to_lfw(tmp_path / "pairs.txt")
    assert PairList.from_lfw(tmp_path / "pairs.txt") == pairs


def test_pairs_of_other_files_are_not_written_as_lfws(root: Path):
    pairs = PairList.sample(root, identities=["Bob the Builder", "Zoë"])
    with pytest.raises(ValueError, match="not named as in LFW's pair files"):
        pairs.to_lfw(root / "pairs.txt")
    assert "pairs.txt" not in os.listdir(root)


# --- How draws are distributed


def identities_with(counts: list[int]) -> dict[str, list[str]]:
    return {f"P{i}": [f"{j}.jpg" for j in range(count)] for i, count in enumerate(counts)}


def draw(counts: list[int], size: int, seed: int) -> PairList:
    drawn = sampling.sample_pairs(identities_with(counts), size, np.random.default_rng(seed))
    return PairList(
        Pair(Sample(*left), Sample(*right), label)
        for label, pairs in zip((1, 0), drawn, strict=True)
        for left, right in pairs
    )


@settings(max_examples=150, deadline=None)
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


def test_every_same_pair_of_an_identity_is_drawn_equally_often():
    drawn = [draw([5, 5], 2, seed)[0] for seed in range(2000)]
    counts = collections.Counter(drawn)
    assert len(counts) == 20
    assert max(abs(count - 100) for count in counts.values()) < 45  # 4.6 standard deviations


def test_different_pairs_favour_nobody_for_having_many_images():
    drawn = [draw([40, 2, 2, 3], 2, seed)[1] for seed in range(1200)]
    counts = collections.Counter(frozenset((p.left.identity, p.right.identity)) for p in drawn)
    assert len(counts) == 6
    assert max(abs(count - 200) for count in counts.values()) < 60  # 4.6 standard deviations


def test_different_pairs_favour_nobody_even_where_many_of_the_possible_ones_are_drawn():
    # 72 are possible, 60 of them with P0; but two identities drawn at random are three times in six
    # without P0, until the 12 pairs without P0 run out.
    def one_by_one(rng: np.random.Generator) -> float:
        drawn: set[tuple[tuple[int, int], ...]] = set()
        while len(drawn) < 18:
            one, other = sorted(rng.choice(4, 2, replace=False).tolist())
            drawn.add(tuple((i, int(rng.integers([10, 2, 2, 2][i]))) for i in (one, other)))
        return sum(left[0] == 0 for left, _ in drawn) / 18

    expected = np.mean([one_by_one(np.random.default_rng(seed)) for seed in range(100)])
    shares = [
        np.mean([pair.left.identity == "P0" for pair in draw([10, 2, 2, 2], 36, seed).different])
        for seed in range(100)
    ]
    assert np.mean(shares) == pytest.approx(expected, abs=0.04)
