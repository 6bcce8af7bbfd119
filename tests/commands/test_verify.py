"""Tests of `siamese-verify verify`."""

import json
from pathlib import Path

import pytest

import siamese_verify as sv
from siamese_verify import cli


def said_json(capsys: pytest.CaptureFixture[str]) -> object:
    return json.loads(capsys.readouterr().out)


def test_the_exit_code_of_verify_is_its_answer(
    model: str, drawn: Path, data: sv.PairDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = data.pairs.paths(drawn / "lfw2")
    decisions = sv.Verifier.load(model).verify_many(paths)
    for same in (True, False):
        index = [decision.same for decision in decisions].index(same)
        arguments = ["verify", model, *map(str, paths[index])]
        assert cli.main(arguments) == (0 if same else 1)
        assert capsys.readouterr().out.startswith("same: " if same else "different: ")
        assert cli.main([*arguments, "--json"]) == (0 if same else 1)
        said = said_json(capsys)
        assert said["same"] == same
        assert said["score"] == pytest.approx(decisions[index].score, abs=1e-5)
        assert len(said["far"]) == len(said["frr"]) == 3
        assert said["fingerprint"] == decisions[index].fingerprint
        assert said["policy"] == "max_accuracy"


def test_review_and_unlike_validation_are_told(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calibration = sv.Verifier.load(model).calibration
    decision = sv.Decision(
        *(True, 0.9, 0.8, 0.7, calibration.far, calibration.frr, "eer", ""),
        review=True,
        unlike_validation=("left: blurred", "right: turned"),
    )
    monkeypatch.setattr(sv.Verifier, "verify", lambda *_: decision)
    assert cli.main(["verify", model, model, model]) == 0
    *_, review, unlike = capsys.readouterr().out.splitlines()
    assert review.startswith("review: ")
    assert unlike == "unlike all validation images: left: blurred, right: turned"
