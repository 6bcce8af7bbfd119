"""Tests of `examples/lfw/experiments.py`, on drawn faces and a small network."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import experiments
import pytest
from eagerly import ENVIRONMENT, START, eager  # noqa: F401
from settings import BEFORE, RECIPES, has_l1_head, parse_arguments
from standin import write_standin

SMALL = "--tower small --image-size 24 --learning-rate 1e-3 --batch-size 16 --epochs 3"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "drawn"
    return write_standin(folder, train_identities=16, test_identities=6)


def command(drawn: Path, folder: Path, only: str) -> list[str]:
    places = ["--data", drawn, "--runs", folder / "runs", "--results", folder / "results"]
    return [*map(str, places), "--only", *only.split(), "--", *SMALL.split()]


def history_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "results" / name / "history.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def undisturbed(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiments")
    experiments.main(command(drawn, folder, "base dropout-0.5"))
    return folder


def test_each_run_keeps_settings_history_scores_and_figures(undisturbed: Path) -> None:
    kept = undisturbed / "results" / "dropout-0.5-seed0"
    settings = json.loads((kept / "config.json").read_text())["settings"]
    assert settings["dropout"] == 0.5
    assert settings["batch_norm"]
    assert "data" not in settings
    assert len(history_of(undisturbed, "dropout-0.5-seed0")) == 3
    with (kept / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0].keys() == {"left", "right", "label", "last", "recomputed", "best"}
    figures = json.loads((kept / "figures.json").read_text())
    right = [(float(row["last"]) >= 0.5) == (row["label"] == "1") for row in rows]
    assert figures["last"]["accuracy"] == pytest.approx(sum(right) / len(right))


def test_a_finished_run_is_not_run_again(
    undisturbed: Path, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = undisturbed / "results" / "base-seed0" / "figures.json"
    before = kept.stat().st_mtime_ns
    experiments.main(command(drawn, undisturbed, "base"))
    assert kept.stat().st_mtime_ns == before
    assert "===" not in capsys.readouterr().out


def test_the_list_tells_what_is_finished_begun_and_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results" / "base-seed0").mkdir(parents=True)
    (tmp_path / "results" / "base-seed0" / "figures.json").write_text("{}")
    (tmp_path / "runs" / "batch-norm-seed0").mkdir(parents=True)
    (tmp_path / "runs" / "batch-norm-seed0" / "history.csv").write_text("seconds\n31\n29\n")
    places = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    experiments.main(["--list", "--only", "report", "unrestricted", *places])
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [
        ["base-seed0", "20", "finished"],
        ["base-sgd-seed0", "20", "missing"],
        ["batch-norm-seed0", "30", "2 epochs done"],
        ["dropout-0.1-seed0", "50", "missing"],
        ["dropout-0.5-seed0", "50", "missing"],
        ["by-identity-seed0", "30", "missing"],
        ["unrestricted-seed0", str(RECIPES["unrestricted"]["epochs"]), "missing"],
    ]


def test_the_forecast_is_by_the_pace_of_each_run_and_else_of_all(tmp_path: Path) -> None:
    for name, seconds in {"a": "60\n60", "b": "100"}.items():
        (tmp_path / f"{name}-seed0").mkdir()
        (tmp_path / f"{name}-seed0" / "history.csv").write_text(f"seconds\n{seconds}\n")
    runs = [experiments.Run(name, 0, ["--epochs", "12"]) for name in "abc"]
    # 10 of 60 s, 11 of 100 s, 12 of (60 + 60 + 100) / 3 s.
    assert experiments.forecast(runs, tmp_path) == "0 h 43 min"


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ("", RECIPES["report"]["epochs"]),
        ("--recipe restricted", RECIPES["restricted"]["epochs"]),
        ("--recipe=unrestricted --epochs=2", 2),
        ("--epochs 5 --epochs 7", 7),
    ],
)
def test_a_run_has_the_epochs_that_training_takes(settings: str, epochs: int) -> None:
    assert experiments.Run("a", 0, settings.split()).epochs == epochs


def test_the_forecast_is_for_the_group_of_the_run_whose_epochs_are_alike() -> None:
    report, curve = (
        experiments.Run(name, 0, experiments.EXPERIMENTS[name])
        for name in ("base", "identities-0.1")
    )
    assert experiments.alike(report, [report, curve]) == [report]
    assert experiments.alike(curve, [report, curve]) == [curve]


def test_one_experiment_constrains_the_reports_head() -> None:
    l1 = {}
    for name, flags in experiments.EXPERIMENTS.items():
        chosen = parse_arguments(None, ["--data", "lfw", *flags])
        if has_l1_head(chosen):
            l1[name] = chosen.unconstrained_head
    assert [name for name, unconstrained in l1.items() if not unconstrained] == ["koch-constrained"]
    assert {"koch", "base", "dropout-0.5"} <= l1.keys()


def test_committed_results_are_of_the_heads_that_their_experiments_have_now() -> None:
    folders = sorted((experiments.HERE / "results").glob("*-seed*"))
    assert len(folders) > 50
    for folder in folders:
        flags = experiments.EXPERIMENTS[folder.name.rpartition("-seed")[0]]
        chosen = parse_arguments(None, ["--data", "lfw", *flags])
        kept = BEFORE | json.loads((folder / "config.json").read_text())["settings"]
        if has_l1_head(chosen):
            assert kept["unconstrained_head"] == chosen.unconstrained_head


@pytest.mark.slow
def test_killed_in_the_middle_it_gives_the_same_history(
    undisturbed: Path, drawn: Path, tmp_path: Path
) -> None:
    flags = command(drawn, tmp_path, "base dropout-0.5")
    started = [sys.executable, "-c", START.format("experiments"), *flags]
    environment = {**os.environ, **ENVIRONMENT}
    process = subprocess.Popen(started, stdout=subprocess.DEVNULL, env=environment)
    history = tmp_path / "runs" / "dropout-0.5-seed0" / "history.csv"
    while not history.exists() or len(history.read_text().splitlines()) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "results" / "dropout-0.5-seed0").exists()
    subprocess.run(started, stdout=subprocess.DEVNULL, env=environment, check=True)
    for name in ("base-seed0", "dropout-0.5-seed0"):
        assert history_of(tmp_path, name) == history_of(undisturbed, name)
        scores = [folder / "results" / name / "scores.csv" for folder in (tmp_path, undisturbed)]
        assert scores[0].read_text() == scores[1].read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--data DIR is needed"),
        (["--data", "nowhere"], "--data must be a folder that is there. Received: nowhere"),
        (["--list", "--seeds", "0"], "--seeds must be at least 1"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        experiments.main(arguments)
    assert message in capsys.readouterr().err
