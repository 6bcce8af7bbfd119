from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from standin import PAIRS_PER_IDENTITY, write_standin

from siamese_verify.drawn_faces import files
from siamese_verify.drawn_faces.painting import IMAGE_SIZE, draw_face

TRAIN_IDENTITIES, TEST_IDENTITIES = 8, 5
Sample = tuple[str, int]


def write(folder: Path, seed: int = 0) -> Path:
    return write_standin(
        folder, seed=seed, train_identities=TRAIN_IDENTITIES, test_identities=TEST_IDENTITIES
    )


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read_pairs(path: Path) -> tuple[list[tuple[Sample, Sample]], list[tuple[Sample, Sample]]]:
    """Read a View 1 list strictly, and return the same and the different pairs."""
    text = path.read_bytes().decode("ascii")
    assert text.endswith("\n")
    assert "\r" not in text
    count, *lines = text.splitlines()
    rows = [line.split("\t") for line in lines]
    same, different = rows[: int(count)], rows[int(count) :]
    assert len(same) == len(different) == int(count)
    assert {len(row) for row in same} == {3}
    assert {len(row) for row in different} == {4}
    return (
        [((name, int(i)), (name, int(j))) for name, i, j in same],
        [((one, int(i)), (other, int(j))) for one, i, other, j in different],
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("standin") / "faces")


def test_same_seed_same_bytes(folder: Path, tmp_path: Path) -> None:
    assert digests(write(tmp_path / "again")) == digests(folder)


def test_other_seed_other_images(folder: Path, tmp_path: Path) -> None:
    name = "lfw2/Drawn_Person_0001/Drawn_Person_0001_0001.jpg"
    assert digests(write(tmp_path / "other", seed=1))[name] != digests(folder)[name]


@pytest.mark.parametrize(
    ("list_name", "identities"),
    [("pairsDevTrain.txt", TRAIN_IDENTITIES), ("pairsDevTest.txt", TEST_IDENTITIES)],
)
def test_pair_list(folder: Path, list_name: str, identities: int) -> None:
    same, different = read_pairs(folder / list_name)
    assert len(same) == PAIRS_PER_IDENTITY * identities
    assert all(first != second for first, second in same)
    assert all(first[0] != second[0] for first, second in different)
    assert len({frozenset(pair) for pair in same + different}) == len(same) + len(different)
    for name, number in {sample for pair in same + different for sample in pair}:
        assert (folder / "lfw2" / name / f"{name}_{number:04d}.jpg").is_file()


def test_nobody_is_on_both_sides(folder: Path) -> None:
    train, test = (
        {sample[0] for pairs in read_pairs(folder / name) for pair in pairs for sample in pair}
        for name in ("pairsDevTrain.txt", "pairsDevTest.txt")
    )
    assert len(train) == TRAIN_IDENTITIES
    assert len(test) == TEST_IDENTITIES
    assert not train & test


def test_files_are_rgb_jpegs_of_the_drawing(folder: Path) -> None:
    encoded = (folder / "lfw2/Drawn_Person_0003/Drawn_Person_0003_0002.jpg").read_bytes()
    decoded = tf.io.decode_jpeg(encoded).numpy()
    assert decoded.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
    drawn = draw_face(3, 2).astype(float)
    assert np.abs(decoded - drawn).mean() < 10  # JPEG loses mostly noise.


def test_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(identity: int, sample: int, *, seed: int) -> npt.NDArray[np.uint8]:
        if identity == TRAIN_IDENTITIES + 1:  # After the whole training side.
            raise KeyboardInterrupt
        return draw_face(identity, sample, seed=seed)

    with monkeypatch.context() as patch:
        patch.setattr(files, "draw_face", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "faces")
    assert not list(tmp_path.iterdir())
    assert write(tmp_path / "faces").is_dir()


def test_finished_folder_is_kept(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert write(folder, seed=1) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_other_content_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="does not hold drawn faces"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_too_few_identities(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        write_standin(tmp_path / "faces", train_identities=1, test_identities=5)
