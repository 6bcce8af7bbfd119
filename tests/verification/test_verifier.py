"""Tests of decisions on pairs."""

import copy
import json
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from verifiers import FACE_SIZE, build_for_faces

import siamese_verify as sv
from siamese_verify.verification.looks import UnlikeValidationError, UnlikeValidationWarning


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


def test_a_verifier_is_shown_on_one_short_line(verifier: sv.Verifier) -> None:
    size = verifier.preprocessing.image_size
    expected = f"Verifier(image_size={size}, threshold={verifier.threshold:.4f})"
    assert repr(verifier) == expected
    fresh = sv.Verifier(verifier.model, verifier.preprocessing)
    assert repr(fresh) == f"Verifier(image_size={size}, threshold=None)"


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


def test_the_order_of_two_images_changes_no_bit_of_their_score(
    verifier: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    for left, right in paths[:20]:
        assert verifier.verify(left, right).score == verifier.verify(right, left).score


def test_a_model_of_nan_decides_nothing(saved: Path, paths: list[tuple[Path, Path]]) -> None:
    verifier = sv.Verifier.load(saved)
    verifier.model.set_weights([np.nan * weights for weights in verifier.model.get_weights()])
    with pytest.raises(RuntimeError, match="not finite"):
        verifier.verify(*paths[0])
    with pytest.raises(RuntimeError, match="not finite"):
        verifier.enroll({"Ada": paths[0]})


def test_a_decision_tells_in_what_an_image_is_unlike_validation(verifier, saved, paths):
    grey = np.full((50, 50), 128, np.uint8)
    left, right = paths[0]
    for one in (verifier, sv.Verifier.load(saved)):
        good, bad, both = one.verify_many([(left, right), (left, grey), (grey, grey)])
        assert good.unlike_validation == ()
        assert bad.unlike_validation[0] == "right: low contrast"
        assert {side.partition(":")[0] for side in both.unlike_validation} == {"left", "right"}
    assert json.loads(json.dumps(both.to_dict()))["unlike_validation"] == [*both.unlike_validation]


def test_enrolment_warns_of_images_unlike_validation_or_raises_and_adds_none(saved, paths):
    verifier, grey = sv.Verifier.load(saved), np.full((50, 50), 128, np.uint8)
    with pytest.raises(UnlikeValidationError, match=r"1 of 2 .*\n  Eve, image 2: low contrast"):
        verifier.enroll({"Eve": [paths[0][0], grey]}, unlike="raise")
    assert not verifier.gallery
    with pytest.warns(UnlikeValidationWarning, match="may match anybody"):
        verifier.enroll({"Eve": [paths[0][0], grey]})
    with pytest.warns(UnlikeValidationWarning, match="may match anybody"):
        verifier.replace({"Eve": [grey]})
    verifier.enroll({"Eve": [grey[::-1] // 2]}, unlike="ignore")
    assert verifier.gallery.names == ("Eve", "Eve")


def test_a_pair_in_the_band_is_for_review(pairs, paths):
    verifier = sv.Verifier(build_for_faces(), pairs.preprocessing)
    with warnings.catch_warnings(action="ignore"):  # The pairs are few.
        verifier.calibrate(pairs, "eer", review=("far=0.1", "frr=0.1"))
    band = verifier.calibration.review
    decisions = verifier.verify_many(paths)
    assert {decision.review for decision in decisions} == {True, False}
    assert all(one.review == (band.low <= one.score < band.high) for one in decisions)


def test_a_pair_list_is_scored_and_bad_images_mark_their_pairs(
    verifier, pairs, drawn, tmp_path, monkeypatch
):
    monkeypatch.chdir(drawn / "lfw2")  # The missing file is not taken from here.
    root = tmp_path / "images"
    shutil.copytree(drawn / "lfw2", root)
    broken, missing = (pairs.pairs.samples[row].path for row in (0, 3))
    (root / broken).write_bytes(b"broken")
    (root / missing).unlink()
    found = verifier.score(pairs.pairs, root, verbose=False)
    expected = verifier.model.score(pairs.images, pairs.indices)
    is_bad = np.isin(pairs.pairs.indices, [0, 3]).any(axis=1)
    assert found.failures.keys() == {broken, missing}
    assert np.isnan(found.scores[is_bad]).all()
    assert found.scores[~is_bad] == pytest.approx(expected[~is_bad], abs=1e-4)
    assert found.unlike_validation.keys() < set(pairs.pairs.samples.paths)


def test_a_list_with_groups_is_evaluated_by_group(verifier, pairs):
    names = np.where(pairs.labels == 1, "", "random")
    grouped = sv.PairList.from_columns(
        pairs.pairs.samples, pairs.pairs.indices, pairs.labels, groups=names
    )
    data = copy.copy(pairs)
    data.pairs = grouped
    with warnings.catch_warnings(action="ignore"):  # The pairs were in calibration.
        report = verifier.evaluate(data)
    assert report.by_group["random"].far == report.far
