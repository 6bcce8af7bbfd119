"""Tests of `siamese-verify demo`."""

from pathlib import Path

import pytest

from siamese_verify import cli
from siamese_verify.commands import demo, training


def test_the_demo_draws_trains_and_says_what_comes_next(
    small_training: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo, "_IDENTITIES", 20)
    monkeypatch.setattr(demo, "_EPOCHS", 1)
    monkeypatch.setattr(training, "_BATCH", 16)
    monkeypatch.setattr(demo, "_SIZE", 16)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo"]) == 0
    said = capsys.readouterr().out
    assert "are drawn" in said.splitlines()[0]
    assert "unseen pairs, 95% interval" in said
    assert "siamese-verify train FOLDER -o model.keras" in said
    folder = tmp_path / "siamese-verify-demo"
    assert len(list((folder / "faces").iterdir())) == 20
    assert "nothing about real faces" in (folder / "faces.md").read_text()
    assert (folder / "faces-run" / "outcomes.png").exists()
