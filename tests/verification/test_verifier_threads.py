"""Tests of a `Verifier` that threads share: nobody is lost, and answers are as of one thread."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import keras
import numpy as np
import pytest
from verifiers import IMAGES, PREPROCESSING, build, draw_pairs

import siamese_verify as sv
from siamese_verify.evaluation.calibration import calibrate
from siamese_verify.verification.indexes.exact import ExactIndex

THREADS = 8
pytestmark = [
    pytest.mark.filterwarnings("ignore::siamese_verify.evaluation.calibration.CalibrationWarning"),
    pytest.mark.filterwarnings("ignore::siamese_verify.evaluation.report.EvaluationWarning"),
]


def make() -> sv.Verifier:
    verifier = sv.Verifier(build(sv.CosineHead()), PREPROCESSING)
    verifier.calibration = calibrate(np.linspace(0, 1.5, 400), np.arange(400) // 200)
    return verifier


def together(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """The results of threads that start at the same moment."""
    barrier = Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda _: barrier.wait(), range(THREADS)))
        return list(pool.map(function, items))


@pytest.mark.parametrize("attempt", range(3))
def test_every_identity_enrolled_by_threads_is_in_the_gallery(attempt: int) -> None:
    verifier = make()
    identities = [f"{i:02}" for i in range(40)]
    together(lambda i: verifier.enroll({identities[i]: IMAGES[[i, 50 + i]]}), range(40))
    gallery = verifier.gallery
    assert gallery.identities == tuple(identities)
    expected = {name: verifier.embed(IMAGES[[i, 50 + i]]) for i, name in enumerate(identities)}
    for name in identities:
        rows = [row for row, found in enumerate(gallery.names) if found == name]
        np.testing.assert_allclose(gallery.embeddings[rows], expected[name], atol=1e-5)


def test_identifying_while_others_enroll_sees_a_whole_gallery() -> None:
    verifier = make()
    verifier.enroll({"first": IMAGES[:1]})

    def step(i: int) -> str:
        if i % 2:
            verifier.enroll({f"{i}": IMAGES[i : i + 1]})
        return verifier.identify(IMAGES[0])[0].name

    assert set(together(step, range(40))) == {"first"}
    assert len(verifier.gallery.identities) == 21


def test_an_index_is_built_once() -> None:
    verifier = make()
    verifier.enroll({"first": IMAGES[:1]})
    built = []

    def index_type(*arguments: Any) -> ExactIndex:
        built.append(1)
        return ExactIndex(*arguments)

    verifier.index_type = index_type
    together(lambda _: verifier.identify(IMAGES[0]), range(16))
    assert built == [1]


def test_threads_that_embed_first_agree() -> None:
    # Nothing was built before, so that all of them build it.
    expected = build(sv.CosineHead()).embed(IMAGES)
    verifier = make()
    for i, found in enumerate(together(lambda i: verifier.embed(IMAGES[i : i + 3]), range(32))):
        np.testing.assert_allclose(found, expected[i : i + 3], atol=1e-5)


def test_threads_decide_as_one_thread_does() -> None:
    verifier = make()
    found = together(lambda i: verifier.verify(IMAGES[i], IMAGES[i + 1]), range(64))
    assert found == [verifier.verify(IMAGES[i], IMAGES[i + 1]) for i in range(64)]


def test_threads_calibrate_evaluate_and_save_the_same(tmp_path) -> None:
    pairs = draw_pairs(tmp_path / "images", "abcdef")
    verifier = make()

    def step(i: int) -> tuple[float, str, bool]:
        own = sv.Verifier(verifier.model, PREPROCESSING).calibrate(pairs)
        verifier.calibrate(pairs)
        path = tmp_path / f"{i}.keras"
        verifier.save(path)
        report = verifier.evaluate(pairs)
        return own.threshold, str(report), sv.Verifier.load(path).threshold == own.threshold

    (result,) = set(together(step, range(THREADS)))
    assert result == (verifier.threshold, str(verifier.evaluate(pairs)), True)


def test_threads_may_be_the_first_to_read_the_gallery() -> None:
    verifier = make()
    galleries = together(lambda _: verifier.gallery, range(16))
    assert all(gallery.is_of_same_model(galleries[0]) for gallery in galleries)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="of JAX only")
def test_embedding_does_not_move_the_weights() -> None:
    # Keras would donate them to the computation, where other threads miss them.
    model = build()
    values = [variable.value for variable in model.weights]
    model.embed(IMAGES[:4])
    assert all(
        variable.value is value for variable, value in zip(model.weights, values, strict=True)
    )
