"""Tests of enrolment and identification."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pytest
from verifiers import FACE_SIZE, IMAGES, build_for_faces, make_enrolled

import siamese_verify as sv
from siamese_verify.data.decoding import ImageError
from siamese_verify.evaluation.calibration import CalibrationWarning
from siamese_verify.verification.gallery import GalleryError
from siamese_verify.verification.indexes.exact import ExactIndex
from siamese_verify.verification.indexes.faiss import FaissIndex


def test_an_enrolled_identity_is_the_best_match(
    enrolled: sv.Verifier, drawn: Path, pairs: sv.PairDataset
) -> None:
    sample = pairs.pairs.samples[0]
    found = enrolled.identify(drawn / "lfw2" / sample.path, k=3)
    assert found[0].name == sample.identity
    assert len({match.name for match in found}) == len(found) <= 3
    scores = [match.score for match in found]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= enrolled.threshold


def test_another_index_type_is_used_from_then_on(
    enrolled: sv.Verifier, drawn: Path, pairs: sv.PairDataset
) -> None:
    path = drawn / "lfw2" / pairs.pairs.samples[0].path
    found = enrolled.identify(path)
    made = []

    def index_type(*arguments: object) -> ExactIndex:
        made.append(ExactIndex(*arguments))
        return made[-1]

    enrolled.index_type = index_type
    assert enrolled.identify(path) == enrolled.identify(path) == found
    assert len(made) == 1


def test_identities_are_found_however_many_images_they_have(
    saved: Path, drawn: Path, pairs: sv.PairDataset
) -> None:
    verifier = sv.Verifier.load(saved)
    calibration = verifier.calibration
    verifier.calibration = type(calibration)(**{**vars(calibration), "threshold": -1.0})
    path = drawn / "lfw2" / pairs.pairs.samples[0].path
    others = {
        name: [next((drawn / "lfw2" / name).iterdir())] for name in pairs.pairs.identities[1:4]
    }
    verifier.enroll({"Many": [path] * 30, **others})
    found = verifier.identify(path, k=3)
    assert found[0].name == "Many"
    assert len({match.name for match in found}) == 3


def test_faiss_finds_the_same_identities(drawn: Path, pairs: sv.PairDataset) -> None:
    pytest.importorskip("faiss")
    verifier = sv.Verifier(build_for_faces(sv.CosineHead()), pairs.preprocessing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        verifier.calibrate(pairs)
    faces = {p.identity: [drawn / "lfw2" / p.path] for p in pairs.pairs.samples}
    verifier.enroll(faces, unlike="ignore")
    probe = drawn / "lfw2" / pairs.pairs.samples[0].path
    exact = verifier.identify(probe, 3)
    verifier.index_type = FaissIndex
    verifier.enroll({})
    found = verifier.identify(probe, 3)
    assert [match.name for match in found] == [match.name for match in exact]
    assert [match.score for match in found] == pytest.approx([m.score for m in exact], abs=1e-5)


def test_no_match_is_an_empty_list(enrolled: sv.Verifier, saved: Path, drawn: Path) -> None:
    assert sv.Verifier.load(saved).identify(np.zeros(FACE_SIZE, np.uint8)) == []
    calibration = enrolled.calibration
    enrolled.calibration = type(calibration)(**{**vars(calibration), "threshold": 2.0})
    sample = enrolled.gallery.identities[0]
    assert enrolled.identify(next((drawn / "lfw2" / sample).iterdir())) == []


def test_an_unreadable_image_enrolls_no_identity(
    enrolled: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    before = enrolled.gallery.names
    with pytest.raises(ImageError):
        enrolled.enroll({"Eve": [paths[0][0], b"no image"]})
    assert enrolled.gallery.names == before


def test_a_name_that_is_not_a_str_enrolls_no_identity(
    enrolled: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    before = enrolled.gallery.names
    with pytest.raises(TypeError, match="Received: 5"):
        enrolled.enroll({"Eve": paths[0], 5: paths[1]})
    assert enrolled.gallery.names == before


def test_k_below_one_raises(enrolled: sv.Verifier) -> None:
    with pytest.raises(ValueError, match="Received: k=0"):
        enrolled.identify(np.zeros(FACE_SIZE, np.uint8), 0)


def test_a_model_trained_since_enrolls_no_identity(
    enrolled: sv.Verifier, paths: list[tuple[Path, Path]]
) -> None:
    before = enrolled.gallery
    enrolled.enroll({"Ada": paths[0]})  # Unchanged, it may.
    enrolled.model.set_weights([1.1 * weights for weights in enrolled.model.get_weights()])
    known = enrolled.gallery.names
    message = f"changed since {len(before) + 2} images were enrolled"
    with pytest.raises(GalleryError, match=message):
        enrolled.enroll({"Eve": paths[1]})
    assert enrolled.gallery.names == known


def test_an_empty_gallery_belongs_to_the_model_that_enrolls(
    saved: Path, paths: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    verifier = sv.Verifier.load(saved)
    assert len(verifier.gallery) == 0
    verifier.model.set_weights([2 * weights for weights in verifier.model.get_weights()])
    verifier.enroll({"Ada": paths[0]})
    verifier.save_gallery(tmp_path / "identities.npz")
    verifier.load_gallery(tmp_path / "identities.npz")


def test_many_probes_are_found_as_each_alone() -> None:
    verifier = make_enrolled(sv.CosineHead())
    for k, below in ((1, False), (3, False), (1, True), (5, True)):
        many = verifier.identify_many(IMAGES[:6], k, below_threshold=below)
        for found, image in zip(many, IMAGES[:6], strict=True):
            alone = verifier.identify(image, k, below_threshold=below)
            assert [match.name for match in found] == [match.name for match in alone]
            assert [m.score for m in found] == pytest.approx([m.score for m in alone], abs=1e-5)
    assert verifier.identify_many([]) == []
    with pytest.raises(TypeError, match=r"write \[image\]"):
        verifier.identify_many(IMAGES[0])


def test_matches_below_the_threshold_are_false() -> None:
    verifier = make_enrolled(sv.CosineHead())
    verifier.calibration = dataclasses.replace(verifier.calibration, threshold=0.9999)
    found = verifier.identify(IMAGES[0], 5, below_threshold=True)
    assert [bool(match) for match in found] == [match.accepted for match in found] == [True, False]
    assert found[:1] == verifier.identify(IMAGES[0], 5)
    assert [match.score >= 0.9999 for match in found] == [True, False]
