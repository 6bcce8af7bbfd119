"""Tests of lists that are split or divided into folds."""

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pair_lists import different, many_pairs, same

from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import PairListWarning

LFW = Path(__file__).parents[3] / "shared" / "lfw"
needs_lfw = pytest.mark.skipif(not LFW.is_dir(), reason="needs LFW in ../shared/lfw")


A_SAME = same("Ada", 1, 2)


def assert_parts_of(whole: PairList, *parts: PairList):
    """Disjoint, complete, each in the order of the whole, whose pairs are unique."""
    positions = {pair: i for i, pair in enumerate(whole)}
    chosen = [[positions[pair] for pair in part] for part in parts]
    assert all(part == sorted(part) for part in chosen)
    assert sorted(itertools.chain(*chosen)) == list(range(len(whole)))


@pytest.mark.parametrize("by", ["pair", "identity"])
def test_15_percent_of_2200_pairs_are_330_half_of_them_same(by: str):
    whole = many_pairs(1100, 1100)
    rest, part = whole.split(0.15, seed=3, by=by)
    assert rest.summary()[:3] == (1870, 935, 935)
    assert part.summary()[:3] == (330, 165, 165)
    assert_parts_of(whole, rest, part)


@needs_lfw
@pytest.mark.parametrize("by", ["pair", "identity"])
def test_15_percent_of_the_official_training_pairs_are_330_half_of_them_same(by: str):
    whole = PairList.from_lfw(LFW / "pairsDevTrain.txt")
    rest, part = whole.split(0.15, seed=0, by=by)
    assert rest.summary()[:3] == (1870, 935, 935)
    assert part.summary()[:3] == (330, 165, 165)
    assert_parts_of(whole, rest, part)
    shared = set(rest.identities) & set(part.identities)
    assert bool(shared) == (by == "pair")


@pytest.mark.parametrize("by", ["pair", "identity"])
def test_the_seed_alone_decides_a_split(by: str):
    whole = many_pairs(40, 40)
    splits = [whole.split(0.25, seed=seed, by=by) for seed in (0, 0, 1)]
    assert splits[0] == splits[1]
    assert splits[0] != splits[2]
    assert whole.split(0.25, by=by) == splits[0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.floats(0.02, 0.98), st.integers(0, 99))
@example(10, 0, 0.5, 0)
def test_a_split_by_pair_takes_the_fraction_of_each_label(n_same, n_different, fraction, seed):
    whole = many_pairs(n_same, n_different)
    wanted = [round(fraction * n) for n in (n_same, n_different)]
    if sum(wanted) in (0, len(whole)):
        with pytest.raises(ValueError, match="side empty"):
            whole.split(fraction, seed=seed)
        return
    rest, part = whole.split(fraction, seed=seed)
    assert [len(part.same), len(part.different)] == wanted
    assert_parts_of(whole, rest, part)


def test_a_split_by_pair_draws_every_pair_equally_often():
    whole = many_pairs(10, 0)
    drawn = [pair for seed in range(500) for pair in whole.split(0.2, seed=seed)[1]]
    counts = [drawn.count(pair) for pair in whole]
    assert sum(counts) == 1000
    assert max(abs(count - 100) for count in counts) < 40  # More than four standard deviations.


# --- Splits by identity


@st.composite
def graphs(draw: st.DrawFn) -> PairList:
    """A same pair of each identity, and different pairs that connect them at random."""
    names = [f"P{i}" for i in range(draw(st.integers(4, 12)))]
    edges = st.sampled_from(list(itertools.combinations(names, 2)))
    connected = draw(st.lists(edges, max_size=20, unique=True))
    pairs = [same(name, 1, 2) for name in names]
    pairs += [different(one, 1, other, 1) for one, other in connected]
    return PairList(draw(st.permutations(pairs)))


