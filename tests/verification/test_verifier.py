"""Tests of decisions on pairs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from verifiers import FACE_SIZE

import siamese_verify as sv


def test_a_decision_tells_score_probability_threshold_and_rates(
    verifier: sv.Verifier, pairs: sv.PairDataset, paths: list[tuple[Path, Path]]
) -> None:
    scores = verifier.model.score(pairs.images, pairs.indices)
    for index in (0, -1):
        decision = verifier.verify(*paths[index])
        assert decision.score == pytest.approx(scores[index], abs=1e-5)
        assert decision.same == (decision.score >= verifier.threshold)
        assert decision.probability == verifier.calibration.probability(decision.score)
        assert decision.threshold == verifier.threshold
        assert (decision.far, decision.frr) == (verifier.calibration.far, verifier.calibration.frr)
    many = verifier.verify_many(paths)
    assert [d.score for d in many] == pytest.approx(scores.tolist(), abs=1e-5)
    assert verifier.verify_many([]) == []


def test_a_pair_is_two_images(verifier: sv.Verifier, paths: list[tuple[Path, Path]]) -> None:
    (one, other), *_ = paths
    for wrong in ((one,), (one, other, one), (one, other, one, other), one, "ab"):
        with pytest.raises(TypeError, match=r"A pair must be two images\. Received: pairs\[1\]="):
            verifier.verify_many([(one, other), wrong])
    pixels = np.zeros((3, 2, *FACE_SIZE, 1), np.uint8)
    assert len(verifier.verify_many(pixels)) == 3


def test_threads_decide_on_files_as_one_thread_does(
    saved: Path, verifier: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    shared = sv.Verifier.load(saved)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda pair: shared.verify(*pair), paths[:64]))
    assert together == [verifier.verify(*pair) for pair in paths[:64]]


def test_a_model_of_nan_decides_nothing(saved: Path, paths: list[tuple[Path, Path]]) -> None:
    verifier = sv.Verifier.load(saved)
    verifier.model.set_weights([np.nan * weights for weights in verifier.model.get_weights()])
    with pytest.raises(RuntimeError, match="not finite"):
        verifier.verify(*paths[0])
    with pytest.raises(RuntimeError, match="not finite"):
        verifier.enroll({"Ada": paths[0]})
