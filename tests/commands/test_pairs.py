"""Tests of `siamese-verify pairs`."""

from pathlib import Path

import pytest

import siamese_verify as sv
from siamese_verify import cli


@pytest.mark.parametrize("name", ["pairs.txt", "pairs.csv", "pairs.jsonl"])
def test_pairs_of_a_folder_are_written_in_the_format_of_the_ending(
    name: str, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / name
    assert cli.main(["pairs", str(drawn / "lfw2"), "--size", "20", "-o", str(out)]) == 0
    read = sv.PairList.from_lfw if name.endswith("txt") else sv.PairList.from_table
    assert read(out) == sv.PairList.sample(drawn / "lfw2", 20)
    assert "10 genuine and 10 impostor pairs" in capsys.readouterr().out


def test_pairs_of_a_table_whose_columns_have_other_names(tmp_path: Path) -> None:
    rows = [f"{who}{number}.png,{who}" for who in "abcd" for number in range(3)]
    (tmp_path / "products.csv").write_text("\n".join(["image_path,sku", *rows]))
    arguments = ["pairs", str(tmp_path / "products.csv"), "-o", str(tmp_path / "pairs.csv")]
    assert cli.main([*arguments, "--columns", "path=image_path,identity=sku"]) == 0
    pairs = sv.PairList.from_table(tmp_path / "pairs.csv")
    assert pairs.identities == ("a", "b", "c", "d")
    assert cli.main([*arguments, "--columns", "path=image_path"]) == 2
