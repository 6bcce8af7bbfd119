"""Tests of tables of images that are read block by block."""

from pathlib import Path
from typing import Any

import pytest

import siamese_verify as sv
from siamese_verify.data import table_sources
from siamese_verify.data.sample_blocks import read_sample_blocks


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10, 11])
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_blocks_hold_all_rows_in_their_order(
    size: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_sources, "_ROWS", chunk)
    paths = [f"{9 - i}.png" for i in range(9)] + ["9.png"]  # Not sorted, and one twice.
    names = [f"{i % 3}" for i in range(10)]
    blocks = list(read_sample_blocks({"path": paths, "identity": names}, size))
    assert [block.number for block in blocks] == list(range(len(blocks)))
    assert {len(block.paths) for block in blocks[:-1]} <= {size}
    assert [path for block in blocks for path in block.paths] == paths
    assert [name for block in blocks for name in block.identities or []] == names


def test_a_table_may_lack_identities_but_not_a_column_that_is_named() -> None:
    (block,) = read_sample_blocks({"path": ["1.png"]}, 5)
    assert block.identities is None
    with pytest.raises(sv.TableError, match="lacks a column"):
        list(read_sample_blocks({"path": ["1.png"]}, 5, identity="who"))


@pytest.mark.parametrize("column", [["1.png", ""], ["1.png", None], ["1.png", 7]])
def test_a_value_that_is_no_path_is_named_with_its_row(column: list[Any], tmp_path: Path) -> None:
    with pytest.raises(sv.TableError, match="row 2"):
        list(read_sample_blocks({"path": column}, 5))


def test_digests_tell_blocks_of_other_rows() -> None:
    tables: list[dict[str, list[str]]] = [
        {"path": ["1", "2"]},
        {"path": ["2", "1"]},
        {"path": ["1", "2"], "identity": ["a", "b"]},
        {"path": ["1", "2"], "identity": ["b", "a"]},
    ]
    digests = {next(read_sample_blocks(table, 5)).digest() for table in tables}
    assert len(digests) == len(tables)
