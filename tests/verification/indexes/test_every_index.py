"""Tests that every index passes, against sorting the scores of all that it should hold."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import siamese_verify as sv
from siamese_verify.verification.indexes.exact import ExactIndex
from siamese_verify.verification.indexes.index import StoredIndex, fill

AXES = np.eye(4, dtype=np.float32)
HALVES = np.array(list(itertools.product((-0.5, 0.5), repeat=4)), np.float32)
# Unit vectors whose scores are exact in float32 and often tied, longer ones, and zeros.
VECTORS = np.concatenate([AXES, -AXES, HALVES, 2 * AXES, np.zeros((1, 4), np.float32)])
NAMES = ["exact", "faiss", "faiss on disk", "milvus"]


@pytest.fixture(scope="module", params=NAMES)
def index_type(request, tmp_path_factory):
    """Index that finds all neighbours, also where it compresses the gallery."""
    if request.param == "exact":
        yield ExactIndex
    if request.param == "milvus":
        pytest.importorskip("milvus_lite")
        from siamese_verify.verification.indexes.milvus import MilvusIndex

        file = tmp_path_factory.mktemp("milvus") / "gallery.db"
        numbers = itertools.count()
        yield lambda head, size: MilvusIndex(head, size, file, f"gallery_{next(numbers)}")
    if request.param.startswith("faiss"):
        pytest.importorskip("faiss").omp_set_num_threads(1)
        from siamese_verify.verification.indexes import faiss

        folder = tmp_path_factory.mktemp("indexes")

        def faiss_index(head, size):
            path = folder / str(next(numbers)) if "disk" in request.param else None
            return faiss.FaissIndex(head, size, candidates=10_000, path=path)

        numbers = itertools.count()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(faiss, "_RECENT", 300)
            yield faiss_index


def check(index, truth, probes, k):
    """Compare a search with the scores of all embeddings `truth`, by id."""
    found = index.search(probes, k)
    assert len(index) == len(truth)
    assert found.scores.shape == found.ids.shape == (len(probes), min(k, len(truth)))
    assert (found.scores.dtype, found.ids.dtype) == (np.float32, np.int64)
    ids = np.array(sorted(truth), np.int64)
    gallery = np.array([truth[i] for i in ids], np.float32).reshape(-1, probes.shape[1])
    scores = sv.score_matrix(sv.CosineHead(), probes, gallery)
    np.testing.assert_allclose(found.scores, -np.sort(-scores, axis=1)[:, :k], atol=1e-6)
    for row, best in enumerate(found.ids):
        assert len({*best}) == len(best)
        own = scores[row, np.searchsorted(ids, best)]
        np.testing.assert_allclose(found.scores[row], own, atol=1e-6)


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_changes_in_any_order_are_found(index_type, data):
    index, truth, next_id = index_type(sv.CosineHead(), 4), {}, 0
    for _ in range(data.draw(st.integers(1, 6))):
        if data.draw(st.booleans()) or not truth:
            rows = data.draw(st.lists(st.integers(0, len(VECTORS) - 1), max_size=12))
            ids = list(range(next_id, next_id + len(rows)))
            index.add(np.array(ids, np.int64), VECTORS[rows])
            truth.update(zip(ids, VECTORS[rows], strict=True))
            next_id += len(rows) + data.draw(st.integers(0, 3))
        else:
            gone = data.draw(st.lists(st.sampled_from(sorted(truth)), unique=True))
            index.remove(np.array(gone, np.int64))
            for i in gone:
                del truth[i]
        probes = VECTORS[data.draw(st.lists(st.integers(0, len(VECTORS) - 1), max_size=4))]
        check(index, truth, probes, data.draw(st.integers(1, 20)))


def test_a_large_gallery_grows_and_shrinks(index_type):
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(900, 8)).astype(np.float32)
    index, truth = index_type(sv.CosineHead(), 8), {}
    for start, stop in ((0, 600), (600, 610), (610, 900)):
        index.add(np.arange(start, stop), gallery[start:stop])
        truth.update(enumerate(gallery[start:stop], start))
        check(index, truth, gallery[::90], 7)
        gone = rng.choice(sorted(truth), len(truth) // 3, replace=False)
        index.remove(gone)
        for i in gone:
            del truth[i]
        check(index, truth, gallery[::90], 7)
    index.remove(np.array(sorted(truth)))
    check(index, {}, gallery[:2], 7)


def test_an_empty_index_finds_nothing(index_type):
    found = index_type(sv.CosineHead(), 4).search(AXES[:2], 3)
    assert found.scores.shape == found.ids.shape == (2, 0)


@pytest.mark.parametrize("k", [0, -1, 1.5])
def test_k_below_one_raises(index_type, k):
    with pytest.raises(ValueError, match=f"Received: k={k}"):
        index_type(sv.CosineHead(), 4).search(AXES[:1], k)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_raise_and_change_nothing(index_type, wrong):
    index, gallery = index_type(sv.CosineHead(), 4), HALVES[:10].copy()
    gallery[7, 1] = wrong
    with pytest.raises(ValueError, match=r"finite\. Received: 1 that are not, the first in row 7"):
        index.add(np.arange(10), gallery)
    assert len(index) == 0


@pytest.mark.parametrize("ids", [[3, 3], [-1, 4], [0, 4]])
def test_ids_that_are_not_new_raise(index_type, ids):
    index = index_type(sv.CosineHead(), 4)
    index.add(np.array([0]), AXES[:1])
    with pytest.raises(ValueError, match="Ids must be new, different, and not negative"):
        index.add(np.array(ids), AXES[:2])
    check(index, {0: AXES[0]}, AXES, 3)


def test_removing_an_id_that_is_not_there_raises(index_type):
    index = index_type(sv.CosineHead(), 4)
    index.add(np.arange(2), AXES[:2])
    with pytest.raises(ValueError, match=r"Received: ids=5, 7"):
        index.remove(np.array([1, 5, 7]))
    check(index, {0: AXES[0], 1: AXES[1]}, AXES, 3)


def test_embeddings_of_another_size_raise(index_type):
    with pytest.raises(ValueError, match=r"one row of 4 values for each id.*\(2, 3\)"):
        index_type(sv.CosineHead(), 4).add(np.arange(2), np.ones((2, 3), np.float32))


def test_a_search_sees_all_of_an_addition_or_none(index_type):
    index, stop, seen = index_type(sv.CosineHead(), 4), threading.Event(), []

    def search():
        while not stop.is_set():
            seen.append(index.search(AXES[:1], 1000).ids[0].tolist())

    thread = threading.Thread(target=search)
    thread.start()
    for start in range(0, 60, 3):
        index.add(np.arange(start, start + 3), AXES[:3])
    stop.set()
    thread.join()
    assert {len(found) % 3 for found in seen} <= {0}
    assert all(sorted(found) == list(range(len(found))) for found in seen)
    check(index, {i: AXES[i % 3] for i in range(60)}, AXES, 60)


def test_fill_leaves_the_given_embeddings_and_no_others(index_type):
    index = index_type(sv.CosineHead(), 4)
    fill(index, np.array([3, 5]), AXES[:2])
    check(index, {3: AXES[0], 5: AXES[1]}, AXES, 3)
    if isinstance(index, StoredIndex):
        fill(index, np.array([3, 5, 6]), AXES[[0, 2, 3]])
        check(index, {3: AXES[0], 5: AXES[2], 6: AXES[3]}, AXES, 3)
