"""Tests of `siamese-verify train`."""

import contextlib
import importlib.util
import io
import json
import sys
from pathlib import Path

import keras
import pytest

import siamese_verify as sv
from siamese_verify import cli
from siamese_verify.commands import training
from siamese_verify.layers.input_range import InputRange


@pytest.fixture(scope="module")
def trained(small_training: None, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a table of images, one of which is damaged, and a verifier of it."""
    folder = tmp_path_factory.mktemp("trained")
    images = sorted((drawn / "lfw2").glob("*/*.jpg"))
    rows = [f"{image},{image.parent.name}" for image in images]
    (folder / "damaged.jpg").write_bytes(b"no image")
    rows.append(f"{folder / 'damaged.jpg'},{images[0].parent.name}")
    (folder / "images.csv").write_text("\n".join(["path,identity", *rows]))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert cli.main([*arguments_for(folder), "--json"]) == 0
    (folder / "said.json").write_text(said.getvalue())
    return folder


def arguments_for(folder: Path, *flags: str) -> list[str]:
    flags = ("--epochs", "2", "--image-size", "16", *flags)
    return ["train", str(folder / "images.csv"), "-o", str(folder / "faces.keras"), *flags]


def test_training_writes_verifier_card_and_images(trained: Path) -> None:
    said = json.loads((trained / "said.json").read_text())
    assert Path(said["card"]) == trained / "faces.md"
    verifier = sv.Verifier.load(trained / "faces.keras")
    assert verifier.calibration.policy == "eer"
    assert verifier.preprocessing.image_size == (16, 16)
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


def test_a_pretrained_network_trains_its_embedding_and_then_the_whole(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(name: str, *, image_size: tuple[int, int], channels: int, **_: object) -> object:
        network = keras.Sequential([keras.Input((*image_size, 3)), keras.layers.Conv2D(4, 3, 2)])
        return sv.BackboneTower(network, InputRange(1.0, 0.0), 8, channels=channels, name=name)

    monkeypatch.setattr(training, "backbone", small)
    images = drawn / "lfw2"
    arguments = ["train", str(images), "-o", str(tmp_path / "faces.keras"), "--epochs", "3"]
    arguments += ["--backbone", "Small", "--image-size", "16", "--channels", "1"]
    assert cli.main([*arguments, "--cache", str(tmp_path / "cache")]) == 0
    run = tmp_path / "faces-run"
    assert json.loads((run / "settings.json").read_text())["weights"] == "imagenet"
    assert {"frozen", "whole"} <= {path.name for path in run.iterdir()}
    assert any((tmp_path / "cache").iterdir())
    assert sv.Verifier.load(tmp_path / "faces.keras").model.tower.name == "Small"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--weights", "none"], "--weights needs --backbone"),
        (["--backbone", "x" * 300], "--backbone="),
        (["--backbone", "ResNet50", "--weights", "nowhere.h5"], "argument --weights"),
    ],
)
def test_errors_of_a_backbone_name_the_flag_before_images_are_read(
    flags: list[str], message: str, drawn: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(training, "load_parts", None)
    monkeypatch.setitem(sys.modules, "keras_hub", None)  # It may be installed or not.
    arguments = ["train", str(drawn / "lfw2"), "-o", str(tmp_path / "faces.keras"), *flags]
    with contextlib.suppress(SystemExit):
        assert cli.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_without_the_extra_the_error_names_it_before_any_image_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(1, 4):
        (tmp_path / "images" / f"s{i}").mkdir(parents=True)
        (tmp_path / "images" / f"s{i}" / "1.pgm").touch()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    source, output = str(tmp_path / "images"), str(tmp_path / "faces.keras")
    assert cli.main(["train", source, "-o", output]) == 2
    assert 'pip install "siamese-verify[images]"' in capsys.readouterr().err
    assert not (tmp_path / "faces-run").exists()
