"""Tests of settings in files: they hold only for the model that they were made with."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from verifiers import IMAGES, make_enrolled, rewritten, train

import siamese_verify as sv
from siamese_verify.verification import file
from siamese_verify.verification.file import VerifierFileError


@pytest.mark.parametrize(
    "change",
    [
        lambda settings: {**settings, "format": "one"},
        lambda settings: {**settings, "format": float("inf")},
        lambda settings: {**settings, "preprocessing": {"size": 3}},
        lambda settings: {**settings, "preprocessing": {"image_size": [0, 0]}},
        lambda settings: {**settings, "calibration": None},
        lambda settings: {**settings, "format": True},
        lambda settings: {**settings, "format": 2.5},
        lambda settings: {**settings, "decoding": 99},
        lambda settings: {**settings, "versions": {"keras": 3}},
        lambda settings: {**settings, "seen": []},
        lambda settings: {**settings, "fingerprint": "0"},
        lambda settings: {**settings, "preprocessing": {"channels": 1.0, "image_size": [24, 24]}},
        lambda settings: {**settings, "calibration": {**settings["calibration"], "prior": 7}},
        lambda settings: {**settings, "calibration": {**settings["calibration"], "threshold": "0"}},
        lambda settings: {**settings, "calibration": {**settings["calibration"], "far": ["0"] * 3}},
        lambda settings: {"format": 1},
        lambda settings: [],
    ],
)
def test_damaged_settings_raise(saved: Path, tmp_path: Path, change: object) -> None:
    path = rewritten(saved, tmp_path / "x.keras", "verifier.json", change)
    with pytest.raises(VerifierFileError, match=r"is damaged: .* in its settings"):
        sv.Verifier.load(path)


def test_a_file_holds_its_fingerprint(tmp_path: Path) -> None:
    verifier = make_enrolled()
    verifier.save(tmp_path / "faces.keras")
    settings = json.loads(zipfile.ZipFile(tmp_path / "faces.keras").read("verifier.json"))
    assert settings["format"] == file._FORMAT == 4
    assert settings["fingerprint"] == verifier.fingerprint
    assert sv.Verifier.load(tmp_path / "faces.keras").fingerprint == verifier.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {**s, "fingerprint": "0" * 64},
        lambda s: {**s, "preprocessing": {**s["preprocessing"], "center_crop": [9, 9]}},
    ],
)
def test_a_file_whose_parts_do_not_fit_raises(
    change: Callable[[dict], dict], tmp_path: Path
) -> None:
    path = tmp_path / "faces.keras"
    make_enrolled().save(path)
    rewritten(path, path, "verifier.json", change)
    with pytest.raises(VerifierFileError, match=r"faces\.keras was changed: its threshold"):
        sv.Verifier.load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {name: s[name] for name in s if name != "fingerprint"},
        lambda s: {**s, "seen": "hashes"},
        lambda s: {**s, "seen": {"salt": "00"}},
    ],
)
def test_damaged_fingerprint_or_hashes_raise(
    change: Callable[[dict], dict], tmp_path: Path
) -> None:
    path = tmp_path / "faces.keras"
    make_enrolled().save(path)
    with pytest.raises(VerifierFileError, match=r"is damaged: .* in its settings"):
        sv.Verifier.load(rewritten(path, path, "verifier.json", change))


def test_a_file_of_format_1_is_bound_to_its_weights(tmp_path: Path) -> None:
    verifier = make_enrolled()
    path = tmp_path / "old.keras"
    verifier.save(path)
    names = ("preprocessing", "calibration", "versions")
    rewritten(
        path, path, "verifier.json", lambda s: {"format": 1, **{name: s[name] for name in names}}
    )
    with pytest.warns(UserWarning, match="decodes differently"):
        old = sv.Verifier.load(path)
    assert old.verify(IMAGES[0], IMAGES[1]) == verifier.verify(IMAGES[0], IMAGES[1])
    train(old)
    with pytest.raises(RuntimeError, match="changed since calibrate"):
        old.verify(IMAGES[0], IMAGES[1])