@settings(max_examples=120, deadline=None)
@given(graphs(), st.floats(0.1, 0.5), st.integers(0, 99))
def test_a_split_by_identity_has_nobody_on_both_sides_and_loses_only_what_straddles(
    whole, fraction, seed
):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rest, part = whole.split(fraction, seed=seed, by="identity")
    assert not set(rest.identities) & set(part.identities)
    left_out = [pair for pair in whole if pair not in rest and pair not in part]
    assert_parts_of(whole, rest, part, PairList(left_out))
    part_identities = set(part.identities)
    for pair in left_out:
        assert (pair.left.identity in part_identities) != (pair.right.identity in part_identities)
    if left_out:
        (warning,) = caught
        assert warning.category is PairListWarning
        assert f"{len(left_out)} of {len(whole)} pairs are left out" in str(warning.message)
        assert f"{len(part.same)} + {len(part.different)}." in str(warning.message)
        assert warning.filename == __file__
    else:
        assert not caught


def test_a_split_by_identity_cuts_no_pair_where_identities_fall_into_small_groups():
    groups = [
        [same(f"A{i}", 1, 2), same(f"B{i}", 1, 2), different(f"A{i}", 1, f"B{i}", 1)]
        for i in range(40)
    ]
    rest, part = PairList(itertools.chain(*groups)).split(0.25, by="identity")
    assert rest.summary()[:3] == (90, 60, 30)
    assert part.summary()[:3] == (30, 20, 10)


def test_a_split_by_identity_cuts_one_large_group_and_says_how_many_pairs_it_loses():
    names = [f"P{i:02}" for i in range(40)]
    ring = [different(one, 1, names[i - 1], 2) for i, one in enumerate(names)]
    whole = PairList([same(name, 1, 2) for name in names] + ring)
    with pytest.warns(PairListWarning, match=r"^\d of 80 pairs are left out"):
        rest, part = whole.split(0.25, by="identity")
    assert 0.2 <= len(part) / (len(rest) + len(part)) <= 0.3
    assert len(rest.same) + len(part.same) == 40


def test_a_pair_listed_often_does_not_empty_a_side():
    whole = PairList(
        [same(name, 1, 2) for name in "ABCD"]
        + [different("A", i, "B", j) for i in range(1, 11) for j in range(1, 11)]
    )
    for seed in range(5):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PairListWarning)
            rest, part = whole.split(0.5, seed=seed, by="identity")
        assert not set(rest.identities) & set(part.identities)


@pytest.mark.parametrize("by", ["pair", "identity"])
@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan"), "0.1"])
def test_a_fraction_outside_0_and_1_raises_an_error(fraction: Any, by: str):
    with pytest.raises(ValueError, match="Received: fraction="):
        many_pairs(10, 10).split(fraction, by=by)


def test_a_split_by_something_else_raises_an_error():
    with pytest.raises(ValueError, match="Received: by='identities'"):
        many_pairs(10, 10).split(0.5, by="identities")


@pytest.mark.parametrize("by", ["pair", "identity"])
@pytest.mark.parametrize("whole", [PairList([]), PairList([A_SAME])], ids=["empty", "one pair"])
def test_a_split_that_leaves_a_side_empty_raises_an_error(whole: PairList, by: str):
    with pytest.raises(ValueError, match="side empty"):
        whole.split(0.5, by=by)


def test_identities_who_are_all_compared_with_one_cannot_be_split_by_identity():
    star = PairList([different("Hub", 1, f"P{i}", 1) for i in range(10)])
    with pytest.raises(ValueError, match="side empty"):
        star.split(0.5, by="identity")


# --- Folds


def folds_of(pairs: PairList) -> list[PairList]:
    return [
        PairList(pair for pair, number in zip(pairs, pairs.folds, strict=True) if number == fold)
        for fold in range(pairs.folds.max() + 1)
    ]


