"""Tests of `siamese-verify calibrate`."""

import json
from pathlib import Path

import pytest

import siamese_verify as sv
from siamese_verify import cli


@pytest.mark.parametrize("policy", ["max_accuracy", "eer", "far=0.1", "frr=0.1", "cost=10:1"])
def test_a_new_verifier_has_the_policy(
    policy: str, model: str, drawn: Path, data: sv.PairDataset, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    new = tmp_path / "new.keras"
    arguments = ["calibrate", model, str(drawn / "pairsDevTest.txt"), "--policy", policy]
    arguments += ["--images", str(drawn / "lfw2"), "-o", str(new), "--json"]
    assert cli.main([*arguments, "--review", "frr=0.2,far=0.1"]) == 0
    said = json.loads(capsys.readouterr().out)
    verifier = sv.Verifier.load(new)
    assert said["policy"] == verifier.calibration.policy == policy
    assert said["threshold"] == verifier.threshold
    assert verifier.calibration.review.policies == ("frr=0.2", "far=0.1")
