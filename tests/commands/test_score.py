"""Tests of `siamese-verify score`."""

import csv
import datetime
import json
from pathlib import Path

import pytest

import siamese_verify as sv
from siamese_verify import cli
from siamese_verify.commands.outputs import write_table


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_scores_are_the_scores_of_the_verifier(
    model: str, drawn: Path, data: sv.PairDataset, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "scores.csv"
    arguments = ["score", model, str(drawn / "pairsDevTest.txt"), "--images", str(drawn / "lfw2")]
    assert cli.main([*arguments, "-o", str(out), "--json"]) == 0
    n = len(data)
    assert json.loads(capsys.readouterr().out) == {"rows": n, "scored": n, "not_scored": 0}
    decisions = sv.Verifier.load(model).verify_many(data.pairs.paths(drawn / "lfw2"))
    for row, decision, pair in zip(read_csv(out), decisions, data.pairs, strict=True):
        assert (row["left"], row["right"]) == (pair.left.path, pair.right.path)
        assert float(row["score"]) == pytest.approx(decision.score, abs=1e-5)
        assert float(row["probability"]) == pytest.approx(decision.probability, abs=1e-4)
        assert row["same"] == str(decision.same)
        assert row["problem"] == ""


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_rows_without_a_label_are_scored_and_bad_rows_are_marked(
    ending: str, model: str, drawn: Path, data: sv.PairDataset, tmp_path: Path
) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    (tmp_path / "damaged.jpg").write_bytes(b"no image")
    one, other = (str(path) for path in data.pairs.paths(drawn / "lfw2")[0])
    rows = [
        ("a", one, other), ("b", one, "damaged.jpg"), ("c", "nowhere.jpg", other), ("d", "", other),
        ("e", one, "."),
    ]  # fmt: skip
    table = tmp_path / "pairs.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "first", "second"), *rows])
    out = tmp_path / f"scores.{ending}"
    columns = "left=first,right=second"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        arguments = ["score", model, str(table), "--columns", columns, "-o", str(out)]
        assert cli.main(arguments) == 1
    if ending in ("csv", "tsv"):
        with out.open(newline="") as file:
            found = list(csv.DictReader(file, delimiter="\t" if ending == "tsv" else ","))
    elif ending == "jsonl":
        found = [json.loads(line) for line in out.read_text().splitlines()]
    else:
        from pyarrow import parquet

        found = parquet.read_table(out).to_pylist()
    assert [row["id"] for row in found] == [*"abcde"]
    assert [bool(row["problem"]) for row in found] == [False, True, True, True, True]
    assert [row["score"] in ("", None) for row in found] == [False, True, True, True, True]
    assert "nowhere.jpg" in found[2]["problem"]
    assert "empty" in found[3]["problem"]


def test_values_that_json_does_not_know_are_written_as_text(tmp_path: Path) -> None:
    columns = {"when": [datetime.date(2026, 1, 31)], "score": [0.5]}
    write_table(tmp_path / "scores.jsonl", columns)
    found = json.loads((tmp_path / "scores.jsonl").read_text())
    assert found == {"when": "2026-01-31", "score": 0.5}


@pytest.mark.parametrize(
    ("values", "name"), [(["1", 2], "note"), (["\ud800", "a"], "note"), ([{}, {}], "note")]
)
def test_a_column_that_parquet_cannot_hold_is_an_error_before_the_work(
    values: list[object], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    rows = [{"left": "a.png", "right": "b.png", name: value} for value in values]
    Path("pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("empty.keras").touch()
    assert cli.main(["score", "empty.keras", "pairs.jsonl", "-o", "scores.parquet"]) == 2
    assert "cannot hold the column 'note'" in capsys.readouterr().err


def test_columns_without_a_name_are_kept_or_an_error(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pairs.csv").write_text(",left,right\n7,a.png,b.png\n")
    assert cli.main(["score", model, "pairs.csv", "-o", "scores.csv"]) == 1
    row = read_csv(Path("scores.csv"))[0]
    assert row[""] == "7"
    assert row["problem"] == "a.png: No such file or directory, b.png: No such file or directory"
    Path("pairs.csv").write_text("left,right,x,,\na.png,b.png,1,2,3\n")
    assert cli.main(["score", model, "pairs.csv", "-o", "scores.csv"]) == 2
    assert "Several columns have no name" in capsys.readouterr().err


def test_nested_values_of_json_are_json_in_a_csv_file(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(b"no image")
    nested = {"tags": ["x", None], "ok": True}
    row = {"left": "a.png", "right": "a.png", "note": nested}
    Path("pairs.jsonl").write_text(json.dumps(row) + "\n")
    assert cli.main(["score", model, "pairs.jsonl", "-o", "scores.csv"]) == 1
    [found] = read_csv(Path("scores.csv"))
    assert json.loads(found["note"]) == nested
    assert found["problem"].count("a.png") == 1


@pytest.mark.parametrize("path", [["a.jpg"], {"path": "a.jpg"}, 7, None])
def test_a_path_of_json_that_is_not_text_marks_its_row(
    path: object, model: str, drawn: Path, data: sv.PairDataset, tmp_path: Path
) -> None:
    one, other = (str(path) for path in data.pairs.paths(drawn / "lfw2")[0])
    rows = [{"left": path, "right": one}, {"left": other, "right": one}]
    table, out = tmp_path / "pairs.jsonl", tmp_path / "scores.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cli.main(["score", model, str(table), "-o", str(out)]) == 1
    bad, good = [json.loads(line) for line in out.read_text().splitlines()]
    assert (bad["left"], bad["score"], bad["problem"]) == (path, None, "a path is empty")
    assert good["score"] is not None
