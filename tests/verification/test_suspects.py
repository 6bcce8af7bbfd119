"""Tests of near-duplicates and of mislabelled images, against what was planted."""

import numpy as np
import pytest
import tensorflow as tf

import siamese_verify as sv
from siamese_verify.drawn_faces.painting import draw_face
from siamese_verify.scoring import score_matrix
from siamese_verify.verification import suspects
from siamese_verify.verification.suspects import mislabelled_images, near_duplicates, thumbnails

IDENTITIES, EACH = 30, 3


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """Return drawn faces, `EACH` of each identity after another."""
    return np.stack([draw_face(i, j) for i in range(1, IDENTITIES + 1) for j in range(1, EACH + 1)])


def encoded_again(image: np.ndarray) -> np.ndarray:
    half = tf.image.resize(image, np.array(image.shape[:2]) // 2, antialias=True)
    jpeg = tf.io.encode_jpeg(tf.cast(half, tf.uint8), quality=50)
    return tf.cast(tf.image.resize(tf.io.decode_jpeg(jpeg), image.shape[:2]), tf.uint8).numpy()


@pytest.mark.parametrize("block", [7, 2_048])
def test_planted_near_duplicates_are_found_and_no_others(
    block: int, faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspects, "_BLOCK", block)
    copies = [encoded_again(faces[row]) for row in (0, 10, 50)]
    images = np.concatenate([faces, copies, faces[20:21]])
    labels = [*np.repeat(np.arange(IDENTITIES), EACH), 90, 91, 92, 93]
    embeddings = np.random.default_rng(0).normal(size=(len(images), 8)).astype(np.float32)
    found = near_duplicates(thumbnails(images), embeddings, labels)
    n = len(faces)
    assert {*map(tuple, found.pairs.tolist())} == {(0, n), (10, n + 1), (50, n + 2), (20, n + 3)}
    assert found.pairs[0].tolist() == [20, n + 3]  # The exact copy comes first.
    assert found.scores[0] == pytest.approx(1)


def test_near_duplicates_of_one_identity_count_in_two_parts_only(faces: np.ndarray) -> None:
    thumbs = thumbnails(np.concatenate([faces[:4], faces[:1]]))
    embeddings, labels = np.eye(5, dtype=np.float32), [0, 0, 0, 1, 0]
    assert len(near_duplicates(thumbs, embeddings, labels).pairs) == 0
    found = near_duplicates(thumbs, embeddings, labels, parts=[0, 0, 0, 1, 1])
    assert found.pairs.tolist() == [[0, 4]]


def test_only_the_most_alike_pairs_are_kept(
    faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspects, "_MOST", 3)
    thumbs = thumbnails(np.repeat(faces[:1], 5, axis=0))
    assert len(near_duplicates(thumbs, np.eye(5, dtype=np.float32), range(5)).pairs) == 3


def drawn_vectors(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw embeddings of 60 identities with 2 to 6 images, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(60), rng.integers(2, 7, 60))
    centres = rng.normal(size=(60, 16))
    return (centres[labels] + rng.normal(0, 0.4, (len(labels), 16))).astype(np.float32), labels


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("head", "threshold"), [(sv.CosineHead(), 0.6), (sv.EuclideanHead(), -3.0)]
)
def test_swapped_labels_are_found_and_few_others(head: object, threshold: float, seed: int) -> None:
    embeddings, truth = drawn_vectors(seed)
    labels = truth.copy()
    many = np.flatnonzero(np.bincount(truth)[truth] >= 4)
    rng = np.random.default_rng(seed)
    swapped = rng.choice(many, 6, replace=False)
    labels[swapped] = (labels[swapped] + rng.integers(1, 60, 6)) % 60
    found = mislabelled_images(embeddings, labels, head, threshold)
    assert {*swapped.tolist()} <= {*found.rows.tolist()}
    assert len(found.rows) <= len(swapped) + 2
    places = [found.rows.tolist().index(row) for row in swapped]
    assert found.labels[places].tolist() == truth[swapped].tolist()


@pytest.mark.parametrize("head", [sv.CosineHead(), sv.EuclideanHead()])
def test_scores_are_those_of_the_head(head: object) -> None:
    embeddings, labels = drawn_vectors(0)
    labels[:3] = [1, 2, 3]
    found = mislabelled_images(embeddings, labels, head, -2.5 if "uclid" in str(head) else 0.4)
    assert len(found.rows)
    scores = score_matrix(head, embeddings, embeddings)
    np.fill_diagonal(scores, -np.inf)
    own = [
        np.median(np.delete(scores[row], row)[np.delete(labels, row) == labels[row]])
        for row in found.rows
    ]
    assert found.own_scores == pytest.approx(own, abs=1e-5)
