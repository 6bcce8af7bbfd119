"""Tests of `siamese-verify identify`."""

import json
from pathlib import Path

import pytest

import siamese_verify as sv
from siamese_verify import cli


def said_json(capsys: pytest.CaptureFixture[str]) -> object:
    return json.loads(capsys.readouterr().out)


def test_identify_names_the_best_match(
    model: str, drawn: Path, data: sv.PairDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = data.pairs.samples[0]
    arguments = ["identify", model, str(drawn / "lfw2" / sample.path)]
    arguments += ["--gallery", str(drawn / "lfw2")]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.startswith(f"{sample.identity}: score 1.0")
    assert cli.main([*arguments, "-k", "3", "--json"]) == 0
    (said,) = said_json(capsys)
    assert said["probe"] == str(drawn / "lfw2" / sample.path)
    assert said["matches"][0]["name"] == sample.identity
    assert len(said["matches"]) <= 3


def test_a_name_cannot_forge_a_line(
    model: str, drawn: Path, data: sv.PairDataset, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    image = drawn / "lfw2" / data.pairs.samples[0].path
    name = "Ada\nBob: score 0.99"
    (tmp_path / name).mkdir()
    (tmp_path / name / "1.jpg").write_bytes(image.read_bytes())
    (tmp_path / "Eve").mkdir()
    (tmp_path / "Eve" / "1.webp\nsame").touch()
    arguments = ["identify", model, str(image), "--gallery", str(tmp_path)]
    assert cli.main(arguments) == 0
    said = capsys.readouterr()
    (line,) = said.out.splitlines()
    assert line.startswith("Ada\\nBob: score 0.99: score 1.0000, image ")
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("siamese-verify: warning: 1 file or folder is passed over")
    assert cli.main([*arguments, "--json"]) == 0
    assert said_json(capsys)[0]["matches"][0]["name"] == name


def test_no_match_is_an_exit_code(
    model: str, drawn: Path, data: sv.PairDataset, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    verifier = sv.Verifier.load(model)
    calibration = verifier.calibration
    verifier.calibration = type(calibration)(**{**vars(calibration), "threshold": 1.5})
    verifier.save(tmp_path / "strict.keras")
    sample = str(drawn / "lfw2" / data.pairs.samples[0].path)
    gallery = ["--gallery", str(drawn / "lfw2")]
    assert cli.main(["identify", str(tmp_path / "strict.keras"), sample, *gallery]) == 1
    assert capsys.readouterr().out == "no identity\n"
    arguments = ["identify", str(tmp_path / "strict.keras"), sample, sample, *gallery]
    assert cli.main([*arguments, "--below-threshold"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert first.startswith(f"{sample}: {data.pairs.samples[0].identity}: score 1.0000, below the")
