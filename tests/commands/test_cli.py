"""Tests of the `siamese-verify` command: its parser, exit codes and errors."""

import gc
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import siamese_verify as sv
from siamese_verify import cli
from siamese_verify.commands import verify


def code_of(arguments: list[str]) -> int:
    """Return the exit code, also where the parser ends the process."""
    try:
        return cli.main(arguments)
    except SystemExit as exit_:
        return exit_.code


@pytest.fixture
def verify_arguments(tmp_path: Path) -> list[str]:
    """Return arguments that pass the checks before the work."""
    paths = [tmp_path / name for name in ("faces.keras", "a.jpg", "b.jpg")]
    for path in paths:
        path.touch()
    return ["verify", *map(str, paths)]


def test_a_warning_while_loading_is_one_line(
    verify_arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def load(_: object) -> None:
        for _ in range(2):
            warnings.warn("an old\n  head", stacklevel=1)
        raise ValueError("and more")

    monkeypatch.setattr(verify, "load_verifier", load)
    assert cli.main(verify_arguments) == 2
    assert capsys.readouterr().err.splitlines() == [
        "siamese-verify: warning: an old head",
        "siamese-verify: and more",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "nowhere.txt"], "argument SOURCE: nowhere.txt does not exist"),
        (["verify", "nowhere.keras", "a.jpg", "b.jpg"], "argument MODEL: nowhere.keras"),
        (["verify", "MODEL", "nowhere.jpg", "b.jpg"], "argument A: nowhere.jpg"),
        (["verify", "PAIRS", "a.jpg", "b.jpg"], "does not end in .keras"),
        (["verify", "no\nwhere\r.keras", "a.jpg", "b.jpg"], "no\\nwhere\\r.keras"),
        (["verify", "MODEL", "no\nwhere.jpg", "b.jpg"], "no\\nwhere.jpg"),
        (["verify", "MODEL", "PAIRS", "PAIRS"], "pairsDevTest.txt"),
        (["inspect", "x" * 5_000], "File name too long"),
        (["inspect", "MODEL"], "line 1"),
        (["identify", "MODEL", "PAIRS", "--gallery", "nowhere"], "argument --gallery: nowhere"),
        (
            ["identify", "MODEL", "PAIRS", "--gallery", ".", "-k", "0"],
            "argument -k: a whole number",
        ),
        (["evaluate", "MODEL", "PAIRS"], "needs --images"),
        (["evaluate", "MODEL", "PAIRS", "--images", "nowhere"], "argument --images: nowhere"),
        (["evaluate", "MODEL", "PAIRS", "--images", "EMPTY"], "Received: --images="),
        (["evaluate", "MODEL", "PAIRS", "--images", "EMPTY", "--roc", "roc.gif"], "--roc: roc.gif"),
        (["export", "MODEL", "model.pb"], "argument OUTPUT: model.pb does not end in"),
        (["export", "MODEL", "nowhere/model.onnx"], "the folder nowhere does not exist"),
        (["identify", "MODEL", "PAIRS", "--gallery", "MODEL"], "gallery"),
        (["enroll", "MODEL", "--gallery", "new.npz"], "arguments are required: IMAGES"),
        (["enroll", "MODEL", "--gallery", "new.npz", "--remove", "Ada"], "new.npz does not exist"),
        (["enroll", "MODEL", "EMPTY", "--gallery", "new.npz", "--metadata", "a"], "needs a table"),
        (["pairs", "EMPTY", "-o", "pairs.csv", "--all", "--size", "2"], "--all cannot be used"),
        (["pairs", "EMPTY", "-o", "pairs.csv", "--far", "2"], "argument --far"),
        (["pairs", "EMPTY", "-o", "EMPTY"], "argument -o: "),
        (["pairs", "EMPTY", "-o", "pairs.xls"], "pairs.xls does not end in .txt or .csv"),
        (["pairs", "EMPTY", "-o", "pairs.txt", "--seed", "-1"], "argument --seed"),
        (["calibrate", "MODEL", "PAIRS", "-o", "new.keras", "--policy", "far=2"], "--policy: must"),
        (["calibrate", "MODEL", "PAIRS", "-o", "new.keras"], "required: --policy"),
        (["calibrate", "MODEL", "PAIRS", "-o", "MODEL", "--policy", "eer"], "overwrite MODEL"),
        (["train", "PAIRS", "-o", "new.keras"], "must be a folder"),
        (["train", "EMPTY", "-o", "new.keras"], "Received: IMAGES=empty"),
        (["inspect", "EMPTY"], "Received: SOURCE=empty"),
        (["enroll", "MODEL", "EMPTY", "--gallery", "new.npz"], "Received: IMAGES=empty"),
        (["identify", "MODEL", "PAIRS", "--gallery", "EMPTY"], "Received: --gallery=empty"),
        (
            ["train", "pairs.csv", "-o", "new.keras"],
            "by --columns path=COLUMN. It is a",
        ),
        (["inspect", "pairs.csv", "--columns", "label=same"], "another one by --columns label="),
        (["score", "MODEL", "images.csv", "-o", "new.csv"], "by --columns left=COLUMN. It is a"),
        (
            ["score", "MODEL", "pairs.csv", "-o", "new.csv", "--columns", "left=left,left=right"],
            "argument --columns: each NAME is needed once",
        ),
        (
            ["score", "MODEL", "pairs.csv", "-o", "new.csv", "--columns", "left=left,right=left"],
            "column 'left': A column holds one thing",
        ),
        (["inspect", "semicolons.csv"], "separate the fields by commas, or by tabs"),
        (["train", ".", "-o", "new.keras"], "would be written into IMAGES"),
        (
            [
                "calibrate",
                "MODEL",
                "pairs.csv",
                "-o",
                "a.keras",
                "--policy",
                "eer",
                "--review",
                "far=0.01",
            ],
            "such as frr=0.01,far=0.001, not far=0.01",
        ),
        (["evaluate", "MODEL", "pairs.csv"], "pairs.csv must hold same and different pairs"),
        (["card", "MODEL", "pairs.csv", "-o", "a.md"], "Received: only same pairs"),
        (["train", "EMPTY", "-o", "new.keras", "--epochs", "0"], "argument --epochs"),
        (["train", "EMPTY", "-o", "new.keras", "--channels", "2"], "argument --channels"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    model: str,
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "pairs.csv").write_text("left,right,label\na.png,b.png,1\n")
    (tmp_path / "images.csv").write_text("path,identity\na.png,Ada\n")
    (tmp_path / "semicolons.csv").write_text("left;right;label\na.png;b.png;1\n")
    names = {"MODEL": model, "PAIRS": str(drawn / "pairsDevTest.txt"), "EMPTY": "empty"}
    assert code_of([names.get(argument, argument) for argument in arguments]) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith("siamese-verify: ")
    assert message in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no\nsame"],
        ["verify", "a"],
        ["inspect", "a", "b\nsame"],
        ["identify", *"ab", "-k", "\n"],
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("siamese-verify: ")
    assert said.err.count("\n") == 1


