"""Tests that batches of any size cost few compilations, and that padding changes no result."""

import contextlib

import keras
import numpy as np
import pytest
from verifiers import IMAGES, PREPROCESSING, build

import siamese_verify as sv
from siamese_verify.batch_sizes import padded
from siamese_verify.evaluation.calibration import calibrate

BACKEND = keras.backend.backend()
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="counts what JAX compiles")
MOST = 39


@contextlib.contextmanager
def compilations():
    """Collect the programs that JAX compiles within a block, for whole models and single steps."""
    import jax

    found = []

    def note(event, _, **kwargs):
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(kwargs.get("fun_name"))

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(note)


def make(head: keras.layers.Layer) -> sv.Verifier:
    verifier = sv.Verifier(build(head), PREPROCESSING)
    verifier.calibration = calibrate(np.linspace(0, 1.5, 400), np.arange(400) // 200)
    return verifier


def test_batches_are_padded_to_few_sizes_and_no_larger_than_the_largest_batch():
    sizes = {n: len(padded(np.zeros((n, 2)), most=100)) for n in range(1, 101)}
    assert set(sizes.values()) == {1, 2, 4, 8, 16, 32, 64, 100}
    assert all(size >= n and (size < 2 * n or n == 1) for n, size in sizes.items())


def test_padding_keeps_the_rows_and_adds_finite_ones():
    rows = np.arange(10.0).reshape(5, 2)
    np.testing.assert_array_equal(padded(rows, most=8), rows[[0, 1, 2, 3, 4, 4, 4, 4]])
    assert padded(rows[:, None], most=8, axes=2).shape == (8, 1, 2)


@pytest.mark.parametrize("n", [1, 3, 70])
def test_embeddings_and_scores_are_as_without_padding(n):
    model = build(sv.WeightedL1Head())
    embeddings = model.embed(IMAGES[:n], batch_size=20)
    images = IMAGES[:n] / np.float32(255)
    expected = keras.ops.convert_to_numpy(model.tower(images, training=False))
    np.testing.assert_allclose(embeddings, expected, atol=1e-6)
    scores = sv.score_matrix(model.head, embeddings, embeddings[:3])
    pairs = np.array([[i, j] for i in range(n) for j in range(min(n, 3))])
    left, right = embeddings[pairs.T]
    expected = keras.ops.convert_to_numpy(model.head((left, right)))[:, 0]
    np.testing.assert_allclose(scores.ravel(), expected, atol=1e-6)
    np.testing.assert_allclose(sv.score_pairs(model.head, embeddings, pairs), expected, atol=1e-6)


@on_jax
@pytest.mark.parametrize("head_class", [sv.CosineHead, sv.WeightedL1Head])
def test_decisions_on_any_number_of_pairs_compile_few_programs(head_class):
    verifier = make(head_class())

    def decide(n):
        return verifier.verify_many(zip(IMAGES[:n], IMAGES[n : 2 * n], strict=True))

    with compilations() as first:
        for n in (1, 2, 4, 8, 16, 32, MOST):
            decide(n)
    with compilations() as others:
        every = [decide(n) for n in range(1, MOST + 1)]
    assert others == []
    # For each of 7 sizes, the tower is one program and each step of the head another.
    assert first.count("jit(embed)") == 7
    assert len(first) <= 7 * 30
    assert [len(decisions) for decisions in every] == list(range(1, MOST + 1))


@on_jax
def test_a_search_compiles_few_programs_as_the_gallery_grows():
    verifier = make(sv.WeightedL1Head())
    for n in range(1, 18):
        verifier.enroll({f"{n}": IMAGES[n : n + 1]})
        if n in (1, 2, 4, 8, 16, 17):
            verifier.identify(IMAGES[0])
    with compilations() as found:
        for n in range(18, 33):
            verifier.enroll({f"{n}": IMAGES[n : n + 1]})
            verifier.identify(IMAGES[0])
    assert found == []


def any_size_model() -> sv.SiameseModel:
    tower = keras.Sequential(
        [
            keras.Input((None, None, 1)),
            keras.layers.Conv2D(2, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    return sv.SiameseModel(tower, sv.CosineHead())


@on_jax
def test_programs_are_kept_for_the_last_image_sizes_only():
    import jax

    model, kept = any_size_model(), []
    client = jax.devices()[0].client
    for size in range(8, 28):
        model.embed(np.random.default_rng(size).integers(0, 256, (3, size, size, 1), np.uint8))
        kept.append(len(client.live_executables()))
    assert kept[12] == kept[-1]


@pytest.mark.skipif(BACKEND != "tensorflow", reason="counts what TensorFlow traces")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_tensorflow_traces_few_graphs_and_xla_sees_few_sizes(jit_compile, monkeypatch):
    traced, sizes = [], []

    class Counting(keras.layers.Layer):
        def call(self, x):
            traced.append(x.shape)
            return x

    tower = keras.Sequential([keras.Input((16, 16, 1)), Counting(), keras.layers.Flatten()])
    tower.jit_compile = jit_compile
    run = tower.predict_on_batch
    monkeypatch.setattr(tower, "predict_on_batch", lambda x: sizes.append(len(x)) or run(x))
    model = sv.SiameseModel(tower, sv.CosineHead())
    traced.clear()
    for n in range(1, MOST + 1):
        assert len(model.embed(IMAGES[:n])) == n
    assert len(traced) <= 3
    assert set(sizes) == ({1, 2, 4, 8, 16, 32, 64} if jit_compile else {*range(1, MOST + 1)})
