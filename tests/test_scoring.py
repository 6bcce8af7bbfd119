"""Tests of scores from embeddings."""

import tracemalloc

import numpy as np
import pytest
from keras import ops

from siamese_verify import (
    ConvTower,
    CosineHead,
    EuclideanHead,
    SiameseModel,
    WeightedL1Head,
    score_blocks,
    score_matrix,
    score_pairs,
)

every_head = pytest.mark.parametrize("head_class", [WeightedL1Head, EuclideanHead, CosineHead])


def embeddings(n, size=16, seed=0):
    return np.random.default_rng(seed).normal(size=(n, size)).astype(np.float32)


def one_by_one(head, left, right):
    scores = [[head((p[None], g[None])) for g in right] for p in left]
    return np.array([[ops.convert_to_numpy(score).item() for score in row] for row in scores])


@every_head
def test_a_matrix_holds_the_score_of_each_probe_and_each_of_the_gallery(head_class):
    head, probes, gallery = head_class(), embeddings(5, seed=0), embeddings(7, seed=1)
    expected = one_by_one(head, probes, gallery)
    matrix = score_matrix(head, probes, gallery)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, expected, atol=1e-6)


@every_head
@pytest.mark.parametrize(("m", "n"), [(1030, 3), (3, 2049), (1, 1), (0, 4), (4, 0)])
def test_blocks_cover_everything_once(head_class, m, n):
    head, probes, gallery = head_class(), embeddings(m, 512), embeddings(n, 512, seed=1)
    covered = np.zeros((m, n))
    for rows, columns, scores in score_blocks(head, probes, gallery):
        covered[rows, columns] += 1
        assert scores.shape == covered[rows, columns].shape
    assert np.all(covered == 1)
    matrix = score_matrix(head, probes, gallery)
    all_pairs = np.stack(np.meshgrid(np.arange(m), np.arange(m, m + n), indexing="ij"), axis=-1)
    listed = score_pairs(head, np.concatenate([probes, gallery]), all_pairs.reshape(-1, 2))
    np.testing.assert_allclose(matrix.ravel(), listed, atol=1e-5)


def test_memory_does_not_grow_with_the_product():
    probes, gallery = embeddings(4096, 8), embeddings(16384, 8)
    tracemalloc.start()
    for _ in score_blocks(CosineHead(), probes, gallery):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.1 * 4 * 4096 * 16384


def test_a_cosine_never_leaves_its_range_and_is_0_for_a_vector_of_zeros():
    probes = embeddings(200, 64)
    matrix = score_matrix(CosineHead(), probes, np.concatenate([probes, np.zeros((1, 64), "f")]))
    assert np.abs(matrix).max() <= 1
    assert not matrix[:, -1].any()


@pytest.mark.parametrize("blocks", [False, True])
def test_two_vectors_of_zeros_are_identical_as_in_the_head(blocks):
    some = embeddings(5, 4)
    some[[1, 3]] = 0
    pairs = np.array([(i, j) for i in range(5) for j in range(5)])
    expected = score_pairs(CosineHead(), some, pairs).reshape(5, 5)
    assert expected[np.ix_([1, 3], [1, 3])].tolist() == [[1, 1], [1, 1]]
    matrix = np.empty((5, 5))
    if blocks:
        for rows, columns, scores in score_blocks(CosineHead(), some, some):
            matrix[rows, columns] = scores
    else:
        matrix = score_matrix(CosineHead(), some, some)
    np.testing.assert_allclose(matrix, expected, atol=1e-6)
    assert np.all(matrix[np.ix_([1, 3], [1, 3])] == 1)


@pytest.mark.parametrize("pairs", [[0, 1], [[0, 1, 2]], [[0.0, 1.0]], np.zeros((2, 2, 2), int)])
def test_pairs_of_another_shape_or_type_raise(pairs):
    with pytest.raises(ValueError, match="`pairs` must be"):
        score_pairs(CosineHead(), embeddings(3), pairs)


def test_a_row_out_of_range_raises():
    with pytest.raises(IndexError, match="3"):
        score_pairs(CosineHead(), embeddings(3), [[0, 3]])


@every_head
def test_a_model_scores_pairs_as_predict_does_and_embeds_each_image_once(head_class, monkeypatch):
    model = SiameseModel(ConvTower([], (6, 6, 1), 8), head_class())
    images = np.random.default_rng(0).integers(0, 256, (9, 6, 6, 1), np.uint8)
    pairs = np.array([[0, 1], [8, 1], [1, 8], [5, 5]])
    left, right = (images[column] / np.float32(255) for column in pairs.T)
    expected = model.predict((left, right), verbose=0)[:, 0]
    passed = []
    embed = model.embed
    monkeypatch.setattr(model, "embed", lambda i, n: passed.append(len(i)) or embed(i, n))
    np.testing.assert_allclose(model.score(images, pairs), expected, atol=1e-6)
    assert passed == [4]


class Shifted(CosineHead):
    """Scores otherwise than the class it is derived from."""

    def call(self, inputs):
        return 2 * super().call(inputs) - 5


def test_a_subclass_of_the_cosine_head_scores_in_its_own_way():
    head, gallery = Shifted(), embeddings(4)
    pairs = np.array([[0, i] for i in range(4)])
    matrix = score_matrix(head, gallery[:1], gallery)
    np.testing.assert_allclose(matrix[0], score_pairs(head, gallery, pairs), rtol=1e-6)


def test_pairs_and_matrix_agree_in_half_precision():
    gallery = embeddings(100).astype(np.float16).astype(np.float32)
    pairs = np.array([[i, i + 1] for i in range(99)])
    listed = score_pairs(CosineHead(dtype="mixed_float16"), gallery, pairs)
    matrix = score_matrix(CosineHead(dtype="mixed_float16"), gallery, gallery)
    np.testing.assert_allclose(listed, matrix[tuple(pairs.T)], atol=1e-6)
    assert len(np.unique(listed)) == 99
