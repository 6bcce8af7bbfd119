"""Tests of random pairs: none twice, of the right kind, uniform, and in linear time."""

import collections
import math
import tracemalloc
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from siamese_verify.data import random_pairs
from siamese_verify.data.random_pairs import count, draw_pairs


def identities_of(counts: list[int], rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(len(counts)), counts)[rows]


def draw(counts: list[int], n_same: int, n_different: int, seed: int = 0, **kwargs: bool):
    rng = np.random.default_rng(seed)
    return draw_pairs(np.array(counts), n_same, n_different, rng, **kwargs)


def assert_distinct_and_of_the_right_kinds(counts, rows, n_same: int, n_different: int):
    assert rows.shape == (n_same + n_different, 2)
    assert (rows[:, 0] < rows[:, 1]).all()
    assert len(set(map(tuple, rows.tolist()))) == len(rows)
    left, right = identities_of(counts, rows).reshape(-1, 2).T
    assert (left == right).tolist() == [True] * n_same + [False] * n_different


@given(
    counts=st.lists(st.integers(1, 7), min_size=1, max_size=9),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 99),
    few=st.sampled_from([0, 2_000]),
    of_all=st.booleans(),
)
def test_any_number_of_pairs_of_either_kind_is_drawn_and_none_twice(
    counts, shares, seed, few, of_all
):
    possible = count(np.array(counts))
    assert sum(possible) == math.comb(sum(counts), 2)
    n_same, n_different = (round(x * n) for x, n in zip(shares, possible, strict=True))
    with mock.patch.object(random_pairs, "_FEW", few):
        rows = draw(counts, n_same, n_different, seed, of_all_identities=of_all)
    assert_distinct_and_of_the_right_kinds(counts, rows, n_same, n_different)


@pytest.mark.parametrize("few", [0, 2_000])
def test_every_same_pair_of_an_identity_is_equally_likely(few: int):
    # Two of ten pairs, and eight of ten, which are drawn as the two that are left out.
    for n_same in (2, 8):
        counts: collections.Counter[tuple[int, int]] = collections.Counter()
        with mock.patch.object(random_pairs, "_FEW", few):
            for seed in range(1_000):
                counts.update(map(tuple, draw([5, 1], n_same, 0, seed).tolist()))
        assert len(counts) == 10
        assert chisquare(list(counts.values())).pvalue > 1e-4


@pytest.mark.parametrize(("size", "few"), [(3, 0), (12, 0), (3, 2_000)])
def test_every_pair_of_identities_and_every_image_is_equally_likely(size: int, few: int):
    # There are six pairs of identities: fewer than the pairs drawn, or more.
    counts = [9, 2, 3, 4]
    of_two, of_image = np.zeros((4, 4)), np.zeros(sum(counts))
    with mock.patch.object(random_pairs, "_FEW", few):
        for seed in range(1_000):
            rows = draw(counts, 0, size, seed)
            np.add.at(of_two, tuple(identities_of(counts, rows).T), 1)
            np.add.at(of_image, rows, 1)
    assert chisquare(of_two[np.triu_indices(4, 1)]).pvalue > 1e-4
    for identity in range(4):
        assert chisquare(of_image[identities_of(counts, slice(None)) == identity]).pvalue > 1e-4


def test_few_pairs_are_drawn_as_by_drawing_one_by_one():
    rng, expected = np.random.default_rng(3), []
    same = [rng.choice(6, 1, replace=False)[0] for _ in range(5)]
    while len(expected) < 5:
        two = sorted(rng.choice(5, 2, replace=False).tolist())
        expected.append([4 * i + int(rng.integers(4)) for i in two])
    ranks = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    drawn = draw([4] * 5, 5, 5, 3).tolist()
    assert drawn[:5] == [[4 * i + j for j in ranks[r]] for i, r in enumerate(same)]
    assert drawn[5:] == expected


@pytest.mark.parametrize("of_all_identities", [True, False])
def test_no_two_identities_are_compared_again_before_all_others_are(of_all_identities: bool):
    counts = [3] * 20
    rows = identities_of(counts, draw(counts, 0, 150, of_all_identities=of_all_identities))
    n_distinct = len(set(map(tuple, rows.tolist())))
    assert (n_distinct == 150) == of_all_identities


def test_pairs_are_spread_as_evenly_as_capacities_allow():
    rng = np.random.default_rng(0)
    for _ in range(200):
        capacities = rng.integers(0, 9, rng.integers(1, 9))
        total = int(rng.integers(capacities.sum() + 1))
        shares = random_pairs._even_shares(capacities, total, rng)
        assert shares.sum() == total
        assert (shares <= capacities).all()
        assert (shares[shares < capacities] >= shares.max(initial=0) - 1).all()


def test_the_rank_of_a_pair_is_exact_for_fifty_million_images():
    second = np.array([1, 2, 3, 999_999, 40_000_000])
    last = random_pairs._two_of(second)
    assert [x.tolist() for x in random_pairs._unrank(last)] == [[0] * 5, second.tolist()]
    first, before = random_pairs._unrank(last[1:] - 1)
    assert (before == second[1:] - 1).all()
    assert (first == second[1:] - 2).all()


def work(counts: list[int], n_same: int, n_different: int) -> tuple[int, int]:
    """Numbers drawn, and the peak of memory in bytes."""
    rng = mock.Mock(wraps=np.random.default_rng(0))
    tracemalloc.start()
    draw_pairs(np.array(counts), n_same, n_different, rng)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    drawn = [call.args[0] for call in rng.integers.call_args_list]
    return sum(map(np.size, drawn)) + 3 * len(rng.choice.call_args_list), peak


@pytest.mark.parametrize(
    "counts_of",
    [
        lambda n: [n] + [5] * 10,  # a large folder and small ones
        lambda n: [2] * n,
        lambda n: [n // 20] * 20,
        lambda n: [1] * n + [2 * n],
    ],
)
def test_draws_and_memory_are_linear_in_the_number_of_images(counts_of):
    numbers, peaks = [], []
    for n in (4_000, 32_000):
        counts = counts_of(n)
        size = min(*count(np.array(counts)), sum(counts))
        drawn, peak = work(counts, size, size)
        numbers.append(drawn / (sum(counts) + 2 * size))
        peaks.append(peak / (sum(counts) + 2 * size))
    assert max(numbers) < 8
    assert max(peaks) < 400
    assert peaks[1] < 1.5 * peaks[0] + 20