@settings(max_examples=120, deadline=None)
@given(graphs(), st.integers(2, 3), st.integers(0, 99))
def test_no_identity_is_in_two_folds_and_only_what_straddles_is_lost(whole, n_folds, seed):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        divided = whole.in_folds(n_folds, seed=seed)
    folds = folds_of(divided)
    assert len(folds) == n_folds
    assert divided.folds.tolist() == sorted(divided.folds.tolist())
    fold_of = {name: number for number, fold in enumerate(folds) for name in fold.identities}
    assert len(fold_of) == sum(len(fold.identities) for fold in folds)
    # Each identity has a same pair, so that each is in a fold.
    left_out = [p for p in whole if fold_of[p.left.identity] != fold_of[p.right.identity]]
    assert_parts_of(whole, *folds, PairList(left_out))
    if left_out:
        (warning,) = caught
        assert warning.category is PairListWarning
        assert f"{len(left_out)} of {len(whole)} pairs are left out" in str(warning.message)
        assert all(
            f"{len(fold.same)} + {len(fold.different)}" in str(warning.message) for fold in folds
        )
        assert warning.filename == __file__
    else:
        assert not caught


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=6, max_size=30), st.integers(2, 6), st.integers(0, 99))
def test_folds_differ_by_no_more_than_the_pairs_of_one_identity(counts, n_folds, seed):
    pairs = PairList(same(f"P{i}", 1, j + 2) for i, n in enumerate(counts) for j in range(n))
    sizes = np.bincount(pairs.in_folds(n_folds, seed=seed).folds)
    assert len(sizes) == n_folds
    assert sizes.max() - sizes.min() <= max(counts)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(2, 10), st.integers(0, 99))
def test_folds_hold_equally_many_pairs_of_each_label(n_same, n_different, n_folds, seed):
    whole = many_pairs(n_same, n_different)
    n_folds = min(n_folds, n_same, n_different)
    for label in ("same", "different"):
        sizes = [len(getattr(fold, label)) for fold in folds_of(whole.in_folds(n_folds, seed=seed))]
        assert max(sizes) - min(sizes) <= 1


def test_one_large_group_is_cut_into_equal_folds_that_lose_few_pairs():
    names = [f"P{i:02}" for i in range(40)]
    ring = [different(one, 1, names[i - 1], 2) for i, one in enumerate(names)]
    whole = PairList([same(name, 1, 2) for name in names] + ring)
    with pytest.warns(PairListWarning, match=r"^\d of 80 pairs are left out"):
        folds = folds_of(whole.in_folds(4))
    assert [len(fold.same) for fold in folds] == [10] * 4
    assert sum(len(fold.different) for fold in folds) >= 32


def test_the_seed_alone_decides_the_folds():
    whole = many_pairs(40, 40)
    divided = [whole.in_folds(4, seed=seed) for seed in (0, 0, 1)]
    assert divided[0] == divided[1] == whole.in_folds(4)
    assert divided[0] != divided[2]


@needs_lfw
@pytest.mark.parametrize("name", ["pairsDevTrain.txt", "pairsDevTest.txt"])
def test_the_official_lists_become_ten_balanced_folds_without_a_loss(name: str, tmp_path: Path):
    whole = PairList.from_lfw(LFW / name)
    divided = whole.in_folds(10)
    assert sorted(divided) == sorted(whole)
    divided.to_lfw(tmp_path / "pairs.txt")  # View 2 needs folds that are balanced alike.
    assert PairList.from_lfw(tmp_path / "pairs.txt") == divided


@pytest.mark.parametrize("n_folds", [1, 0, -2, 2.0, True, "3"])
def test_a_number_of_folds_that_is_not_a_whole_number_from_2_raises_an_error(n_folds: object):
    with pytest.raises(ValueError, match=f"`n_folds` must be .*Received: n_folds={n_folds!r}"):
        many_pairs(10, 10).in_folds(n_folds)


@pytest.mark.parametrize("whole", [PairList([]), many_pairs(2, 0)], ids=["empty", "two pairs"])
def test_folds_that_would_be_empty_raise_an_error(whole: PairList):
    with pytest.raises(ValueError, match=r"of 3 folds would be empty.*Received: n_folds=3"):
        whole.in_folds(3)
