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
    said = capsys.readouterr().out
    assert "10 genuine and 10 impostor pairs" in said
    assert f"--images {drawn / 'lfw2'}." in said


def test_pairs_of_a_table_whose_columns_have_other_names(tmp_path: Path) -> None:
    rows = [f"{who}{number}.png,{who}" for who in "abcd" for number in range(3)]
    (tmp_path / "products.csv").write_text("\n".join(["image_path,sku", *rows]))
    arguments = ["pairs", str(tmp_path / "products.csv"), "-o", str(tmp_path / "pairs.csv")]
    assert cli.main([*arguments, "--columns", "path=image_path,identity=sku"]) == 0
    pairs = sv.PairList.from_table(tmp_path / "pairs.csv")
    assert pairs.identities == ("a", "b", "c", "d")
    assert cli.main([*arguments, "--columns", "path=image_path"]) == 2


def draw(drawn: Path, tmp_path: Path, *flags: str) -> sv.PairList:
    out = tmp_path / "pairs.jsonl"
    assert cli.main(["pairs", str(drawn / "lfw2"), "-o", str(out), *flags]) == 0
    return sv.PairList.from_table(out)


def test_any_number_of_each_kind_all_pairs_and_pairs_for_a_far(drawn: Path, tmp_path: Path) -> None:
    counts = draw(drawn, tmp_path, "--same", "3", "--different", "7").summary()
    assert (counts.same, counts.different) == (3, 7)
    assert draw(drawn, tmp_path, "--all") == sv.PairList.all_pairs(drawn / "lfw2")
    for_far = draw(drawn, tmp_path, "--far", "0.1", "--same", "5")
    assert for_far == sv.PairList.sample(drawn / "lfw2", far=0.1, same=5)


def test_hard_pairs_are_those_of_the_library(model: str, drawn: Path, tmp_path: Path) -> None:
    hard = draw(drawn, tmp_path, "--hard", model, "--size", "6")
    data = sv.IdentityDataset.from_folder(drawn / "lfw2", verbose=False)
    paths = [drawn / "lfw2" / sample.path for sample in data.samples]
    expected = sv.PairList.hardest(data.samples, sv.Verifier.load(model).embed(paths), 6)
    assert hard == expected
