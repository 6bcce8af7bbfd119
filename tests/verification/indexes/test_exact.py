"""Tests of the exact search that the other indexes do not share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import siamese_verify as sv
from siamese_verify import scoring
from siamese_verify.verification.indexes.exact import ExactIndex


def test_growth_copies_the_gallery_rarely_and_removal_never():
    index = ExactIndex(sv.CosineHead(), 8)
    rows = np.random.default_rng(0).normal(size=(1000, 8)).astype(np.float32)
    rooms = set()
    for i in range(1000):
        index.add(np.array([i]), rows[i : i + 1])
        rooms.add(id(index._state.scorer._gallery.base))
    assert len(rooms) < 30


def test_a_search_keeps_the_state_that_it_began_with():
    index = ExactIndex(sv.CosineHead(), 4)
    gallery = np.eye(4, dtype=np.float32)
    index.add(np.arange(4), gallery)
    blocks = scoring.GalleryScorer.blocks

    def changing(scorer, probes):
        index.remove(np.array([0]))
        index.add(np.array([9]), gallery[:1])
        yield from blocks(scorer, probes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring.GalleryScorer, "blocks", changing)
        found = index.search(gallery[:1], 4)
    assert found.ids.tolist() == [[0, 1, 2, 3]]
    assert index.search(gallery[:1], 4).ids.tolist() == [[9, 1, 2, 3]]


@given(seed=st.integers(0, 99), n=st.integers(1, 60), k=st.integers(1, 9))
def test_equal_scores_come_in_the_order_of_ids(seed, n, k):
    rng = np.random.default_rng(seed)
    ids = rng.permutation(2 * n)[:n]
    index = ExactIndex(sv.CosineHead(), 4)
    for part in np.array_split(np.arange(n), 3):
        gallery = np.eye(4, dtype=np.float32)[ids[part] % 2]
        index.add(ids[part], gallery)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "_BLOCK_BYTES", 4 * 256 * 7)  # many small blocks
        found = index.search(np.eye(4, dtype=np.float32)[:1], k)
    expected = sorted(ids.tolist(), key=lambda i: (i % 2, i))[:k]
    assert found.ids[0].tolist() == expected
