import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import settings
import train
from eagerly import ENVIRONMENT, START, eager  # noqa: F401
from results import columns
from standin import write_standin

import siamese_verify as sv
from siamese_verify.data.lfw import lfw_sample

LFW = Path(__file__).parents[3] / "shared" / "lfw"
SETTINGS = "--tower small --image-size 24 --learning-rate 1e-3 --l2 1e-4 --batch-size 16 "
SETTINGS += "--dropout 0.2 --batch-norm --augment koch2015 --patience 50"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "drawn"
    return write_standin(folder, train_identities=20, test_identities=8)


def arguments(drawn: Path, run: Path, more: str) -> list[str]:
    return ["--data", str(drawn), "--run", str(run), *SETTINGS.split(), *more.split()]


def history_of(run: Path) -> list[dict[str, float]]:
    """The history but for the time that epochs took."""
    rows = train.RunFolder(run, None).read_history()
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def weights_of(run: Path) -> list[np.ndarray]:
    return train.keras.models.load_model(run / "best.keras").get_weights()


def policy_of(run: Path) -> str:
    return train.sv.Verifier.load(run / "verifier.keras").calibration.policy


def assert_same_run(one: Path, other: Path) -> None:
    assert history_of(one) == history_of(other)
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(a, b)
    figures = [json.loads((run / "figures.json").read_text()) for run in (one, other)]
    assert figures[0] == figures[1]


