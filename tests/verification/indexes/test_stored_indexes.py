"""Tests of indexes that are opened again."""

import functools

import numpy as np
import pytest

import siamese_verify as sv
from siamese_verify.verification.indexes import faiss as faiss_index
from siamese_verify.verification.indexes.faiss import FaissIndex
from siamese_verify.verification.indexes.index import digests, fill
from siamese_verify.verification.indexes.milvus import MilvusIndex

GALLERY = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
HEAD = sv.CosineHead()


@pytest.fixture(scope="module", params=["faiss", "milvus"])
def reopen(request, tmp_path_factory):
    """Function that opens the same stored index again and again."""
    if request.param == "milvus":
        pytest.importorskip("milvus_lite")
        yield functools.partial(MilvusIndex, HEAD, 4, tmp_path_factory.mktemp("milvus") / "g.db")
    else:
        pytest.importorskip("faiss").omp_set_num_threads(1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(faiss_index, "_RECENT", 300)
            path = tmp_path_factory.mktemp("faiss") / "g.faiss"
            yield functools.partial(FaissIndex, HEAD, 4, path=path)


def test_an_opened_index_is_filled_with_what_the_gallery_holds(reopen):
    ids = np.arange(600)
    fill(reopen(), ids, GALLERY)
    np.testing.assert_array_equal(reopen().contents().digests, digests(GALLERY))
    # Images are removed, replaced under their ids, and added.
    kept, changed = ids[100:], GALLERY[100:].copy()
    changed[:20] *= -1
    kept = np.append(kept, 700)
    changed = np.append(changed, GALLERY[:1], axis=0)
    index = reopen()
    fill(index, kept, changed)
    np.testing.assert_array_equal(index.contents().ids, kept)
    np.testing.assert_array_equal(index.contents().digests, digests(changed))
    found = index.search(changed[[0, 300, -1]], 1)
    assert found.ids[:, 0].tolist() == [100, 400, 700]
    np.testing.assert_allclose(found.scores, 1, atol=1e-6)


def test_an_index_of_another_gallery_is_replaced_by_this_one(reopen):
    fill(reopen(), np.arange(600), GALLERY[::-1])
    index = reopen()
    fill(index, np.arange(600), GALLERY)
    np.testing.assert_array_equal(index.contents().digests, digests(GALLERY))


def test_any_changed_value_changes_the_digest():
    first = digests(GALLERY)
    assert len(np.unique(first)) == len(GALLERY)
    for column in range(4):
        changed = GALLERY.copy()
        changed[:, column] = np.nextafter(changed[:, column], np.float32(9))
        assert not np.any(digests(changed) == first)


@pytest.mark.parametrize("damage", [b"no index", b""])
def test_a_file_that_is_not_an_index_raises(damage, tmp_path):
    pytest.importorskip("faiss")
    path = tmp_path / "a.faiss"
    path.write_bytes(damage)
    with pytest.raises(ValueError, match=r"a\.faiss is not an index of .*Delete it"):
        FaissIndex(HEAD, 4, path=path)
    assert path.read_bytes() == damage


def test_a_damaged_file_raises(tmp_path, monkeypatch):
    pytest.importorskip("faiss").omp_set_num_threads(1)
    monkeypatch.setattr(faiss_index, "_RECENT", 300)
    path = tmp_path / "a.faiss"
    FaissIndex(HEAD, 4, path=path).add(np.arange(600), GALLERY)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[100:])
    with pytest.raises(ValueError, match="is damaged"):
        FaissIndex(HEAD, 4, path=path)
    # A row has four values and three numbers, and the end 223 bytes.
    data[-223 - 600 * 40 + 3] ^= 0x80  # The sign of a value.
    other = tmp_path / "b.faiss"
    other.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged"):  # It would be compressed again.
        FaissIndex(HEAD, 4, path=other).remove(np.arange(10, 400))


def test_no_flipped_bit_changes_a_score(tmp_path, monkeypatch):
    pytest.importorskip("faiss").omp_set_num_threads(1)
    monkeypatch.setattr(faiss_index, "_RECENT", 300)
    path = tmp_path / "a.faiss"
    index = FaissIndex(HEAD, 4, path=path)
    index.add(np.arange(600), GALLERY)
    truth = GALLERY / np.linalg.norm(GALLERY, axis=1, keepdims=True)
    whole = bytearray(path.read_bytes())
    rng, n_errors = np.random.default_rng(0), 0
    for place in rng.integers(len(whole), size=150).tolist():
        flipped = tmp_path / f"{place}.faiss"  # The older one may be mapped still.
        whole[place] ^= 1 << 5
        flipped.write_bytes(whole)
        whole[place] ^= 1 << 5
        try:
            index = FaissIndex(HEAD, 4, path=flipped)
            fill(index, np.arange(600), GALLERY)
            found = index.search(truth[:50], 20)
        except ValueError as error:
            n_errors += "is damaged" in str(error)
            continue
        exact = np.sum(truth[:50, None] * truth[found.ids], axis=2)
        np.testing.assert_allclose(found.scores, exact, atol=1e-5)
    assert n_errors > 50


def test_a_collection_that_another_gallery_fills_names_no_wrong_identity(tmp_path):
    pytest.importorskip("milvus_lite")
    index, other = (MilvusIndex(HEAD, 4, tmp_path / "g.db") for _ in range(2))
    fill(index, np.arange(20), GALLERY[:20])
    index.remove(np.array([3]))
    index.add(np.array([20]), GALLERY[20:21])
    assert index.search(GALLERY[20:21], 1).ids.tolist() == [[20]]
    fill(other, np.arange(21), GALLERY[100:121])
    with pytest.raises(RuntimeError, match=r"another gallery.*Received: 5 other embeddings"):
        index.search(GALLERY[100:101], 5)
    assert other.search(GALLERY[100:101], 1).ids.tolist() == [[0]]


def test_a_collection_of_another_size_raises(tmp_path):
    pytest.importorskip("milvus_lite")
    path = tmp_path / "g.db"
    MilvusIndex(HEAD, 4, path)
    with pytest.raises(ValueError, match=r"collection gallery of .*g\.db is not an index of"):
        MilvusIndex(HEAD, 5, path)


def test_an_address_that_cannot_be_used_is_named_without_its_password(monkeypatch):
    pymilvus = pytest.importorskip("pymilvus")

    def unreachable(url, **_):
        raise OSError(f"no answer from {url}")

    monkeypatch.setattr(pymilvus, "MilvusClient", unreachable)
    with pytest.raises(ConnectionError, match=r"Received: url=http://host:19530") as raised:
        MilvusIndex(HEAD, 4, "http://ada:secret@host:19530")
    assert "no answer" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("index_type", "package"),
    [(FaissIndex, "faiss"), (functools.partial(MilvusIndex, url="g.db"), "pymilvus")],
)
def test_another_head_raises(index_type, package):
    pytest.importorskip(package)
    with pytest.raises(ValueError, match="Use ExactIndex for other heads"):
        index_type(sv.EuclideanHead(), 4)
