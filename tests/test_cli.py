"""Tests of the `siamese-verify` command."""

import gc
import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from standin import write_standin

import siamese_verify as sv
from siamese_verify import cli, commands
from siamese_verify.evaluation.calibration import CalibrationWarning
from siamese_verify.evaluation.report import EvaluationWarning

SIZE = (24, 24)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_standin(
        tmp_path_factory.mktemp("data") / "drawn", train_identities=12, test_identities=6
    )


@pytest.fixture(scope="module")
def data(drawn: Path) -> sv.PairDataset:
    return sv.PairDataset.from_lfw(drawn / "pairsDevTest.txt", drawn / "lfw2", SIZE, verbose=False)


@pytest.fixture(scope="module")
def verifier(data: sv.PairDataset) -> sv.Verifier:
    tower = sv.ConvTower([sv.ConvBlock(8, 3, 2)], (*SIZE, 1), 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)  # The pairs are few.
        return sv.Verifier(sv.SiameseModel(tower, sv.CosineHead()), data.preprocessing).calibrate(
            data
        )


@pytest.fixture(scope="module")
def model(verifier: sv.Verifier, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "faces.keras"
    verifier.save(path)
    return str(path)


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
    assert len(said["unreadable_images"]) == 15


def test_inspect_without_images_needs_no_tensorflow(drawn: Path) -> None:
    code = (
        "import sys; from siamese_verify import cli; code = cli.main(sys.argv[1:]);"
        "assert not {'tensorflow', 'keras'} & sys.modules.keys(); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "inspect", drawn / "pairsDevTest.txt"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def test_evaluate_prints_the_report_of_the_verifier(
    model: str,
    drawn: Path,
    data: sv.PairDataset,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    arguments = ["evaluate", model, str(drawn / "pairsDevTest.txt")]
    arguments += ["--images", str(drawn / "lfw2")]
    assert cli.main([*arguments, "--roc", str(tmp_path / "roc.png")]) == 0
    with pytest.warns(EvaluationWarning) as caught:  # The threshold was chosen on these pairs.
        report = sv.Verifier.load(model).evaluate(data)
    expected = [str(warning.message) for warning in caught]
    assert any("test images were in calibration" in text for text in expected)
    said = capsys.readouterr()
    assert said.out == f"{report}\n"
    assert said.err.splitlines() == [f"siamese-verify: warning: {text}" for text in expected]
    assert (tmp_path / "roc.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main([*arguments, "--json"]) == 0
    assert said_json(capsys) == json.loads(json.dumps({**report.to_dict(), "warnings": expected}))


def test_evaluate_adds_the_mean_over_the_folds_of_a_list(
    model: str,
    drawn: Path,
    data: sv.PairDataset,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    pairs = data.pairs
    chosen = [pair for i in range(4) for pair in (pairs.same[i], pairs.different[i])]
    in_folds = sv.PairList(chosen, folds=[0, 0, 1, 1, 2, 2, 3, 3])
    in_folds.to_lfw(tmp_path / "pairs.txt")
    arguments = ["evaluate", model, str(tmp_path / "pairs.txt"), "--images", str(drawn / "lfw2")]
    assert cli.main([*arguments, "--json"]) == 0
    mean, error = said_json(capsys)["folds"]
    part = sv.PairDataset(in_folds, drawn / "lfw2", data.preprocessing, verbose=False)
    scores = sv.Verifier.load(model).model.score(part.images, part.indices)
    expected = sv.evaluate_folds(scores, part.labels, in_folds.folds)
    assert (mean, error) == pytest.approx(expected[:2])
    assert cli.main(arguments) == 0
    assert f"over the folds    {expected}" in capsys.readouterr().out


def test_the_exit_code_of_verify_is_its_answer(
    model: str, drawn: Path, data: sv.PairDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = data.pairs.paths(drawn / "lfw2")
    decisions = sv.Verifier.load(model).verify_many(paths)
    for same in (True, False):
        index = [decision.same for decision in decisions].index(same)
        arguments = ["verify", model, *map(str, paths[index])]
        assert cli.main(arguments) == (0 if same else 1)
        assert capsys.readouterr().out.startswith("same: " if same else "different: ")
        assert cli.main([*arguments, "--json"]) == (0 if same else 1)
        said = said_json(capsys)
        assert said["same"] == same
        assert said["score"] == pytest.approx(decisions[index].score, abs=1e-5)
        assert len(said["far"]) == len(said["frr"]) == 3
        assert said["fingerprint"] == decisions[index].fingerprint
        assert said["policy"] == "max_accuracy"


def test_identify_names_the_best_match(
    model: str, drawn: Path, data: sv.PairDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = data.pairs.samples[0]
    arguments = ["identify", model, str(drawn / "lfw2" / sample.path)]
    arguments += ["--gallery", str(drawn / "lfw2")]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.startswith(f"{sample.identity}: score 1.0")
    assert cli.main([*arguments, "-k", "3", "--json"]) == 0
    said = said_json(capsys)
    assert said[0]["name"] == sample.identity
    assert len(said) <= 3


def test_a_name_cannot_forge_a_line(
    model: str, drawn: Path, data: sv.PairDataset, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    image = drawn / "lfw2" / data.pairs.samples[0].path
    name = "Ada\nBob: score 0.99"
    (tmp_path / name).mkdir()
    (tmp_path / name / "1.jpg").write_bytes(image.read_bytes())
    (tmp_path / "Eve").mkdir()
    (tmp_path / "Eve" / "1.webp\nsame").touch()
    arguments = ["identify", model, str(image), "--gallery", str(tmp_path)]
    assert cli.main(arguments) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ["Ada\\nBob: score 0.99: score 1.0000"]
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("siamese-verify: warning: 1 file or folder is passed over")
    assert cli.main([*arguments, "--json"]) == 0
    assert said_json(capsys)[0]["name"] == name


def test_no_match_is_an_exit_code(
    model: str, drawn: Path, data: sv.PairDataset, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    verifier = sv.Verifier.load(model)
    calibration = verifier.calibration
    verifier.calibration = type(calibration)(**{**vars(calibration), "threshold": 1.5})
    verifier.save(tmp_path / "strict.keras")
    sample = str(drawn / "lfw2" / data.pairs.samples[0].path)
    gallery = ["--gallery", str(drawn / "lfw2")]
    assert cli.main(["identify", str(tmp_path / "strict.keras"), sample, *gallery]) == 1
    assert capsys.readouterr().out == "no identity\n"


def test_evaluation_on_strangers_is_silent(
    model: str, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", model, str(drawn / "pairsDevTrain.txt")]
    assert cli.main([*arguments, "--images", str(drawn / "lfw2"), "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert json.loads(said.out)["warnings"] == []


def test_a_warning_while_loading_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(_: object) -> None:
        for _ in range(2):
            warnings.warn("an old\n  head", stacklevel=1)
        raise ValueError("and more")

    monkeypatch.setattr(commands, "load", load)
    assert cli.main(["verify", "faces.keras", "a.jpg", "b.jpg"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "siamese-verify: warning: an old head",
        "siamese-verify: and more",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "nowhere.txt"], "nowhere.txt"),
        (["verify", "nowhere.keras", "a.jpg", "b.jpg"], "nowhere.keras"),
        (["verify", "MODEL", "nowhere.jpg", "b.jpg"], "nowhere.jpg"),
        (["verify", "PAIRS", "a.jpg", "b.jpg"], "The path of a verifier must end in .keras"),
        (["identify", "MODEL", "a.jpg", "--gallery", "nowhere"], "nowhere"),
        (["export", "MODEL", "model.pb"], "model.pb"),
        (["verify", "no\nwhere\r.keras", "a.jpg", "b.jpg"], "where"),
        (["verify", "MODEL", "no\nwhere.jpg", "b.jpg"], "where.jpg"),
        (["verify", "MODEL", "PAIRS", "PAIRS"], "pairsDevTest.txt"),
        (["inspect", "x" * 5_000], "File name too long"),
        (["inspect", "MODEL"], "line 1"),
        (["identify", "MODEL", "a.jpg", "--gallery", "no\nwhere"], "where"),
        (["identify", "MODEL", "a.jpg", "--gallery", ".", "-k", "0"], "k"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(
    arguments: list[str], message: str, model: str, drawn: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = {"MODEL": model, "PAIRS": str(drawn / "pairsDevTest.txt")}
    assert cli.main([names.get(argument, argument) for argument in arguments]) == 2
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


@pytest.mark.parametrize("level", ["0", "3"])
def test_a_fresh_process_prints_only_its_error(level: str, model: str, drawn: Path) -> None:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": level}
    command = [sys.executable, "-m", "siamese_verify.cli", "verify", model]
    command += [drawn / "pairsDevTest.txt"] * 2
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("siamese-verify: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_progress_is_shown_on_the_terminal_and_not_in_the_answer(damaged: Path) -> None:
    command = [sys.executable, "-m", "siamese_verify.cli", "inspect", damaged / "pairs.txt"]
    command += ["--images", damaged / "images", "--json"]
    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0) as terminal:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=False)
        os.close(theirs)
        assert b"17/17" in terminal.read(10_000)
    assert len(json.loads(result.stdout)["unreadable_images"]) == 15


def test_an_unforeseen_error_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr(commands, "load", fail)
    assert cli.main(["verify", "faces.keras", "a.jpg", "b.jpg"]) == 2
    assert "KeyError: 'unforeseen'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["inspect", "evaluate", "verify", "identify", "export"])
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
    assert "\ninput:\n" in said
    assert "\noutput:\n" in said
    assert f"siamese-verify {command} " in said.split("example:")[1]
    assert "exit code: 0" in said


def test_help_shows_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    for command, default in (("identify", "1"), ("export", "pair")):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        said = " ".join(capsys.readouterr().out.split())
        assert f"(default: {default})" in said


def test_a_fresh_process_prints_only_its_answer_which_has_the_same_bits(
    model: str, drawn: Path, data: sv.PairDataset
) -> None:
    pair = data.pairs.paths(drawn / "lfw2")[0]
    decision = sv.Verifier.load(model).verify(*pair)
    command = [sys.executable, "-m", "siamese_verify.cli", "verify", model, *pair, "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == (0 if decision else 1)
    assert result.stderr == ""
    assert json.loads(result.stdout) == json.loads(json.dumps(decision.to_dict()))


@pytest.mark.parametrize("collects", [True, False])
@pytest.mark.parametrize("found", [True, False])
def test_the_garbage_collector_is_left_as_it_was(
    collects: bool, found: bool, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gc, "freeze", lambda: None)  # Other tests may collect theirs.
    try:
        gc.enable() if collects else gc.disable()
        assert cli.main(["verify", model if found else "missing.keras", "a.jpg", "b.jpg"]) == 2
        assert gc.isenabled() == collects
    finally:
        gc.enable()
