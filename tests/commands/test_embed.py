"""Tests of `siamese-verify embed`, and of `enroll` from its files."""

import json
from pathlib import Path

import pytest

import siamese_verify as sv
from siamese_verify import cli
from siamese_verify.verification.gallery import Gallery


@pytest.fixture
def table(drawn: Path, tmp_path: Path) -> str:
    """Table of six images with columns of other names, and one image that is missing."""
    files = sorted((drawn / "lfw2").glob("*/*"))[:6]
    rows = [f"{file.relative_to(drawn / 'lfw2')},{file.parent.name}" for file in files]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["file,who", *rows, "missing.png,nobody"]))
    return str(table)


def test_embeddings_are_written_and_enrolled(
    model: str, drawn: Path, table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, gallery = str(tmp_path / "embeddings"), tmp_path / "gallery.npz"
    arguments = ["embed", model, table, "--columns", "path=file,identity=who", "-o", out]
    arguments += ["--images", str(drawn / "lfw2"), "--images-per-shard", "4"]
    assert cli.main([*arguments, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"images": 6, "files": 2, "skipped": 1}
    assert "warning: 1 of 7 images are left out" in said.err
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    assert f"{out} holds the embeddings of 6 images in 2 files." in said
    assert "skipped.csv lists 1 images" in said
    arguments = ["enroll", model, out, "-o", str(gallery), "--unlike", "ignore", "--json"]
    assert cli.main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["added"] == 6
    assert cli.main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["added"] == 0
    assert len(Gallery.load(gallery)) == 6


def test_errors_name_the_flag(
    model: str, drawn: Path, table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "embeddings"
    arguments = ["embed", model, table, "-o", str(out)]
    assert cli.main(arguments) == 2
    assert "--columns path=COLUMN" in capsys.readouterr().err
    arguments += ["--columns", "path=file,identity=who"]
    assert cli.main(arguments) == 2
    assert "No image can be used. Check --images" in capsys.readouterr().err
    arguments += ["--images", str(drawn / "lfw2")]
    assert cli.main(arguments) == 0
    assert cli.main([*arguments, "--images-per-shard", "5"]) == 2
    assert f"Received: -o={out}" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        cli.main([*arguments, "--workers", "0"])
    assert "--workers: a whole number from 1" in capsys.readouterr().err


def test_enroll_names_embeddings_that_it_cannot_use(
    model: str, table: str, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, gallery = tmp_path / "embeddings", str(tmp_path / "gallery.npz")
    verifier = sv.Verifier.load(model)
    files = [str(file) for file in sorted((drawn / "lfw2").glob("*/*"))[:3]]
    verifier.write_embeddings({"path": files, "identity": ["a"] * 3}, out, verbose=False)
    assert cli.main(["enroll", model, str(out), "-o", gallery, "--unlike", "ignore"]) == 0
    arguments = ["enroll", model, str(out), "-o", gallery]
    assert cli.main([*arguments, "--replace"]) == 2
    assert "--replace needs images" in capsys.readouterr().err
    assert cli.main([*arguments, "--metadata", "room"]) == 2
    assert "--metadata needs a table" in capsys.readouterr().err
    (out / "embeddings.json").unlink()
    assert cli.main(arguments) == 2
    assert "no complete embeddings are here" in capsys.readouterr().err
