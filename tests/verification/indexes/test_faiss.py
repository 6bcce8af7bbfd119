"""Tests of the search by FAISS, against the exact one."""

import numpy as np
import pytest

import siamese_verify as sv
from siamese_verify.verification.indexes import faiss as faiss_index
from siamese_verify.verification.indexes.exact import ExactIndex
from siamese_verify.verification.indexes.faiss import FaissIndex

pytest.importorskip("faiss").omp_set_num_threads(1)  # Threads would wait for a core.


@pytest.fixture(autouse=True)
def small_galleries_are_compressed(monkeypatch):
    monkeypatch.setattr(faiss_index, "_RECENT", 500)


def filled(index, gallery):
    index.add(np.arange(len(gallery)), gallery)
    return index


def test_faiss_finds_nearly_all():
    rng = np.random.default_rng(0)
    identities = rng.normal(size=(400, 32))
    gallery = (np.repeat(identities, 10, axis=0) + rng.normal(size=(4000, 32))).astype(np.float32)
    probes = (identities[:100] + rng.normal(size=(100, 32))).astype(np.float32)
    exact = filled(ExactIndex(sv.CosineHead(), gallery.shape[1]), gallery).search(probes, 10)
    found = filled(FaissIndex(sv.CosineHead(), gallery.shape[1]), gallery).search(probes, 10)
    recall = np.mean([len({*a} & {*b}) / 10 for a, b in zip(exact.ids, found.ids, strict=True)])
    assert recall > 0.95
    np.testing.assert_allclose(found.scores[:, 0], exact.scores[:, 0], atol=1e-5)
    assert found.scores.dtype == np.float32
    assert np.all(np.diff(found.scores, axis=1) <= 0)


@pytest.mark.parametrize(("n", "size"), [(0, 8), (1, 8), (600, 8), (700, 7)])
def test_faiss_is_exact_where_all_are_candidates(n, size):
    probes, gallery = np.split(
        np.random.default_rng(0).normal(size=(n + 5, size)).astype(np.float32), [5]
    )
    found = filled(FaissIndex(sv.CosineHead(), size, candidates=n + 1), gallery).search(probes, 10)
    exact = filled(ExactIndex(sv.CosineHead(), gallery.shape[1]), gallery).search(probes, 10)
    np.testing.assert_array_equal(found.ids, exact.ids)
    np.testing.assert_allclose(found.scores, exact.scores, atol=1e-6)


def test_faiss_marks_where_it_found_fewer():
    gallery = np.random.default_rng(0).normal(size=(4000, 1)).astype(np.float32)  # 1 and -1
    found = filled(FaissIndex(sv.CosineHead(), gallery.shape[1]), gallery).search(gallery[:1], 4000)
    missing = found.ids[0] == -1
    assert missing.any()
    np.testing.assert_array_equal(found.scores[0] == -np.inf, missing)
