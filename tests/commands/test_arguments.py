"""Tests of the checks of paths, before any work."""

from argparse import ArgumentTypeError, Namespace
from pathlib import Path

import pytest

from siamese_verify.commands import values
from siamese_verify.commands.arguments import check_overwrites

NAMES = {"bad": "--bad", "suspects": "--suspects", "output": "-o", "use": "--use"}


def test_two_outputs_are_not_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Namespace(suspects=Path("a.csv"), bad=tmp_path / "a.csv")
    with pytest.raises(ValueError, match="--suspects would overwrite --bad"):
        check_overwrites(settings, NAMES)
    check_overwrites(Namespace(suspects=Path("a.csv"), bad=Path("b.csv")), NAMES)


def test_a_text_longer_than_a_path_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "faces.md").touch()
    check_overwrites(Namespace(output=tmp_path / "faces.md", use="Doors. " * 1_000), NAMES)


def test_a_parquet_file_needs_pyarrow_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "find_spec", lambda _: None)
    check = values.output_file(*values.TABLES)
    with pytest.raises(ArgumentTypeError, match=r"siamese-verify\[tables\]"):
        check(str(tmp_path / "scores.parquet"))
    assert check(str(tmp_path / "scores.csv")) == tmp_path / "scores.csv"
