"""Tests of images that same pairs link."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from siamese_verify.data.linking import lowest_linked
from siamese_verify.data.pairs import PairList

LFW = Path(__file__).parents[3] / "shared" / "lfw"
needs_lfw = pytest.mark.skipif(not LFW.is_dir(), reason="needs LFW in ../shared/lfw")


@given(
    st.integers(2, 12).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2), max_size=12)
        )
    )
)
def test_images_that_pairs_link_through_others_have_one_label(
    graph: tuple[int, list[tuple[int, int]]],
):
    n, edges = graph
    pairs = np.array(edges, np.int64).reshape(-1, 2)
    matrix = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (n, n))
    _, expected = connected_components(matrix, directed=False)
    label = lowest_linked(pairs, n)
    np.testing.assert_array_equal(label[:, None] == label, expected[:, None] == expected)


@needs_lfw
def test_lfws_same_pairs_make_the_groups_that_the_docstring_tells(tmp_path: Path):
    same = PairList.from_lfw(LFW / "pairsDevTrain.txt").same
    numbers = {sample: i for i, sample in enumerate(same.samples)}
    linked = lowest_linked(
        np.array([(numbers[p.left], numbers[p.right]) for p in same]), len(numbers)
    )
    assert len(same) == 1_100
    assert len(set(linked)) == 885
    assert len({pair.left.identity for pair in same}) == 788
