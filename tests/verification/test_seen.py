"""Tests of a verifier's hashes of training and calibration, and of the warnings of `evaluate`."""

import unicodedata
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from verifiers import PREPROCESSING, build, draw_pairs

import siamese_verify as sv
from siamese_verify.evaluation.calibration import CalibrationWarning
from siamese_verify.evaluation.report import EvaluationWarning
from siamese_verify.verification.seen import SeenData


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seen")


@pytest.fixture(scope="module")
def pairs(folder: Path) -> sv.PairDataset:
    return draw_pairs(folder / "validation", "abcde", seed=1)


@pytest.fixture(scope="module")
def strangers(folder: Path) -> sv.PairDataset:
    return draw_pairs(folder / "strangers", "vwxyz", seed=2)


def calibrated(pairs: sv.PairDataset, **options: object) -> sv.Verifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)  # The pairs are few.
        return sv.Verifier(build(), PREPROCESSING).calibrate(pairs, **options)


def told(verifier: sv.Verifier, pairs: sv.PairDataset) -> list[str]:
    """Warnings of `evaluate` about data that was seen before."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        verifier.evaluate(pairs)
    ours = [w for w in caught if issubclass(w.category, EvaluationWarning)]
    said = [w for w in ours if " test " in str(w.message)]
    assert {w.filename for w in said} <= {__file__}  # the line of the caller
    return [str(w.message).split(", so the figures")[0] for w in said]


def test_evaluate_warns_of_the_calibration_pairs(pairs: sv.PairDataset) -> None:
    n_images = len(np.unique(pairs.indices))
    assert told(calibrated(pairs), pairs) == [
        "All 5 test identities were in calibration",
        f"All {n_images} test images were in calibration",
    ]


def test_strangers_are_evaluated_without_a_warning(
    pairs: sv.PairDataset, strangers: sv.PairDataset
) -> None:
    assert told(calibrated(pairs), strangers) == []
    assert told(calibrated(pairs, training_identities=["p", "q"]), strangers) == []


def test_evaluate_warns_of_identities_of_training(
    pairs: sv.PairDataset, strangers: sv.PairDataset
) -> None:
    verifier = calibrated(pairs, training_identities=["p", "x", "y"])
    assert told(verifier, strangers) == ["2 of 5 test identities were in training"]
    train, part = strangers.split(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verifier = sv.Verifier(build(), PREPROCESSING).calibrate(part)
    n = len(train.pairs.identities)
    share = f"All {n}" if n == 5 else f"{n} of 5"
    assert told(verifier, strangers)[0] == f"{share} test identities were in training"


def test_a_renamed_copy_of_an_image_is_found(pairs: sv.PairDataset, folder: Path) -> None:
    renamed = draw_pairs(folder / "renamed", "lmnop", seed=1)
    n_images = len(np.unique(renamed.indices))
    assert told(calibrated(pairs), renamed) == [f"All {n_images} test images were in calibration"]


def test_names_are_compared_however_their_letters_are_encoded(
    pairs: sv.PairDataset, folder: Path
) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    assert composed != decomposed
    zoe = draw_pairs(folder / "zoe", [composed, "other"], seed=3)
    verifier = calibrated(pairs, training_identities=[decomposed])
    assert told(verifier, zoe) == ["1 of 2 test identities were in training"]


def test_the_record_is_in_the_file_unless_it_is_left_out(
    pairs: sv.PairDataset, tmp_path: Path
) -> None:
    verifier = calibrated(pairs, training_identities=["Rosalind"])
    expected = told(verifier, pairs)
    assert len(expected) == 2
    for include_hashes in (True, False):
        path = tmp_path / f"{include_hashes}.keras"
        verifier.save(path, include_hashes=include_hashes)
        content = zipfile.ZipFile(path).read("verifier.json").decode()
        assert "Rosalind" not in content
        assert ('"images"' in content) == include_hashes
        assert told(sv.Verifier.load(path), pairs) == (expected if include_hashes else [])


def test_a_calibration_that_was_set_has_no_record(pairs: sv.PairDataset) -> None:
    verifier = calibrated(pairs)
    verifier.calibration = verifier.calibration
    assert told(verifier, pairs) == []


def test_hashes_of_two_calibrations_cannot_be_compared(pairs: sv.PairDataset) -> None:
    one, other = (SeenData.of(pairs, ["Ada"]) for _ in range(2))
    for name in ("training", "calibration", "images"):
        assert len(getattr(one, name)) == len(getattr(other, name))
        assert not getattr(one, name) & getattr(other, name)
    assert SeenData.from_dict(one.to_dict()) == one


@pytest.mark.parametrize(
    "damage",
    [
        {"salt": "no hexadecimal digits"},
        {"salt": 3},
        {"training": None},
        {"images": ["a"]},
    ],
)
def test_a_damaged_record_raises(pairs: sv.PairDataset, damage: dict) -> None:
    values = SeenData.of(pairs, []).to_dict() | damage
    with pytest.raises((AttributeError, TypeError, ValueError)):
        SeenData.from_dict(values)
