"""Tests of `siamese-verify shard`."""

import json
from pathlib import Path

import pytest

import siamese_verify as sv
from siamese_verify import cli


def test_shard_writes_what_sharded_images_streams(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "shards"
    arguments = ["shard", str(drawn / "lfw2"), "--image-size", "16", "-o", str(out)]
    assert cli.main([*arguments, "--images-per-shard", "100"]) == 0
    said = capsys.readouterr()
    images = sv.ShardedImages.open(out)
    files = len(list(out.glob("*.tfrecord")))
    assert f"{len(images):,} images of {len(images.identities)} identities in {files}" in said.out
    assert said.err == ""
    assert len(images) == len(list((drawn / "lfw2").glob("*/*")))
    assert images.preprocessing == sv.Preprocessing((16, 16))


def test_damaged_images_are_left_out_and_listed(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted((drawn / "lfw2").glob("*/*"))[:6]
    (tmp_path / "damaged.png").write_bytes(b"no image")
    rows = [f"{file},{i % 2}" for i, file in enumerate([*files, tmp_path / "damaged.png"])]
    (tmp_path / "images.csv").write_text("\n".join(["path,identity", *rows]))
    out = tmp_path / "shards"
    assert cli.main(["shard", str(tmp_path / "images.csv"), "--json", "-o", str(out)]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"images": 6, "identities": 2, "files": 1, "skipped": 1}
    assert "warning: 1 of 7 images are left out" in said.err
    assert str(tmp_path / "damaged.png") in (out / "skipped.csv").read_text()


def test_errors_name_the_flag(
    tmp_path: Path, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="2"):
        cli.main(["shard", str(drawn / "lfw2"), "-o", str(tmp_path / "file")])
    assert "-o: " in capsys.readouterr().err
    source = str(drawn / "lfw2")
    assert cli.main(["shard", source, "-o", source]) == 2
    assert "-o would overwrite IMAGES" in capsys.readouterr().err
