"""Tests of the pairs that are hardest for a model, against all cosines at once."""

import tracemalloc
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamese_verify.data import hard_pairs
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import Sample


def samples_of(identities: list[int]) -> list[Sample]:
    return [Sample(f"{i}.png", f"P{identity}") for i, identity in enumerate(identities)]


@given(
    identities=st.lists(st.integers(0, 4), min_size=2, max_size=30),
    block=st.sampled_from([1, 3, 7, 64]),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_the_least_alike_same_and_the_most_alike_different_pairs_are_found(
    identities, block, share, seed
):
    vectors = np.random.default_rng(seed).normal(size=(len(identities), 5))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines, who = unit @ unit.T, np.array(identities)
    left, right = np.triu_indices(len(who), 1)
    of_pairs, is_same = cosines[left, right], who[left] == who[right]
    same, different = np.sort(of_pairs[is_same]), np.sort(of_pairs[~is_same])[::-1]
    wanted = round(share * len(same)), round(share * len(different))
    if not sum(wanted):
        return
    with mock.patch.object(hard_pairs, "_BLOCK", block):
        pairs = PairList.hardest(
            samples_of(identities), vectors, same=wanted[0], different=wanted[1]
        )
    assert pairs.labels.tolist() == [1] * wanted[0] + [0] * wanted[1]
    rows = [tuple(int(s.path[:-4]) for s in pair[:2]) for pair in pairs]
    assert len(set(map(frozenset, rows))) == len(rows)
    assert [who[i] == who[j] for i, j in rows] == pairs.labels.astype(bool).tolist()
    expected = [*same[: wanted[0]], *different[: wanted[1]]]
    np.testing.assert_allclose([cosines[pair] for pair in rows], expected, atol=1e-6)


def test_embeddings_belong_to_samples_in_the_order_received():
    samples = [Sample("b.png", "Bob"), Sample("a.png", "Ada"), Sample("c.png", "Bob")]
    pairs = PairList.hardest(samples, [[1, 0], [1, 0.1], [0, 1]], same=0, different=1)
    assert {sample.path for sample in pairs.samples} == {"a.png", "b.png"}


def test_equal_cosines_come_in_the_order_of_the_images():
    with mock.patch.object(hard_pairs, "_BLOCK", 2):
        pairs = PairList.hardest(samples_of([0, 0, 0, 1, 1]), np.ones((5, 3)), 4)
    rows = [tuple(int(s.path[:-4]) for s in pair[:2]) for pair in pairs]
    assert rows == [(0, 1), (0, 2), (0, 3), (0, 4)]


def test_memory_does_not_grow_with_the_square_of_the_images():
    rng, peaks = np.random.default_rng(0), []
    with mock.patch.object(hard_pairs, "_BLOCK", 128):
        for n in (500, 2_000):
            vectors, rows = rng.normal(size=(n, 8)).astype(np.float32), np.arange(n)
            tracemalloc.start()
            hard_pairs.find(vectors, rows, np.full(n // 5, 5), 100, 100)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert max(peaks) < 2e6  # All cosines of 2,000 images are 16 MB.


@pytest.mark.parametrize(
    ("embeddings", "reason"),
    [
        (np.ones((3, 2)), r"one vector.*shape \(3, 2\).*4 samples"),
        (np.ones(4), "one vector"),
        ([["a"]] * 4, "one vector of numbers"),
        ([[1.0, 0.0]] * 3 + [[0.0, 0.0]], r"not zero.*Received: embeddings\[3\]"),
        ([[1.0, np.nan]] + [[1.0, 0.0]] * 3, r"finite.*Received: embeddings\[0\]"),
    ],
)
def test_embeddings_that_cannot_be_compared_raise_an_error(embeddings, reason: str):
    with pytest.raises(ValueError, match=reason):
        PairList.hardest(samples_of([0, 0, 1, 1]), embeddings)
