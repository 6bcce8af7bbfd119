import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import train
from eagerly import ENVIRONMENT, START, eager  # noqa: F401
from experiments import run
from recipes import RECIPES
from standin import write_standin

SMALL = "tower=small image_size=24 learning_rate=0.001 batch_size=32 epochs=2"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "drawn"
    return write_standin(folder, train_identities=12, test_identities=6)


def command(drawn: Path, folder: Path, only: str) -> list[str]:
    places = ["--data", drawn, "--runs", folder / "runs", "--results", folder / "results"]
    return [*map(str, places), "--only", *only.split(), "--set", *SMALL.split()]


def history_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "results" / name / "history.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def undisturbed(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiments")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "plot", lambda *_: None)
        run.main(command(drawn, folder, "dropout-0.5"))
    return folder


def test_each_run_keeps_settings_history_scores_and_figures(undisturbed: Path) -> None:
    kept = undisturbed / "results" / "dropout-0.5-seed0"
    settings = json.loads((kept / "config.json").read_text())["settings"]
    assert settings["dropout"] == 0.5
    assert settings["batch_norm"]
    assert settings["tower"] == "small"
    assert len(history_of(undisturbed, "dropout-0.5-seed0")) == 2
    with (kept / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0].keys() == {"left", "right", "label", "last", "recomputed", "best"}
    figures = json.loads((kept / "figures.json").read_text())
    right = [(float(row["last"]) >= 0.5) == (row["label"] == "1") for row in rows]
    assert figures["last"]["accuracy"] == pytest.approx(sum(right) / len(right))


def test_a_finished_run_is_not_run_again(
    undisturbed: Path, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = undisturbed / "results" / "dropout-0.5-seed0" / "figures.json"
    before = kept.stat().st_mtime_ns
    run.main(command(drawn, undisturbed, "dropout-0.5"))
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
    run.main(["--list", "--only", "report", "unrestricted", *places])
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [
        ["base-seed0", "20", "finished"],
        ["base-sgd-seed0", "20", "missing"],
        ["batch-norm-seed0", "30", "2 epochs done"],
        ["dropout-0.1-seed0", "50", "missing"],
        ["dropout-0.5-seed0", "50", "missing"],
        ["by-identity-seed0", "30", "missing"],
        ["unrestricted-seed0", str(RECIPES["unrestricted"].epochs), "missing"],
    ]


def test_the_forecast_is_by_the_pace_of_each_run_and_else_of_all(tmp_path: Path) -> None:
    for name, seconds in {"a": "60\n60", "b": "100"}.items():
        (tmp_path / f"{name}-seed0").mkdir()
        (tmp_path / f"{name}-seed0" / "history.csv").write_text(f"seconds\n{seconds}\n")
    runs = [run.Run(name, 0, replace(RECIPES["report"], epochs=12)) for name in "abc"]
    # 10 epochs of 60 s, 11 of 100 s, and 12 of (60 + 60 + 100) / 3 s.
    assert run.forecast(runs, tmp_path) == "0 h 43 min"


def test_changes_are_numbers_truths_and_texts() -> None:
    texts = ["tower=small", "epochs=2", "l2=1e-4", "batch_norm=true", "crop=null"]
    changes = run.parse_changes(texts)
    assert changes == {
        "tower": "small",
        "epochs": 2,
        "l2": 1e-4,
        "batch_norm": True,
        "crop": None,
    }
    (planned,) = run.planned(["by-identity"], 1, changes)
    assert (planned.recipe.epochs, planned.recipe.split_by) == (2, "identity")


def test_runs_are_planned_seed_by_seed_and_once() -> None:
    planned = run.planned(["base", "report"], 2, {})
    assert [each.name for each in planned[:3]] == [
        "base-seed0",
        "base-sgd-seed0",
        "batch-norm-seed0",
    ]
    assert [each.seed for each in planned] == [0] * 6 + [1] * 6


def test_the_forecast_is_for_the_group_of_the_run_whose_epochs_are_alike() -> None:
    report, curve = run.planned(["base", "identities-0.1"], 1, {})
    assert run.alike(report, [report, curve]) == [report]
    assert run.alike(curve, [report, curve]) == [curve]


@pytest.mark.slow
def test_killed_in_the_middle_it_gives_the_same_history(
    undisturbed: Path, drawn: Path, tmp_path: Path
) -> None:
    flags = command(drawn, tmp_path, "dropout-0.5")
    started = [sys.executable, "-c", START.format("experiments.run"), *flags]
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
    name = "dropout-0.5-seed0"
    assert history_of(tmp_path, name) == history_of(undisturbed, name)
    scores = [folder / "results" / name / "scores.csv" for folder in (tmp_path, undisturbed)]
    assert scores[0].read_text() == scores[1].read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--data is missing"),
        (["--data", "nowhere"], "--data must be an existing folder. Received: --data nowhere"),
        (["--list", "--seeds", "0"], "--seeds must be at least 1"),
    ],
)
def test_wrong_arguments_end_with_a_message(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run.main(arguments)
    assert message in capsys.readouterr().err
