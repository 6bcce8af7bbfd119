"""Tests of `siamese-verify inspect`."""

import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import siamese_verify as sv
from siamese_verify import cli


def said_json(capsys: pytest.CaptureFixture[str]) -> object:
    return json.loads(capsys.readouterr().out)


def test_inspect_counts(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = sv.PairList.from_lfw(drawn / "pairsDevTest.txt")
    arguments = ["inspect", str(drawn / "pairsDevTest.txt"), "--images", str(drawn / "lfw2")]
    assert cli.main([*arguments, "--json"]) == 0
    said = said_json(capsys)
    assert {name: said[name] for name in pairs.summary()._fields} == pairs.summary()._asdict()
    assert said["problems"] == []
    assert said["folds"] == 0
    assert cli.main(arguments) == 0
    assert "no problems" in capsys.readouterr().out


def test_inspect_lists_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("Ada\t1\t2\nAda\t2\t1\nAda\t1\tBob\t1\n")
    (tmp_path / "images" / "Ada").mkdir(parents=True)
    (tmp_path / "images" / "Ada" / "Ada_0001.jpg").touch()
    assert cli.main(["inspect", str(path), "--images", str(tmp_path / "images")]) == 1
    said = capsys.readouterr().out
    assert "lines 1 and 2" in said
    assert "2 of 3 images are missing" in said
    assert cli.main(["inspect", str(path), "--json"]) == 1
    said = said_json(capsys)
    assert said["identities_in_several_pairs"] == 1
    assert said["most_pairs_of_an_identity"] == 3
    assert said["most_images_of_an_identity"] == 2


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Return a folder with `pairs.txt`, of which only the images of Ada can be decoded."""
    png = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(png, "PNG")
    contents = {"Ada": [png.getvalue()] * 2, "Bob": [b"", b"no image\n", png.getvalue()[:40]] * 5}
    for name, images in contents.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        for number, image in enumerate(images, start=1):
            (tmp_path / "images" / name / f"{name}_{number:04d}.png").write_bytes(image)
    lines = ["Ada 1 2", *(f"Ada 1 Bob {number}" for number in range(1, 16))]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    return tmp_path


def test_inspect_decodes_every_image(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["inspect", str(damaged / "pairs.txt"), "--images", str(damaged / "images")]
    assert cli.main(arguments) == 1
    said = capsys.readouterr()
    assert "15 of 17 images cannot be read:" in said.out
    assert said.out.count(str(damaged / "images" / "Bob" / "Bob_00")) >= 10
    assert "and 5 more" in said.out
    assert said.err == ""
    assert cli.main([*arguments, "--json"]) == 1
    unreadable = said_json(capsys)["unreadable_images"]
    assert [Path(one["path"]).name for one in unreadable] == [
        f"Bob_{number:04d}.png" for number in range(1, 16)
    ]
    assert all("cannot be read as an image" in one["reason"] for one in unreadable)


def test_inspect_lists_missing_and_unreadable_images(
    damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (damaged / "images" / "Ada" / "Ada_0002.png").unlink()
    arguments = ["inspect", str(damaged / "pairs.txt"), "--images", str(damaged / "images")]
    assert cli.main([*arguments, "--json"]) == 1
    said = said_json(capsys)
    missing, unreadable = said["problems"]
    assert missing.startswith("1 of 17 images are missing")
    assert unreadable.startswith("15 of 17 images cannot be read")
    assert len(said["unreadable_images"]) == 16
    assert said["unreadable_images"][0] == {
        "path": "Ada/Ada_0002.jpg",
        "reason": "the file is missing",
    }


def test_inspect_without_images_needs_no_tensorflow(drawn: Path) -> None:
    code = (
        "import sys; from siamese_verify import cli; code = cli.main(sys.argv[1:]);"
        "assert not {'tensorflow', 'keras'} & sys.modules.keys(); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "inspect", drawn / "pairsDevTest.txt"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_progress_is_shown_on_the_terminal_and_not_in_the_answer(
    damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = os.openpty()
    before = os.dup(2)
    os.dup2(theirs, 2)
    os.close(theirs)
    try:
        arguments = ["inspect", str(damaged / "pairs.txt"), "--images", str(damaged / "images")]
        assert cli.main([*arguments, "--json"]) == 1
    finally:
        os.dup2(before, 2)
        os.close(before)
    with open(ours, "rb", buffering=0) as terminal:
        assert b"17/17" in terminal.read(10_000)
    assert len(said_json(capsys)["unreadable_images"]) == 15


@pytest.fixture
def patterns(tmp_path: Path) -> Path:
    """Folder of identities, each a pattern with little noise, with one duplicate and one swap."""
    rng = np.random.default_rng(0)
    for who in "abcdef":
        pattern = np.kron(rng.integers(60, 196, (4, 4)), np.ones((6, 6)))
        (tmp_path / who).mkdir()
        for number in range(4):
            noise = rng.normal(0, 25, pattern.shape)
            image = Image.fromarray(np.clip(pattern + noise, 0, 255).astype(np.uint8))
            image.save(tmp_path / who / f"{number}.png")
    (tmp_path / "b" / "copy.png").write_bytes((tmp_path / "a" / "0.png").read_bytes())
    (tmp_path / "d" / "3.png").rename(tmp_path / "c" / "swapped.png")
    return tmp_path


def test_a_model_names_duplicates_and_swapped_labels(
    patterns: Path, data: sv.PairDataset, tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    tower = keras.Sequential([keras.Input((24, 24, 1)), keras.layers.AveragePooling2D(4)])
    tower.add(keras.layers.Flatten())
    tower.add(keras.layers.LayerNormalization(center=False, scale=False))
    verifier = sv.Verifier(tower, data.preprocessing, head=sv.CosineHead())
    pairs = sv.PairList.sample(patterns, 20)
    out = tmp_path_factory.mktemp("out")
    with warnings.catch_warnings(action="ignore"):  # The pairs are few.
        verifier.calibrate(sv.PairDataset(pairs, patterns, data.preprocessing, verbose=False))
        verifier.save(out / "model.keras")
    arguments = ["inspect", str(patterns), "--model", str(out / "model.keras")]
    assert cli.main([*arguments, "--json", "--suspects", str(out / "suspects.csv")]) == 1
    said = said_json(capsys)
    duplicate = {"path": "a/0.png", "identity": "a", "other_path": "b/copy.png"}
    (found,) = said["near_duplicates"]
    assert duplicate.items() <= found.items()
    wrong = {(row["path"], row["other_identity"]) for row in said["mislabelled"]}
    assert wrong == {("b/copy.png", "a"), ("c/swapped.png", "d")}
    lines = (out / "suspects.csv").read_text().splitlines()
    assert lines[0] == "problem,path,identity,other_path,other_identity,score,own_score"
    assert len(lines) == 4
    assert cli.main(arguments) == 1
    assert "c/swapped.png of c looks like d: score " in capsys.readouterr().out


def test_a_model_leaves_out_what_it_cannot_read(
    damaged: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["inspect", str(damaged / "images"), "--model", model, "--json"]) == 1
    said = said_json(capsys)
    assert len(said["unreadable_images"]) == 15
    assert said["near_duplicates"] == said["mislabelled"] == []
