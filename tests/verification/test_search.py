"""Tests of gallery search, against sorting all scores."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import siamese_verify as sv
from siamese_verify import scoring
from siamese_verify.verification.search import ExactIndex, FaissIndex


def need_faiss():
    """Skip without FAISS. One thread trains ten times faster than threads that wait for a core."""
    pytest.importorskip("faiss").omp_set_num_threads(1)


def expected(head, probes, gallery, k):
    scores = sv.score_matrix(head, probes, gallery)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), order


def draw(seed, m, n):
    """Unit vectors whose scores are exact in float32, and often tied."""
    axes = np.eye(4, dtype=np.float32)
    halves = np.array(list(itertools.product((-0.5, 0.5), repeat=4)), np.float32)
    vectors = np.concatenate([axes, -axes, halves])
    chosen = np.random.default_rng(seed).integers(len(vectors), size=m + n)
    return vectors[chosen[:m]], vectors[chosen[m:]]


@pytest.mark.parametrize("head", [sv.CosineHead(), sv.EuclideanHead()])
@given(seed=st.integers(0, 99), m=st.integers(0, 7), n=st.integers(1, 60), k=st.integers(1, 9))
def test_exact_search_agrees_with_sorting(head, seed, m, n, k):
    probes, gallery = draw(seed, m, n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "_BLOCK_BYTES", 4 * 256 * 7)  # many small blocks
        found = ExactIndex(head, gallery).search(probes, k)
    scores, indices = expected(head, probes, gallery, k)
    np.testing.assert_array_equal(found.scores, scores)
    np.testing.assert_array_equal(found.indices, indices)


def test_faiss_finds_nearly_all():
    need_faiss()
    rng = np.random.default_rng(0)
    identities = rng.normal(size=(400, 32))
    gallery = (np.repeat(identities, 10, axis=0) + rng.normal(size=(4000, 32))).astype(np.float32)
    probes = (identities[:100] + rng.normal(size=(100, 32))).astype(np.float32)
    exact = ExactIndex(sv.CosineHead(), gallery).search(probes, 10)
    found = FaissIndex(sv.CosineHead(), gallery).search(probes, 10)
    recall = np.mean(
        [len({*a} & {*b}) / 10 for a, b in zip(exact.indices, found.indices, strict=True)]
    )
    assert recall > 0.95
    np.testing.assert_allclose(found.scores[:, 0], exact.scores[:, 0], atol=1e-5)
    assert found.scores.dtype == np.float32
    assert np.all(np.diff(found.scores, axis=1) <= 0)


@pytest.mark.parametrize(("n", "size"), [(0, 8), (1, 8), (600, 8), (700, 7)])
def test_faiss_is_exact_where_all_are_candidates(n, size):
    need_faiss()
    probes, gallery = np.split(
        np.random.default_rng(0).normal(size=(n + 5, size)).astype(np.float32), [5]
    )
    found = FaissIndex(sv.CosineHead(), gallery, candidates=n).search(probes, 10)
    exact = ExactIndex(sv.CosineHead(), gallery).search(probes, 10)
    np.testing.assert_array_equal(found.indices, exact.indices)
    np.testing.assert_allclose(found.scores, exact.scores, atol=1e-6)


def test_faiss_marks_where_it_found_fewer():
    need_faiss()
    gallery = np.random.default_rng(0).normal(size=(4000, 1)).astype(np.float32)  # 1 and -1
    found = FaissIndex(sv.CosineHead(), gallery).search(gallery[:1], 4000)
    missing = found.indices[0] == -1
    assert missing.any()
    np.testing.assert_array_equal(found.scores[0] == -np.inf, missing)


def test_faiss_with_another_head_raises():
    with pytest.raises(ValueError, match="Use ExactIndex for other heads"):
        FaissIndex(sv.EuclideanHead(), np.zeros((10, 4), np.float32))


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_raises(k):
    with pytest.raises(ValueError, match=f"Received: k={k}"):
        ExactIndex(sv.CosineHead(), np.zeros((10, 4), np.float32)).search(np.zeros((1, 4)), k)


@pytest.mark.parametrize("index", [ExactIndex, FaissIndex])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_raise(index, wrong):
    _, gallery = draw(0, 1, 10)
    gallery[7, 1] = wrong
    if index is FaissIndex:
        need_faiss()
    with pytest.raises(ValueError, match=r"finite\. Received: 1 that are not, the first in row 7"):
        index(sv.CosineHead(), gallery)
