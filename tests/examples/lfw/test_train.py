import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import lfw_data
import numpy as np
import pytest
import train
from eagerly import ENVIRONMENT, START, eager  # noqa: F401
from networks import build_networks
from options import Options
from recipes import RECIPES, Recipe
from record import read_history
from run_record import RunRecord
from standin import write_standin

import siamese_verify as sv

LFW = Path(__file__).parents[4] / "shared" / "lfw"
SMALL = {"tower": "small", "image_size": 24, "batch_size": 32}
REPORT = replace(
    RECIPES["report"],
    **SMALL,
    learning_rate=1e-3,
    l2=1e-4,
    dropout=0.2,
    batch_norm=True,
    augment="koch2015",
    patience=50,
    epochs=3,
)
UNRESTRICTED = replace(RECIPES["unrestricted"], **SMALL, crop=80, epochs=2)
RESTRICTED = replace(RECIPES["restricted"], **SMALL, crop=80, epochs=2)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "drawn"
    return write_standin(folder, train_identities=14, test_identities=6)


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "plot", lambda *_: None)


def run(
    data: Path,
    folder: Path,
    recipe: Recipe,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    seed: int = 0,
    limit: int | None = None,
) -> None:
    train.train(Options(recipe=recipe, data=data, run=folder, seed=seed, limit=limit), callbacks)