@pytest.fixture(scope="module")
def uninterrupted(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "uninterrupted"
    train.main(arguments(drawn, run, "--epochs 3"))
    return run


def test_a_run_leaves_settings_history_figures_model_and_pictures(uninterrupted: Path) -> None:
    config = json.loads((uninterrupted / "config.json").read_text())
    assert config["settings"]["dropout"] == 0.2
    assert config["versions"].keys() == {"python", "numpy", "tensorflow", "keras"}
    assert config["lists"].keys() == {"pairsDevTrain.txt", "pairsDevTest.txt"}
    history = train.RunFolder(uninterrupted, None).read_history()
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert all(row["seconds"] > 0 for row in history)
    figures = json.loads((uninterrupted / "figures.json").read_text())
    assert figures.keys() == {"last", "recomputed", "best", "parameters", "trained_on"}
    assert 0 <= figures["best"]["accuracy_at_threshold"] <= 1
    for picture in ("curves.png", "roc.png", "outcomes.png"):
        assert (uninterrupted / picture).read_bytes().startswith(b"\x89PNG")
    verifier = train.sv.Verifier.load(uninterrupted / "verifier.keras")
    assert verifier.threshold == figures["best"]["threshold"]


def test_the_best_model_is_that_of_the_lowest_validation_eer(uninterrupted: Path) -> None:
    figures = json.loads((uninterrupted / "figures.json").read_text())
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
    keras = train.keras
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    run = train.RunFolder(tmp_path, None, last_is_best)
    run.restore(train.Networks(model, model, model), 1)
    run.set_model(model)
    for epoch, error in enumerate(errors):
        model.layers[0].bias.assign([float(epoch)])
        run.on_epoch_end(epoch, {"val_equal_error_rate": error})
    assert weights_of(tmp_path)[1] == best


def test_a_run_that_was_stopped_ends_as_an_uninterrupted_one_of_the_same_seed(
    drawn: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    train.main(arguments(drawn, tmp_path, "--epochs 1"))
    assert history_of(tmp_path) == history_of(uninterrupted)[:1]
    train.main(arguments(drawn, tmp_path, "--epochs 3"))
    assert_same_run(tmp_path, uninterrupted)


def test_another_seed_gives_another_run(drawn: Path, uninterrupted: Path, tmp_path: Path) -> None:
    train.main(arguments(drawn, tmp_path, "--epochs 1 --seed 1"))
    assert history_of(tmp_path)[0] != history_of(uninterrupted)[0]


@pytest.mark.slow
def test_a_killed_run_ends_as_an_uninterrupted_one(
    drawn: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    flags = arguments(drawn, tmp_path, "--epochs 3")
    command = [sys.executable, "-c", START.format("train"), *flags]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, **quiet)
    while not (tmp_path / "history.csv").exists() or not history_of(tmp_path):
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "figures.json").exists()
    train.main(flags)
    assert_same_run(tmp_path, uninterrupted)


def test_ctrl_c_says_how_to_go_on(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train.EpochSeconds, "on_epoch_begin", interrupt)
    with pytest.raises(SystemExit, match="same command goes on"):
        train.main(arguments(drawn, tmp_path, "--epochs 1"))


def test_early_stopping_counts_the_epochs_before_an_interruption(
    drawn: Path, tmp_path: Path
) -> None:
    # With a learning rate of 0, the loss never falls.
    still = "--learning-rate 0 --dropout 0 --no-batch-norm --augment none --limit 8 --patience 2"

    def go_on(epochs: int) -> None:
        train.main(arguments(drawn, tmp_path, f"{still} --epochs {epochs}"))

    go_on(2)
    go_on(9)
    assert len(history_of(tmp_path)) == 3
    go_on(9)  # Stopped for good.
    assert len(history_of(tmp_path)) == 3


RECIPE = "--recipe {} --tower small --image-size 24 --crop 80 --batch-size 16 --epochs 2"


@pytest.fixture(scope="module")
def unrestricted(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "unrestricted"
    places = ["--data", str(drawn), "--run", str(run)]
    train.main([*places, *RECIPE.format("unrestricted").split()])
    return run


def test_the_unrestricted_recipe_leaves_a_verifier_with_its_card(unrestricted: Path) -> None:
    verifier = train.sv.Verifier.load(unrestricted / "verifier.keras")
    assert verifier.preprocessing.center_crop == (80, 80)
    image = np.random.default_rng(0).integers(0, 255, (24, 24, 1), np.uint8)
    one, mirrored = verifier.embed([image, image[:, ::-1]])
    np.testing.assert_allclose(one, mirrored, atol=1e-5)
    card = (unrestricted / "verifier.md").read_text()
    figures = json.loads((unrestricted / "figures.json").read_text())["best"]
    assert f"| {figures['accuracy_at_threshold']:.4f} [" in card
    assert re.search(r"\d+ images and the names of \d+ identities", card)


def test_nobody_of_the_validation_pairs_is_trained_on(drawn: Path) -> None:
    flags = ["--data", str(drawn), *RECIPE.format("unrestricted").split()]
    data = train.load_data(drawn, train.parse_arguments(None, flags))
    assert not set(data.identities.identities) & set(data.validation.pairs.identities)
    listed = train.sv.PairList.from_lfw(drawn / "pairsDevTrain.txt")
    assert set(data.identities.identities) | set(data.validation.pairs.identities) == set(
        listed.identities
    )
    labels = data.validation.pairs.labels
    assert labels.mean() == 0.5


def test_a_share_of_the_identities_leaves_the_validation_pairs_as_they_are(drawn: Path) -> None:
    flags = ["--data", str(drawn), *RECIPE.format("unrestricted").split()]
    whole, half = (
        train.load_data(drawn, train.parse_arguments(None, [*flags, "--identities-share", share]))
        for share in ("1", "0.5")
    )
    assert half.validation.pairs == whole.validation.pairs
    assert len(half.identities.identities) == round(0.5 * len(whole.identities.identities))
    assert set(half.identities.identities) < set(whole.identities.identities)


def test_a_scheduled_run_goes_on_as_if_it_had_not_been_interrupted(
    drawn: Path, unrestricted: Path, tmp_path: Path
) -> None:
    flags = ["--data", str(drawn), "--run", str(tmp_path), *RECIPE.format("unrestricted").split()]

    def interrupt(epoch: int, logs: object) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    stop = train.keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)
    with pytest.raises(SystemExit, match="same command goes on"):
        train.main(flags, callbacks=[stop])
    train.main(flags)
    assert_same_run(tmp_path, unrestricted)


def test_the_epochs_of_a_schedule_cannot_be_prolonged(drawn: Path, unrestricted: Path) -> None:
    places = ["--data", str(drawn), "--run", str(unrestricted)]
    with pytest.raises(SystemExit, match=r"epochs=2; this command says epochs=3"):
        train.main([*places, *RECIPE.format("unrestricted").split(), "--epochs", "3"])


@pytest.mark.parametrize("flags", ["--flip-average --loss supervised_contrastive", "--ema 0.9"])
def test_an_ingredient_goes_with_the_reports_recipe(
    drawn: Path, tmp_path: Path, flags: str
) -> None:
    train.main(arguments(drawn, tmp_path, f"{flags} --split-by identity --epochs 1 --limit 60"))
    assert len(history_of(tmp_path)) == 1
    assert train.sv.Verifier.load(tmp_path / "verifier.keras").threshold


def test_the_restricted_recipe_learns_from_pairs_and_labels_alone(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(train.sv.IdentityDataset, "from_folder")
    monkeypatch.delattr(train.sv.PairList, "sample")
    flags = RECIPE.format("restricted").split()
    train.main(["--data", str(drawn), "--run", str(tmp_path), *flags])
    assert json.loads((tmp_path / "figures.json").read_text())["best"]["auc"] > 0.5
    assert "and whether each is same" in (tmp_path / "verifier.md").read_text()
    assert policy_of(tmp_path) == "eer"
    before = weights_of(tmp_path)
    train.main(["--data", str(drawn), "--run", str(tmp_path), *flags, "--threshold=max_accuracy"])
    assert policy_of(tmp_path) == "max_accuracy"
    for weight, expected in zip(weights_of(tmp_path), before, strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--epochs 3 --seed 3", r"a run with seed=0; this command says seed=3.*--run"),
        ("--epochs 2", r"a run of 3 epochs; this command says epochs=2.*--run"),
    ],
)
def test_a_folder_with_a_run_of_other_settings_is_refused_and_kept(
    flags: str, message: str, drawn: Path, uninterrupted: Path
) -> None:
    before = (uninterrupted / "config.json").read_bytes()
    with pytest.raises(SystemExit, match=message):
        train.main(arguments(drawn, uninterrupted, flags))
    assert (uninterrupted / "config.json").read_bytes() == before


def without_setting(run: Path, name: str) -> None:
    """Makes its configuration as it was before there was this setting."""
    config = json.loads((run / "config.json").read_text())
    del config["settings"][name]
    (run / "config.json").write_text(json.dumps(config))


def test_a_run_of_before_had_the_unconstrained_head(
    drawn: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(uninterrupted, tmp_path / "run")
    without_setting(run, "unconstrained_head")
    there = r"a run with unconstrained_head=True; this command says unconstrained_head=False"
    with pytest.raises(SystemExit, match=there):
        train.main(arguments(drawn, run, "--epochs 3 --no-unconstrained-head"))
    before = history_of(run)
    train.main(arguments(drawn, run, "--epochs 3"))
    assert history_of(run) == before
    config = json.loads((run / "config.json").read_text())["settings"]
    assert config["unconstrained_head"] is True


def test_a_run_of_before_without_an_l1_head_goes_on(
    drawn: Path, unrestricted: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(unrestricted, tmp_path / "run")
    without_setting(run, "unconstrained_head")
    before = history_of(run)
    train.main(["--data", str(drawn), "--run", str(run), *RECIPE.format("unrestricted").split()])
    assert history_of(run) == before


def test_a_folder_with_a_run_on_other_pairs_is_refused_and_kept(
    drawn: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("pairsDevTrain.txt", "pairsDevTest.txt"):
        (other / name).write_bytes((drawn / name).read_bytes() + b"\n")
    before = (uninterrupted / "config.json").read_bytes()
    with pytest.raises(SystemExit, match=r"a run on other pairs, those of .*drawn.*--run"):
        train.main(arguments(other, uninterrupted, "--epochs 3"))
    assert (uninterrupted / "config.json").read_bytes() == before


def test_the_defaults_on_images_are_the_reports() -> None:
    settings = train.parse_arguments(None, ["--data", "lfw"])
    report = {
        "tower": "koch2015",
        "image_size": 105,
        "batch_size": 128,
        "optimizer": "adam",
        "learning_rate": 1e-5,
        "l2": 0.001,
        "validation": 0.15,
        "patience": 10,
        "batch_norm": False,
        "dropout": 0.0,
        "unconstrained_head": True,
    }
    assert {name: getattr(settings, name) for name in report} == report
    assert train.build_networks(settings, 0).tower.count_params() == 38_947_648


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--schedule koch2015", "--schedule koch2015 goes with --optimizer sgd"),
        ("--loss margin_softmax", "--loss margin_softmax goes with --labels names"),
        (
            "--labels names --split-by identity",
            "--loss binary_crossentropy goes with --labels pairs",
        ),
        ("--recipe unrestricted --split-by pair", "--labels names goes with --split-by identity"),
        ("--identities-share 0.5", "--identities-share goes with --labels names"),
        (
            "--recipe unrestricted --identities-share 1.5",
            "--identities-share must be above 0 and at most 1",
        ),
        ("--flip-average", "--flip-average goes with another --loss"),
        ("--recipe unrestricted --batch-norm", "--batch-norm goes with --tower koch2015 or small"),
        ("--recipe unrestricted --l2 0.01", "--l2 goes with --tower koch2015 or small"),
        ("--tower residual --embedding-l2 0.1", "--embedding-l2 goes with --tower koch2015"),
        ("--recipe restricted --margin 0.1", "--margin goes with --loss margin_softmax"),
        ("--momentum 0.9", "--momentum goes with --optimizer sgd"),
        (
            "--recipe restricted --unconstrained-head",
            "--unconstrained-head goes with --loss binary_crossentropy and --tower koch2015",
        ),
        (
            "--tower residual --unconstrained-head",
            "--unconstrained-head goes with --loss binary_crossentropy and --tower koch2015",
        ),
        ("--recipe restricted --shuffle-buffer 9", "--shuffle-buffer goes with --loss binary"),
        ("--recipe unrestricted --per-identity 1", "--per-identity must be at least 2"),
        ("--recipe unrestricted --per-identity 3", "--per-identity must divide --batch-size, 128"),
        ("--per-identity 4", "--per-identity goes with --labels names"),
        ("--validation 1.5", "--validation must be above 0 and below 1. Received: 1.5"),
        ("--learning-rate -0.002", "--learning-rate must be at least 0. Received: -0.002"),
        ("--learning-rate nan", "--learning-rate must be at least 0. Received: nan"),
        ("--weight-decay -1", "--weight-decay must be at least 0. Received: -1.0"),
        ("--l2 nan", "--l2 must be at least 0. Received: nan"),
        ("--seed -1", "--seed must be at least 0. Received: -1"),
        ("--shuffle-buffer 0", "--shuffle-buffer must be at least 1. Received: 0"),
        ("--threshold best", "--threshold: "),
        ("--ema -0.1", "--ema must be at least 0 and below 1"),
        ("--optimizer rmsprop", "invalid choice"),
        ("--limit 0", "--limit must be at least 4"),
        ("--epochs 0", "--epochs must be at least 1"),
    ],
)
def test_bad_flags_are_refused(
    flags: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        train.parse_arguments(None, flags.split())
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "unconstrained"),
    [
        ("--data lfw", True),
        ("--data lfw --no-unconstrained-head", False),
        ("", False),  # drawn faces
        ("--unconstrained-head", True),
        ("--data lfw --recipe restricted --tower small --loss binary_crossentropy", False),
    ],
)
def test_the_head_is_unconstrained_in_the_reports_recipe_on_images(
    flags: str, unconstrained: bool
) -> None:
    chosen = train.parse_arguments(None, [*flags.split(), "--tower", "small"])
    head = train.build_networks(chosen, 0).verification.head
    assert isinstance(head, train.sv.WeightedL1Head)
    assert head.unconstrained == unconstrained


def test_the_card_tells_of_an_unconstrained_head(uninterrupted: Path, unrestricted: Path) -> None:
    card = (uninterrupted / "verifier.md").read_text()
    assert "unconstrained_head True" in card
    assert "an image compared with itself can be rejected" in " ".join(card.split())
    assert "unconstrained" not in (unrestricted / "verifier.md").read_text()


@pytest.mark.parametrize("recipe", settings.RECIPES)
def test_settings_that_a_recipe_has_and_does_not_need_are_taken(recipe: str) -> None:
    chosen = train.parse_arguments(None, ["--data", "lfw", "--recipe", recipe])
    assert chosen.margin == 0.2
    assert ("margin" in settings.without_effect(chosen)) == (recipe != "unrestricted")


def test_what_cannot_be_done_is_told_in_a_line_and_blocks_no_folder(
    drawn: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for flags, message in (
        ("--image-size 3", "ValueError: Images are too small"),
        ("--limit 4", "ValueError"),
    ):
        with pytest.raises(SystemExit, match=message) as exit_:
            train.main(arguments(drawn, run, f"--epochs 1 {flags}"))
        assert "\n" not in str(exit_.value.code)
    with pytest.raises(SystemExit, match=r"FileNotFoundError: .*nowhere"):
        train.main(arguments(tmp_path / "nowhere", run, "--epochs 1"))
    train.main(arguments(drawn, run, "--epochs 1"))
    assert len(history_of(run)) == 1


def test_without_data_it_says_that_faces_are_drawn_and_how_to_get_lfw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        train,
        "write_standin",
        lambda folder: write_standin(folder, train_identities=8, test_identities=4),
    )
    train.main(["--epochs", "1", "--image-size", "24"])
    said = capsys.readouterr().out
    assert "faces are drawn" in said
    assert "--download" in said
    assert (tmp_path / "runs" / "drawn" / "figures.json").exists()


@pytest.mark.slow
def test_the_default_command_verifies_unseen_drawn_identities_at_090(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    start = time.perf_counter()
    train.main([])
    seconds = time.perf_counter() - start
    figures = json.loads((tmp_path / "runs" / "drawn" / "figures.json").read_text())
    assert figures["best"]["accuracy_at_threshold"] >= 0.90
    assert figures["last"]["accuracy"] >= 0.90
    assert seconds < 180


@pytest.mark.skipif(not LFW.is_dir(), reason="the LFW images are not in ../shared/lfw")
@pytest.mark.slow
def test_the_full_network_learns_on_real_pairs(tmp_path: Path) -> None:
    train.main(["--data", str(LFW), "--run", str(tmp_path), "--epochs", "2"])
    losses = [row["loss"] for row in history_of(tmp_path)]
    assert losses[1] < losses[0]


def test_scores_are_kept_exactly(tmp_path: Path) -> None:
    scores = np.nextafter(np.float32(0.5), [0, 1], dtype=np.float32)
    pairs = sv.PairList([sv.Pair(lfw_sample("Ada", 1), lfw_sample("Ada", 2), 1)] * 2)
    train.RunFolder(tmp_path, None).write_scores(pairs, {"last": scores})
    kept = columns(tmp_path / "scores.csv")["last"].astype(np.float32)
    np.testing.assert_array_equal(kept, scores)