def test_an_unforeseen_error_exits_with_2(
    verify_arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr(verify, "load_verifier", fail)
    assert cli.main(verify_arguments) == 2
    assert "KeyError: 'unforeseen'" in capsys.readouterr().err


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_shows_usage_in_one_line_groups_an_example_and_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main([command, "--help"])
    assert exit_.value.code == 0
    said = capsys.readouterr().out
    usage, _, _ = said.partition("\n\n")
    assert usage.startswith(f"usage: siamese-verify {command} ")
    assert "\n" not in usage
    assert command == "demo" or "\ninput:\n" in said
    assert "\noutput:\n" in said
    assert f"siamese-verify {command}" in said.split("example:")[1]
    assert "exit code: 0" in said


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_says_the_default_of_every_flag(command: str) -> None:
    (subparsers,) = cli._make_parser()._subparsers._group_actions
    for action in subparsers.choices[command]._actions:
        # Nothing happens without these.
        if not action.required and action.dest not in ("help", "json", "roc", "bad", "suspects"):
            assert "(default: " in action.help, action.dest


def test_version_and_help_need_no_tensorflow() -> None:
    code = (
        "import sys; from siamese_verify import cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit as exit_: assert not exit_.code\n"
        "assert not {'tensorflow', 'keras'} & sys.modules.keys()"
    )
    for flag in ("--version", "--help"):
        command = [sys.executable, "-c", code, flag]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert said.startswith("siamese-verify 0.1.0" if flag == "--version" else "usage: ")


def test_a_fresh_process_prints_only_its_answer_which_has_the_same_bits(
    model: str, drawn: Path, data: sv.PairDataset
) -> None:
    pair = data.pairs.paths(drawn / "lfw2")[0]
    decision = sv.Verifier.load(model).verify(*pair)
    command = [sys.executable, "-m", "siamese_verify.cli", "verify", model, *pair, "--json"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == (0 if decision else 1)
    assert result.stderr == ""
    assert json.loads(result.stdout) == json.loads(json.dumps(decision.to_dict()))


@pytest.mark.parametrize("collects", [True, False])
@pytest.mark.parametrize("found", [True, False])
def test_the_garbage_collector_is_left_as_it_was(
    collects: bool, found: bool, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = str(tmp_path / "damaged.keras")
    Path(other).touch()
    monkeypatch.setattr(gc, "freeze", lambda: None)  # Other tests may collect theirs.
    try:
        gc.enable() if collects else gc.disable()
        assert cli.main(["verify", model if found else other, model, model]) == 2
        assert gc.isenabled() == collects
    finally:
        gc.enable()
