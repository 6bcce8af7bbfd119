"""Tests of `siamese-verify train`."""

import json
from pathlib import Path

import pytest

import siamese_verify as sv
from siamese_verify import cli


@pytest.fixture(scope="module")
def trained(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a table of images, one of which is damaged, and a verifier of it."""
    folder = tmp_path_factory.mktemp("trained")
    images = sorted((drawn / "lfw2").glob("*/*.jpg"))
    rows = [f"{image},{image.parent.name}" for image in images]
    (folder / "damaged.jpg").write_bytes(b"no image")
    rows.append(f"{folder / 'damaged.jpg'},{images[0].parent.name}")
    (folder / "images.csv").write_text("\n".join(["path,identity", *rows]))
    assert cli.main(arguments_for(folder)) == 0
    return folder


def arguments_for(folder: Path, *flags: str) -> list[str]:
    flags = ("--epochs", "2", "--image-size", "24", *flags)
    return ["train", str(folder / "images.csv"), "-o", str(folder / "faces.keras"), *flags]


def test_training_writes_verifier_card_and_images(trained: Path) -> None:
    verifier = sv.Verifier.load(trained / "faces.keras")
    assert verifier.calibration.policy == "eer"
    assert verifier.preprocessing.image_size == (24, 24)
    assert "No identity is in two of these parts" in (trained / "faces.md").read_text()
    assert (trained / "faces-run" / "outcomes.png").read_bytes().startswith(b"\x89PNG")
    assert "damaged.jpg" in (trained / "faces-run" / "skipped.csv").read_text()


def test_the_same_command_goes_on_and_ends_in_words(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sv.Verifier.load(trained / "faces.keras").fingerprint
    assert cli.main(arguments_for(trained)) == 0
    said = capsys.readouterr()
    assert sv.Verifier.load(trained / "faces.keras").fingerprint == before
    assert "unseen pairs, 95% interval" in said.out
    assert f"Next: siamese-verify verify {trained / 'faces.keras'} " in said.out
    assert said.err.count("1 of ") == 1  # The damaged image is told once.
    assert cli.main([*arguments_for(trained), "--json"]) == 0
    assert Path(json.loads(capsys.readouterr().out)["card"]) == trained / "faces.md"


def test_other_settings_and_foreign_files_are_not_overwritten(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments_for(trained, "--seed", "1")) == 2
    assert "other settings: seed" in capsys.readouterr().err
    (tmp_path / "mine.md").write_text("my notes")
    arguments = ["train", str(trained / "images.csv"), "-o", str(tmp_path / "mine.keras")]
    assert cli.main(arguments) == 2
    assert "mine.md exists" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.md"]


def test_too_few_identities_are_an_error(
    tmp_path: Path, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = sorted((drawn / "lfw2").glob("*/*_0001.jpg"))[:5]
    rows = [f"{image},{image.parent.name}" for image in images]
    (tmp_path / "images.csv").write_text("\n".join(["path,identity", *rows]))
    assert cli.main(arguments_for(tmp_path)) == 2
    assert "5 identities" in capsys.readouterr().err
