"""Tests of `siamese-verify enroll`."""

import json
from pathlib import Path

import pytest

import siamese_verify as sv
from siamese_verify import cli


def test_enrolled_identities_are_found_and_more_can_be_added(
    model: str, drawn: Path, data: sv.PairDataset, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    gallery, table = tmp_path / "staff.npz", tmp_path / "more.csv"
    one, other = data.pairs.samples[0], data.pairs.samples[-1]
    (tmp_path / one.identity).mkdir()
    image = (drawn / "lfw2" / one.path).read_bytes()
    (tmp_path / one.identity / "1.jpg").write_bytes(image)
    table.write_text(f"path,identity\n{other.path},{other.identity}\n")
    assert cli.main(["enroll", model, str(tmp_path), "--gallery", str(gallery), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"images": 1, "identities": 1}
    arguments = ["enroll", model, str(table), "--images", str(drawn / "lfw2")]
    assert cli.main([*arguments, "--gallery", str(gallery)]) == 0
    assert "2 images of 2 identities" in capsys.readouterr().out
    probe = str(drawn / "lfw2" / other.path)
    assert cli.main(["identify", model, probe, "--gallery", str(gallery)]) == 0
    assert capsys.readouterr().out.startswith(f"{other.identity}: score 1.0")
