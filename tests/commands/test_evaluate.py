"""Tests of `siamese-verify evaluate`."""

import json
from pathlib import Path

import pytest

import siamese_verify as sv
from siamese_verify import cli
from siamese_verify.evaluation.report import EvaluationWarning


def said_json(capsys: pytest.CaptureFixture[str]) -> object:
    return json.loads(capsys.readouterr().out)


def test_evaluate_prints_the_report_of_the_verifier(
    model: str,
    drawn: Path,
    data: sv.PairDataset,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    arguments = ["evaluate", model, str(drawn / "pairsDevTest.txt")]
    arguments += ["--images", str(drawn / "lfw2")]
    assert cli.main([*arguments, "--roc", str(tmp_path / "roc.png")]) == 0
    with pytest.warns(EvaluationWarning) as caught:  # The threshold was chosen on these pairs.
        report = sv.Verifier.load(model).evaluate(data)
    expected = [str(warning.message) for warning in caught]
    assert any("test images were in calibration" in text for text in expected)
    said = capsys.readouterr()
    assert said.out == f"{report}\n"
    assert said.err.splitlines() == [f"siamese-verify: warning: {text}" for text in expected]
    assert (tmp_path / "roc.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main([*arguments, "--json"]) == 0
    assert said_json(capsys) == json.loads(json.dumps({**report.to_dict(), "warnings": expected}))


def test_evaluate_adds_the_mean_over_the_folds_of_a_list(
    model: str,
    drawn: Path,
    data: sv.PairDataset,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    pairs = data.pairs
    chosen = [pair for i in range(4) for pair in (pairs.same[i], pairs.different[i])]
    in_folds = sv.PairList(chosen, folds=[0, 0, 1, 1, 2, 2, 3, 3])
    in_folds.to_lfw(tmp_path / "pairs.txt")
    arguments = ["evaluate", model, str(tmp_path / "pairs.txt"), "--images", str(drawn / "lfw2")]
    assert cli.main([*arguments, "--json"]) == 0
    mean, error = said_json(capsys)["folds"]
    part = sv.PairDataset(in_folds, drawn / "lfw2", data.preprocessing, verbose=False)
    scores = sv.Verifier.load(model).model.score(part.images, part.indices)
    expected = sv.evaluate_folds(scores, part.labels, in_folds.folds)
    assert (mean, error) == pytest.approx(expected[:2])
    assert cli.main(arguments) == 0
    assert f"over the folds    {expected}" in capsys.readouterr().out


def test_evaluation_on_strangers_is_silent(
    model: str, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", model, str(drawn / "pairsDevTrain.txt")]
    assert cli.main([*arguments, "--images", str(drawn / "lfw2"), "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert json.loads(said.out)["warnings"] == []