def history_of(folder: Path) -> list[dict[str, float]]:
    """The history but for the time that epochs took."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_history(folder)]


def weights_of(folder: Path) -> list[np.ndarray]:
    return keras.models.load_model(folder / "best.keras").get_weights()


def figures_of(folder: Path) -> dict[str, dict[str, float]]:
    return json.loads((folder / "figures.json").read_text())


def assert_same_run(one: Path, other: Path) -> None:
    assert history_of(one) == history_of(other)
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert figures_of(one) == figures_of(other)


@pytest.fixture(scope="module")
def uninterrupted(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "uninterrupted"
    run(drawn, folder, REPORT)
    return folder


def test_a_run_leaves_settings_history_figures_model_and_plots(uninterrupted: Path) -> None:
    config = json.loads((uninterrupted / "config.json").read_text())
    assert config["settings"]["dropout"] == 0.2
    assert config["versions"].keys() == {"python", "numpy", "tensorflow", "keras"}
    assert config["lists"].keys() == {"pairsDevTrain.txt", "pairsDevTest.txt"}
    history = read_history(uninterrupted)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert all(row["seconds"] > 0 for row in history)
    figures = figures_of(uninterrupted)
    assert figures.keys() == {"last", "recomputed", "best", "parameters", "trained_on"}
    assert 0 <= figures["best"]["accuracy_at_threshold"] <= 1
    for plot in ("curves.png", "roc.png", "outcomes.png"):
        assert (uninterrupted / plot).read_bytes().startswith(b"\x89PNG")
    verifier = sv.Verifier.load(uninterrupted / "verifier.keras")
    assert verifier.threshold == figures["best"]["threshold"]


def test_the_best_model_has_the_lowest_validation_eer(uninterrupted: Path) -> None:
    figures = figures_of(uninterrupted)
    errors = [row["val_equal_error_rate"] for row in history_of(uninterrupted)]
    if errors[-1] == min(errors):
        assert figures["best"] == pytest.approx(figures["last"])
    else:
        assert figures["best"] != figures["last"]


@pytest.mark.parametrize(
    ("errors", "last_is_best", "best"),
    [
        ((0.2, 0.1, 0.3), False, 1),
        ((0.2, 0.1, 0.3), True, 2),  # The learning rate falls to zero.
        ((math.nan, 0.2, 0.3), False, 1),
        ((0.2, math.nan, 0.3), False, 0),
        ((math.nan, math.nan, math.nan), False, 0),
    ],
)
def test_which_epoch_is_kept_as_the_best(
    errors: tuple[float, ...], last_is_best: bool, best: int, tmp_path: Path
) -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    record = RunRecord(tmp_path, model, last_is_best)
    record.set_model(model)
    for epoch, error in enumerate(errors):
        model.layers[0].bias.assign([float(epoch)])
        record.on_epoch_end(epoch, {"val_equal_error_rate": error})
    assert weights_of(tmp_path)[1] == best


@pytest.mark.usefixtures("no_plots")
def test_a_run_that_was_stopped_ends_as_an_uninterrupted_run(
    drawn: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    def stop(epoch: int, logs: object) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(drawn, tmp_path, REPORT, [keras.callbacks.LambdaCallback(on_epoch_begin=stop)])
    assert history_of(tmp_path) == history_of(uninterrupted)[:1]
    run(drawn, tmp_path, REPORT)
    assert_same_run(tmp_path, uninterrupted)


@pytest.mark.usefixtures("no_plots")
def test_a_finished_run_is_measured_again_but_not_trained(drawn: Path, uninterrupted: Path) -> None:
    before, figures = read_history(uninterrupted), figures_of(uninterrupted)
    run(drawn, uninterrupted, REPORT)
    assert read_history(uninterrupted) == before
    assert figures_of(uninterrupted) == figures


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda run: [
            (run / name).unlink() for name in ("history.csv", "best.keras", "figures.json")
        ],
        lambda run: [os.truncate(run / name, 60) for name in ("history.csv", "best.keras")],
    ],
    ids=["lost", "cut"],
)
def test_lost_and_damaged_files_of_a_finished_run_come_back(
    spoil: Callable[[Path], object], drawn: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(uninterrupted, tmp_path / "copy")
    spoil(folder)
    run(drawn, folder, REPORT)
    assert_same_run(folder, uninterrupted)


def test_a_folder_that_cannot_be_used_is_told_in_a_line(
    drawn: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(uninterrupted, tmp_path / "copy")

    def told(folder: Path = folder, seed: int = 0) -> str:
        with pytest.raises(SystemExit) as exit_:
            run(drawn, folder, REPORT, seed=seed)
        assert "\n" not in str(exit_.value.code)
        return str(exit_.value.code)

    with sv.RunLock(folder):
        assert "in use by process" in told()
    assert "seed=0, while this command has seed=1" in told(seed=1)
    os.truncate(folder / "state.npz", 5_000)
    assert "state.npz is damaged" in told()
    (folder / "state.npz").unlink()
    assert "state.npz cannot be read (it is lost)" in told()
    assert "RunFolderError: The folder of the run cannot be used" in told(folder / "config.json")


def test_another_seed_draws_other_pairs_and_weights(
    drawn: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    fit(drawn, tmp_path, replace(REPORT, epochs=1), seed=1)
    assert history_of(tmp_path)[0] != history_of(uninterrupted)[0]


@pytest.mark.slow
@pytest.mark.usefixtures("no_plots")
def test_a_killed_run_ends_as_an_uninterrupted_run(drawn: Path, tmp_path: Path) -> None:
    flags = ["--recipe", "drawn", "--batch-norm", "--dropout", "0.2", "--epochs", "3", "--data"]
    one, other = ([*flags, str(drawn), "--run", str(tmp_path / name)] for name in "ab")
    train.main(one)
    command = [sys.executable, "-c", START.format("train"), *other]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, **quiet)
    while not history_of(tmp_path / "b"):
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "b" / "figures.json").exists()
    train.main(other)
    assert_same_run(tmp_path / "a", tmp_path / "b")


def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", interrupted)
    with pytest.raises(SystemExit, match="same command continues"):
        train.main([])


def fit(data: Path, folder: Path, recipe: Recipe, *, seed: int = 0, limit: int = 0) -> None:
    """Train without measuring."""
    keras.utils.set_random_seed(seed)
    loaded = lfw_data.load_data(data, recipe, limit or None, seed)
    networks = build_networks(recipe, loaded.n_identities)
    folder.mkdir(exist_ok=True)
    train.fit(networks, loaded, Options(recipe=recipe, data=data, run=folder, seed=seed))


def test_early_stopping_counts_the_epochs_before_an_interruption(
    drawn: Path, tmp_path: Path
) -> None:
    # At a learning rate of 0, the loss never falls.
    still = replace(RECIPES["drawn"], **SMALL, learning_rate=0.0, patience=2)
    for epochs, done in ((2, 2), (9, 3), (9, 3)):  # The last run was stopped for good.
        fit(drawn, tmp_path, replace(still, epochs=epochs), limit=8)
        assert len(history_of(tmp_path)) == done


@pytest.fixture(scope="module")
def unrestricted(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "unrestricted"
    run(drawn, folder, UNRESTRICTED)
    return folder


def test_the_unrestricted_recipe_leaves_a_verifier_with_its_card(unrestricted: Path) -> None:
    verifier = sv.Verifier.load(unrestricted / "verifier.keras")
    assert verifier.preprocessing.center_crop == (80, 80)
    image = np.random.default_rng(0).integers(0, 255, (90, 96, 1), np.uint8)
    one, mirrored = verifier.embed([image, image[:, ::-1]])
    np.testing.assert_allclose(one, mirrored, atol=1e-5)
    card = (unrestricted / "verifier.md").read_text()
    assert f"| {figures_of(unrestricted)['best']['accuracy_at_threshold']:.4f} [" in card
    assert re.search(r"\d+ images and the names of \d+ identities", card)


@pytest.mark.slow
@pytest.mark.usefixtures("no_plots")
def test_a_scheduled_run_goes_on_as_if_it_had_not_been_interrupted(
    drawn: Path, unrestricted: Path, tmp_path: Path
) -> None:
    def interrupt(epoch: int, logs: object) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    stop = keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(drawn, tmp_path, UNRESTRICTED, [stop])
    run(drawn, tmp_path, UNRESTRICTED)
    assert_same_run(tmp_path, unrestricted)


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize(
    "changes", [{"flip_average": True, "loss": "supervised_contrastive"}, {"ema": 0.9}]
)
def test_an_ingredient_can_be_added_to_the_reports_recipe(
    drawn: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    run(drawn, tmp_path, replace(REPORT, **changes, split_by="identity", epochs=1), limit=60)
    assert len(history_of(tmp_path)) == 1
    assert sv.Verifier.load(tmp_path / "verifier.keras").threshold


@pytest.mark.usefixtures("no_plots")
def test_the_restricted_recipe_learns_from_pairs_and_labels_alone(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sv.IdentityDataset, "from_folder", None)
    monkeypatch.setattr(sv.PairList, "sample", None)
    run(drawn, tmp_path, RESTRICTED)
    assert figures_of(tmp_path)["best"]["auc"] > 0.5
    assert "and whether each is same" in (tmp_path / "verifier.md").read_text()
    assert sv.Verifier.load(tmp_path / "verifier.keras").calibration.policy == "eer"


def test_the_card_tells_about_an_unconstrained_head(
    uninterrupted: Path, unrestricted: Path
) -> None:
    cards = [(folder / "verifier.md").read_text() for folder in (uninterrupted, unrestricted)]
    told = ["an image compared with itself can be rejected" in " ".join(c.split()) for c in cards]
    assert told == [True, False]


def test_what_cannot_be_done_is_told_in_a_line_and_blocks_no_folder(
    drawn: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    for recipe, limit, message in (
        (replace(REPORT, image_size=3), None, "ValueError: Images are too small"),
        (REPORT, 4, "ValueError"),
    ):
        with pytest.raises(SystemExit, match=message) as exit_:
            run(drawn, folder, recipe, limit=limit)
        assert "\n" not in str(exit_.value.code)
    with pytest.raises(SystemExit, match=r"FileNotFoundError: .*nowhere"):
        run(tmp_path / "nowhere", folder, REPORT)
    assert not history_of(folder)


def test_without_data_it_says_that_faces_are_drawn_and_how_to_get_lfw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tmp_path / "drawn"
    monkeypatch.setattr(lfw_data, "write_standin", lambda folder: drawn)
    options = Options(recipe=RECIPES["drawn"], data=None, run=tmp_path)
    assert lfw_data.find_data(options) == drawn
    said = capsys.readouterr().out
    assert "faces are drawn" in said
    assert "--download" in said


@pytest.mark.slow
def test_the_default_command_verifies_unseen_drawn_identities_at_090(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    start = time.perf_counter()
    train.main([])
    seconds = time.perf_counter() - start
    figures = figures_of(tmp_path / "runs" / "drawn")
    assert figures["best"]["accuracy_at_threshold"] >= 0.90
    assert figures["last"]["accuracy"] >= 0.90
    assert seconds < 180


@pytest.mark.skipif(not LFW.is_dir(), reason="the LFW images are not in ../shared/lfw")
@pytest.mark.slow
def test_the_full_network_learns_on_real_pairs(tmp_path: Path) -> None:
    train.main(["--data", str(LFW), "--run", str(tmp_path), "--epochs", "2"])
    losses = [row["loss"] for row in history_of(tmp_path)]
    assert losses[1] < losses[0]
