import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import record
from options import Options
from recipes import RECIPES, Recipe

import siamese_verify as sv
from siamese_verify.data.lfw import lfw_sample
from siamese_verify.training.resuming.state_file import write_state


def test_scores_are_kept_exactly(tmp_path: Path) -> None:
    scores = np.nextafter(np.float32(0.5), [0, 1], dtype=np.float32)
    pairs = sv.PairList([sv.Pair(lfw_sample("Ada", 1), lfw_sample("Ada", 2), 1)] * 2)
    record.write_scores(tmp_path, pairs, {"last": scores})
    with (tmp_path / "scores.csv").open(newline="") as file:
        kept = [np.float32(row["last"]) for row in csv.DictReader(file)]
    np.testing.assert_array_equal(kept, scores)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("pairsDevTrain.txt", "pairsDevTest.txt"):
        (folder / name).write_text("1\nAda\t1\t2\nAda\t1\tBob\t1\n")
    return folder


def begin(folder: Path, data: Path, recipe: Recipe, seed: int = 0) -> None:
    record.begin(Options(recipe=recipe, data=data, run=folder / "run", seed=seed), data)


def finish(folder: Path, epochs: int) -> None:
    write_state(folder / "run" / "state.npz", {"epochs": list(range(epochs))})


def test_a_run_without_a_finished_epoch_blocks_no_folder(tmp_path: Path, data: Path) -> None:
    begin(tmp_path, data, RECIPES["report"])
    begin(tmp_path, data, RECIPES["restricted"])


REPORT = replace(RECIPES["report"], epochs=3)


@pytest.mark.parametrize(
    ("recipe", "seed", "message"),
    [
        (REPORT, 3, r"a run with seed=0, while this command has seed=3.*--run"),
        (replace(REPORT, epochs=2), 0, r"with epochs=3, while this command has epochs=2"),
        (
            replace(REPORT, dropout=0.5),
            0,
            r"with dropout=0\.0, while this command has dropout=0\.5",
        ),
    ],
)
def test_a_folder_with_a_run_of_other_settings_is_kept(
    recipe: Recipe, seed: int, message: str, tmp_path: Path, data: Path
) -> None:
    begin(tmp_path, data, REPORT)
    finish(tmp_path, 3)
    before = (tmp_path / "run" / "config.json").read_bytes()
    with pytest.raises(sv.RunFolderError, match=message):
        begin(tmp_path, data, recipe, seed)
    assert (tmp_path / "run" / "config.json").read_bytes() == before


def test_a_folder_with_a_run_on_other_pairs_is_kept(tmp_path: Path, data: Path) -> None:
    begin(tmp_path, data, REPORT)
    finish(tmp_path, 1)
    (data / "pairsDevTest.txt").write_text("1\nAda\t1\t3\nAda\t1\tBob\t1\n")
    message = r"with (pairsDevTest.txt=)\w{64}, while this command has \1\w{64}.*--run"
    with pytest.raises(sv.RunFolderError, match=message):
        begin(tmp_path, data, REPORT)


def test_only_a_run_with_a_constant_learning_rate_can_be_prolonged(
    tmp_path: Path, data: Path
) -> None:
    begin(tmp_path, data, REPORT)
    finish(tmp_path, 3)
    begin(tmp_path, data, replace(REPORT, epochs=9))
    scheduled = replace(RECIPES["unrestricted"], epochs=2)
    other = tmp_path / "other"
    begin(other, data, scheduled)
    finish(other, 2)
    with pytest.raises(sv.RunFolderError, match=r"epochs=2, while this command has epochs=3"):
        begin(other, data, replace(scheduled, epochs=3))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b'{"settings": {}}', b'{"settings": 1, "lists"', b"\xff\x00", None],
)
def test_damaged_settings_raise_and_are_kept(
    content: bytes | None, tmp_path: Path, data: Path
) -> None:
    begin(tmp_path, data, REPORT)
    finish(tmp_path, 1)
    path = tmp_path / "run" / "config.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        sv.RunFolderError, match=r"config\.json cannot be read .*--run DIR"
    ) as error:
        begin(tmp_path, data, REPORT)
    assert "\n" not in str(error.value)
    assert (path.read_bytes() if path.exists() else None) == content


def test_a_run_that_has_lost_its_state_raises(tmp_path: Path, data: Path) -> None:
    begin(tmp_path, data, REPORT)
    record.write_history(tmp_path / "run", [{"epoch": 1, "loss": 0.5}])
    with pytest.raises(sv.RunFolderError, match=r"state\.npz cannot be read \(it is lost\)"):
        begin(tmp_path, data, REPORT)


@pytest.mark.parametrize("content", ["epoch,loss\n1", "epoch,loss\n1,x\n", "\n1,2\n", "loss\n1\n"])
def test_a_damaged_history_raises_an_error_that_names_it(content: str, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text(content)
    with pytest.raises(sv.RunFolderError, match=r"history\.csv cannot be read"):
        record.read_history(tmp_path)


def test_a_damaged_best_model_raises_an_error_that_names_it(tmp_path: Path) -> None:
    for content in (None, b"", b"PK"):
        if content is not None:
            (tmp_path / "best.keras").write_bytes(content)
        with pytest.raises(sv.RunFolderError, match=r"best\.keras cannot be read"):
            record.load_best(tmp_path)
