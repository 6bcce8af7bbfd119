"""Tests of tables of pairs and of images."""

import contextlib
import itertools
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamese_verify.data import csv_reading, table_sources, table_writing
from siamese_verify.data.csv_reading import CsvFile
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import Pair, PairListWarning, Sample
from siamese_verify.data.table_columns import shortest
from siamese_verify.data.table_text import LONGEST_LINE, TableError
from siamese_verify.data.tables import read_samples

HEADER = "left,right,label\n"
ONE = "a.png,b.png,1\n"
COLUMNS = {"left": ["a.png", "a.png"], "right": ["b.png", "c.png"], "label": [1, 0]}
TWO = PairList(
    [
        Pair(Sample("a.png", "a.png"), Sample("b.png", "a.png"), 1),
        Pair(Sample("a.png", "a.png"), Sample("c.png", "c.png"), 0),
    ]
)


HUGE = 10**5_000  # Python writes no number of so many digits.


@pytest.mark.parametrize("column", ["label", "left_identity", "fold", "group"])
def test_a_number_that_python_does_not_write_is_a_clear_error(column):
    table = {"left": ["a"], "right": ["b"], "label": [1]}
    table |= {"left_identity": ["x"], "right_identity": ["x"]}
    with pytest.raises(TableError, match=f"row 1, column '{column}'.*Received: int without"):
        PairList.from_table({**table, column: [HUGE]})


def test_a_root_that_is_no_path_is_a_clear_error():
    with pytest.raises(TypeError, match=r"`root` must be .*Received: root=5"):
        PairList.from_table(COLUMNS, root=5)
    with pytest.raises(TypeError, match=r"`root` must be .*Received: root=5"):
        read_samples({"path": ["a"], "identity": ["x"]}, root=5)


def test_two_spellings_of_a_path_are_one_image():
    with pytest.raises(TableError, match=r"row 2, column 'path'.*'a' again"):
        read_samples({"path": ["a", "./a"], "identity": ["x", "y"]})
    table = {
        "left": ["a/./b.png", "a/../b.png", "/a//b.png"],
        "right": ["./a//b.png", "../b.png", "//a/b.png"],
        "label": [0, 1, 0],
    }
    with pytest.warns(PairListWarning):
        pairs = PairList.from_table(table)
    paths = {"a/b.png", "a/../b.png", "../b.png", "/a/b.png", "//a/b.png"}
    assert {*pairs.samples.paths} == paths


@pytest.fixture(params=["whole blocks", "csv"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read CSV by either reader. By default, `csv` reads from the first quotation mark."""
    if request.param == "csv":
        read_by_csv(monkeypatch)
    return request.param


def read_by_csv(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CsvFile, "chunks", lambda self, columns: self._quoted(self._blocks, columns))


def written(folder: Path, text: str | bytes, name: str = "pairs.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problem(path: Any, **options: Any) -> tuple[str, int | None, str | None]:
    """Return the text, the row and the column of a table's error."""
    with pytest.raises(TableError) as caught:
        PairList.from_table(path, **options)
    return str(caught.value), caught.value.row, caught.value.column


# --- What is read


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}a.png,b.png,1\na.png,c.png,0\n",
        f"{HEADER}a.png,b.png,1\na.png,c.png,0",
        f"\ufeff{HEADER}a.png,b.png,1\na.png,c.png,0\n",
        "left,right,label\r\na.png,b.png,1\na.png,c.png,0\r",
        "left,right,label\ra.png,b.png,1\r\n\r\na.png,c.png,0\n\n",
        f'{HEADER}"a.png","b.png","1"\n"a.png",c.png,0\n',
        "\nnote,label,left,right\nx,Same,a.png,b.png\n,IMPOSTOR,a.png,c.png\n",
    ],
)
def test_a_csv_file_is_read_whatever_its_line_ends_quotes_and_order(
    text: str, reader: str, tmp_path: Path
):
    assert PairList.from_table(written(tmp_path, text)) == TWO


@pytest.mark.parametrize("label", ["1", "true", "SAME", "Genuine", " true "])
def test_a_label_has_several_names(label: str, reader: str, tmp_path: Path):
    assert PairList.from_table(written(tmp_path, f"{HEADER}a,b,{label}\n")).labels.tolist() == [1]


def test_names_of_columns_and_roots_are_arguments():
    table = {"x": ["1.png"], "y": ["1.png"], "is_same": [False]}
    names = {"left": "x", "right": "y", "label": "is_same"}
    pairs = PairList.from_table(table, **names, root=("genuine", "forged/"))
    assert pairs.samples.paths == ("forged/1.png", "genuine/1.png")
    pairs = PairList.from_table({**table, "y": ["2.png"]}, **names, root="scans")
    assert pairs.samples.paths == ("scans/1.png", "scans/2.png")


def test_identities_are_any_text_as_written():
    table = {
        "left": ["1.png", "2.png", "3.png"],
        "right": ["4.png", "5.png", "6.png"],
        "label": [0, 0, 0],
        "left_identity": ["007", "Jose\u0301", " a/b c"],
        "right_identity": ["7", "Bob", "\u00e9"],
    }
    assert PairList.from_table(table).identities == (
        " a/b c", "007", "7", "Bob", "Jos\u00e9", "\u00e9",
    )  # fmt: skip


def test_same_pairs_link_images_to_one_identity_which_its_first_image_names():
    table = {"left": ["d", "c", "x"], "right": ["c", "b", "a"], "label": ["1", "1", "0"]}
    samples = PairList.from_table(table).samples
    assert {sample.path: sample.identity for sample in samples} == {
        "a": "a", "b": "b", "c": "b", "d": "b", "x": "x",
    }  # fmt: skip


def test_a_forgery_is_an_impostor_pair_of_one_identity_without_a_warning():
    table = {
        **COLUMNS,
        "left_identity": ["Ada", "Ada"],
        "right_identity": ["Ada", "Ada"],
        "group": ["", "skilled"],
        "fold": [0, 1],
    }
    pairs = PairList.from_table(table)
    assert pairs.identities == ("Ada",)
    assert pairs.groups.tolist() == ["", "skilled"]
    assert pairs.folds.tolist() == [0, 1]
    assert pairs.different.groups.tolist() == ["skilled"]


def test_one_column_may_name_the_identity_of_both_images(reader: str, tmp_path: Path):
    text = "left,right,label,writer\na,b,1,Ada\na,forged,0,Ada\nc,d,1,Bob\n"
    writer = {"left_identity": "writer", "right_identity": "writer"}
    pairs = PairList.from_table(written(tmp_path, text), **writer)
    assert [pair.right.identity for pair in pairs] == ["Ada", "Ada", "Bob"]
    path = written(tmp_path, f"{text}c,a,0,Bob\n")
    assert problem(path, **writer)[1:] == (5, "writer")


def test_a_column_of_labels_may_be_called_group():
    table = {"left": ["a.png", "a.png"], "right": ["b.png", "c.png"], "group": ["same", "impostor"]}
    assert PairList.from_table(table, label="group") == TWO


def test_frames_and_mappings_hold_the_same_pairs_as_files(tmp_path: Path):
    assert PairList.from_table(COLUMNS) == TWO
    arrays = {name: np.array(column) for name, column in COLUMNS.items()}
    assert PairList.from_table(arrays) == TWO
    lines = "".join(
        json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n\n"
        for row in zip(*COLUMNS.values(), strict=True)
    )
    assert PairList.from_table(written(tmp_path, lines, "pairs.jsonl")) == TWO
    tabs = f"{HEADER}a.png,b.png,1\na.png,c.png,0\n".replace(",", "\t")
    assert PairList.from_table(written(tmp_path, tabs, "pairs.tsv")) == TWO


def test_a_frame_of_pandas_is_read():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(COLUMNS, index=[5, 3])
    assert PairList.from_table(frame) == TWO
    assert PairList.from_table(frame.astype({"left": "category", "label": float})) == TWO
    numbered = frame.set_axis(range(3), axis=1)
    assert PairList.from_table(numbered, left="0", right="1", label="2") == TWO
    missing = frame.assign(group=pandas.array(["skilled", pandas.NA], "string"))
    assert PairList.from_table(missing).groups.tolist() == ["skilled", ""]
    frame = frame.astype({"left": "string"})
    frame.loc[3, "left"] = pandas.NA
    assert problem(frame)[1:] == (2, "left")


def test_a_frame_of_pandas_without_names_has_numbers():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(zip(*COLUMNS.values(), strict=True))
    assert PairList.from_table(frame, left="0", right="1", label="2") == TWO


def test_a_frame_of_polars_is_read():
    polars = pytest.importorskip("polars")
    assert PairList.from_table(polars.DataFrame(COLUMNS)) == TWO
    frame = polars.DataFrame({**COLUMNS, "right": ["b.png", None]})
    assert problem(frame)[1:] == (2, "right")


def test_a_file_of_parquet_is_read(tmp_path: Path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "pairs.parquet"
    table = arrow.table({**COLUMNS, "left": arrow.array(COLUMNS["left"]).dictionary_encode()})
    parquet.write_table(table, path)
    assert PairList.from_table(path) == TWO
    parquet.write_table(arrow.table({**COLUMNS, "right": ["b.png", None]}), path)
    assert problem(path)[1:] == (2, "right")
    for damaged in (b"PAR1 no", b"PAR1" + b"x" * 60 + (50).to_bytes(4, "little") + b"PAR1"):
        path.write_bytes(damaged)
        assert "pairs.parquet: The Parquet file cannot be read" in problem(path)[0]
    with pytest.raises(FileNotFoundError, match=r"absent\.parquet"):
        PairList.from_table(tmp_path / "absent.parquet")


@pytest.mark.parametrize("column", ["left", "label", "group"])
def test_lists_in_parquet_are_an_error_with_row_and_column(column: str, tmp_path: Path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = arrow.table({**COLUMNS, column: [["a"], ["b"]]})
    parquet.write_table(table, tmp_path / "pairs.parquet")
    assert problem(tmp_path / "pairs.parquet")[1:] == (1, column)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes.")
def test_a_pipe_is_not_waited_for(tmp_path: Path):
    pytest.importorskip("pyarrow")
    os.mkfifo(tmp_path / "pairs.parquet")
    with pytest.raises(ValueError, match="a pipe"):
        PairList.from_table(tmp_path / "pairs.parquet")


def test_a_damaged_file_of_parquet_never_gives_other_pairs(tmp_path: Path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "pairs.parquet"
    rows = [f"{row}.png" for row in range(500)]
    pairs = PairList.from_table({"left": rows, "right": rows[1:] + rows[:1], "label": [0] * 500})
    pairs.to_table(path)
    contents = path.read_bytes()
    for place in range(0, len(contents), len(contents) // 100):
        damaged = bytearray(contents)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with contextlib.suppress(TableError):
            assert PairList.from_table(path) == pairs


def test_text_in_parquet_that_is_not_utf_8_is_an_error(tmp_path: Path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    text = arrow.array([b"\xff", b"b"]).view(arrow.string())
    path = tmp_path / "pairs.parquet"
    parquet.write_table(arrow.table({**COLUMNS, "left": text}), path)
    assert "cannot be read" in problem(path)[0]


def test_without_pyarrow_the_error_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for module in (table_sources, table_writing):
        monkeypatch.setattr(module, "pyarrow", lambda: None)
    with pytest.raises(ImportError, match=r"pip install 'siamese-verify\[tables\]'"):
        PairList.from_table(tmp_path / "pairs.parquet")
    with pytest.raises(ImportError, match=r"pip install 'siamese-verify\[tables\]'"):
        TWO.to_table(tmp_path / "pairs.parquet")


# --- Round trips


names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6
).filter(str.strip)
paths = names.map(shortest).filter(str.strip)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(paths, paths, st.booleans()), min_size=1, max_size=8),
    st.dictionaries(paths, names),
    st.sampled_from(["csv", "tsv", "jsonl", "parquet"]),
    st.booleans(),
)
def test_a_list_that_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows, identity, ending, is_complete
):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path_factory.mktemp("tables") / f"pairs.{ending}"
    samples = [[Sample(p, identity.get(p, "someone")) for p in row[:2]] for row in rows]
    pairs = PairList(
        [Pair(*two, int(row[2])) for two, row in zip(samples, rows, strict=True)],
        range(len(rows)) if is_complete else None,
    )
    if is_complete:
        groups = ["skilled" if label else "" for label in pairs.labels]
        pairs = PairList.from_columns(
            pairs.samples, pairs.indices, pairs.labels, pairs.folds, groups
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PairListWarning)
        pairs.to_table(path)
        assert PairList.from_table(path) == pairs
        if ending in ("csv", "tsv"):
            with pytest.MonkeyPatch.context() as patch:
                read_by_csv(patch)
                assert PairList.from_table(path) == pairs


pieces = st.sampled_from(
    ["a", "b.png", "1", "same", "2", "", " ", ",", "\n", "\r\n", "\r", '"', "\0", "\ufeff", "é"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(pieces, max_size=30), st.integers(1, 40))
def test_both_readers_tell_the_same_result_or_error_in_blocks_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, parts, size
):
    path = written(tmp_path_factory.mktemp("tables"), HEADER + ONE + "".join(parts))
    outcomes = []
    for name, block in itertools.product(["whole blocks", "csv"], [2**20, size]):
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore", PairListWarning)
            patch.setattr(csv_reading, "_BLOCK", block)
            if name == "csv":
                read_by_csv(patch)
            try:
                outcomes.append(PairList.from_table(path))
            except TableError as error:
                outcomes.append(str(error))
    assert all(outcome == outcomes[0] for outcome in outcomes)


# --- Bad tables


BAD = {
    "missing column": ("left,right\na,b\n", None, "label", "lacks a column"),
    "wrong label": (f"{HEADER}{ONE}a,b,2\n", 3, "label", "label must be"),
    "empty path": (f"{HEADER}{ONE}\n,b,1\n", 4, "left", "not empty"),
    "blank path": (f"{HEADER}a, ,1\n", 2, "right", "not empty"),
    "duplicate header": ("left,right,label,left\na,b,1,c\n", None, "left", "more than once"),
    "too few fields": (f"{HEADER}{ONE}a,b\n", 3, "label", "2 fields for 3 columns"),
    "too many fields": (f"{HEADER}{ONE}a,b,1,c\n", 3, None, "4 fields for 3 columns"),
    "ragged among quotes": (f'{HEADER}"a",b,1\n"a\nb",b\n', 3, "label", "2 fields"),
    "invalid UTF-8": (HEADER.encode() + b"a,\xff,1\n", 2, None, "not UTF-8"),
    "null character": (f"{HEADER}{ONE}a,b\0,1\n", 3, None, "null character"),
    "UTF-16": (f"{HEADER}{ONE}".encode("utf-16"), 1, None, "Save the table as UTF-8"),
    "empty": ("", None, None, "is empty"),
    "header only": (HEADER, None, None, "no rows"),
    "blank lines only": ("\n\r\n\n", None, None, "is empty"),
    "unclosed quote": (f'{HEADER}{ONE}"a,b,1\na,b,1\n', 3, None, "quotation mark"),
    "text after a quote": (f'{HEADER}"a"x,b,1\n', 2, None, "quotation mark"),
    "long line": (f"{HEADER}{ONE}{'a' * LONGEST_LINE},b,1\n", 3, None, "at most 131,072"),
    "long quote": (f'{HEADER}"' + "a\n" * LONGEST_LINE, 2, None, "quotation mark"),
    "wrong fold": ("left,right,label,fold\na,b,1,1.5\n", 2, "fold", "whole number"),
    "negative fold": ("left,right,label,fold\na,b,1,-1\n", 2, "fold", "whole number"),
    "long group": (f"left,right,label,group\na,b,1,{'x' * 201}\n", 2, "group", "200 characters"),
    "one identity": ("left,right,label,left_identity\na,b,1,A\n", None, "right_identity", "lacks"),
    "empty identity": (
        "left,right,label,left_identity,right_identity\na,b,1,A,\n", 2, "right_identity", "name",
    ),
    "two identities": (
        "left,right,label,left_identity,right_identity\na,b,0,A,B\nc,a,0,C,D\n",
        3, "right_identity", "one identity in all rows. Received: 'a' as 'A' and 'D'",
    ),
    "other separator": ("left;right;label\na;b;1\n", None, "left", "columns left;right;label"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "row", "column", "expected"), BAD.values(), ids=BAD)
def test_a_bad_table_raises_one_error_with_file_row_and_column(
    text: str, row: int | None, column: str | None, expected: str, reader: str, tmp_path: Path
):
    path = written(tmp_path, text)
    message, *place = problem(path)
    assert place == [row, column]
    assert expected in message
    assert message.startswith(str(path))
    assert message.isprintable()
    assert len(message) < 700
    assert row is None or f"line {row}" in message
    assert column is None or repr(column) in message


def test_a_line_without_an_end_is_an_error_before_it_is_in_memory(reader: str, tmp_path: Path):
    import tracemalloc

    path = written(tmp_path, HEADER + ONE)
    with open(path, "r+b") as file:
        file.truncate(10**9)
        file.seek(len(HEADER + ONE))
        file.write(b"a" * 10**6)
    tracemalloc.start()
    assert problem(path)[1] == 3
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


@pytest.mark.parametrize(
    ("text", "row", "column"),
    [
        ("", None, None),
        ('{"left": "a"}\n', None, "right"),
        ('{"left": "a", "right": "b", "label": 1}\n{"left": "a", "right": "b"}', 2, "label"),
        ('{"left": "a", "right": "b", "label": 1}\n\n{"left": "a"', 3, None),
        ('[1, 2]\n', 1, None),
        ('{"left": "a", "left": "a", "right": "b", "label": 1}\n', 1, None),
        ('{"left": "a", "right": null, "label": 1}\n', 1, "right"),
        ('{"left": "a", "right": "b", "label": [1]}\n', 1, "label"),
        ('{"left": "a", "right": "b", "label": 1, "fold": 1.5}\n', 1, "fold"),
    ],
)  # fmt: skip
def test_a_bad_file_of_json_lines_raises_an_error(text, row, column, tmp_path: Path):
    assert problem(written(tmp_path, text, "pairs.jsonl"))[1:] == (row, column)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("left", None), ("left", 7), ("left", float("nan")), ("left", ""), ("left", b"a"),
        ("label", None), ("label", 2), ("label", 0.5), ("label", float("nan")), ("label", "yes"),
        ("fold", 1.0), ("fold", True), ("fold", None), ("left_identity", 1.5),
        ("right_identity", None), ("group", 1.5),
    ],
)  # fmt: skip
def test_a_value_of_a_wrong_kind_raises_an_error(column: str, value: object):
    table: dict[str, list[Any]] = {
        "left": ["a", "b"], "right": ["c", "d"], "label": [1, 0], "fold": [0, 1],
        "left_identity": ["A", "B"], "right_identity": ["A", 7], "group": [None, "x"],
    }  # fmt: skip
    PairList.from_table(table)
    table[column][1] = value
    message, *place = problem(table)
    assert place == [2, column]
    assert f"row 2, column '{column}'" in message
    assert f"Received: {value!r}" in message


@pytest.mark.parametrize("values", ["10", 1, iter([1, 0]), {1, 0}])
def test_a_column_is_a_list_or_an_array(values: object):
    message, *place = problem({**COLUMNS, "label": values})
    assert place == [None, "label"]
    assert f"Received: {values!r}" in message


def test_columns_of_different_lengths_raise_an_error():
    assert "same length" in problem({**COLUMNS, "label": [1]})[0]


def test_a_column_that_is_named_must_be_there():
    assert problem(COLUMNS, fold="part")[2] == "part"


@pytest.mark.parametrize("names", [{"right": "left"}, {"group": "label"}, {"fold": "label"}])
def test_a_column_holds_one_thing(names: dict[str, str]):
    message, *place = problem(COLUMNS, **names)
    assert place == [None, *names.values()]
    assert "named for two" in message


def test_a_column_of_paths_is_not_one_of_identities():
    with pytest.raises(TableError, match="named for two"):
        read_samples({"path": ["1.png", "2.png"]}, identity="path")


@pytest.mark.parametrize("path", ["/etc/1.png", "../1.png"])
def test_no_path_leads_out_of_a_root(path: str):
    table = {**COLUMNS, "left": ["a", path]}
    assert problem(table, root="scans")[1:] == (2, "left")


@pytest.mark.parametrize("source", [7, None, ["a"]])
def test_something_else_is_not_a_table(source: object):
    with pytest.raises(TypeError, match=r"A table must be .*Received: "):
        PairList.from_table(source)


def test_a_file_needs_a_known_ending(tmp_path: Path):
    for call in (PairList.from_table, TWO.to_table):
        with pytest.raises(ValueError, match=r"ends in \.csv.*Received: .*pairs\.xlsx"):
            call(tmp_path / "pairs.xlsx")


def test_repeated_and_contradicting_pairs_warn_with_their_lines(reader: str, tmp_path: Path):
    text = f"{HEADER}{ONE}b.png,a.png,1\n\na.png,b.png,0\nc,c,1\nb.png,d,1\na.png,d,0\n"
    with pytest.warns(PairListWarning, match="5 questionable pairs") as caught:
        PairList.from_table(written(tmp_path, text))
    assert str(caught[0].message).splitlines()[1:] == [
        "  lines 2 and 3: b.png and a.png are listed twice",
        "  lines 2 and 5: a.png and b.png are listed as same and as different",
        "  line 5: a.png and b.png are listed as different, but same pairs link them",
        "  line 6: c and c are one image",
        "  line 8: a.png and d are listed as different, but same pairs link them",
    ]
    assert caught[0].filename == __file__


def test_a_list_that_a_table_cannot_hold_raises_an_error(tmp_path: Path):
    for path in ("\0", " ", "\ud800"):
        with pytest.raises(ValueError, match="A table can only hold"):
            PairList([Pair(Sample(path, "Ada"), Sample("b", "Ada"), 1)]).to_table(
                tmp_path / "a.csv"
            )
    for group in ("a\0b", "\ud800"):
        grouped = PairList.from_columns(TWO.samples, TWO.indices, TWO.labels, groups=["", group])
        with pytest.raises(ValueError, match="A table can only hold"):
            grouped.to_table(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="empty list"):
        PairList([]).to_table(tmp_path / "a.csv")
    # Without columns of identities, two lists may name the identity of one image differently.
    other = PairList.from_table({"left": ["0.png"], "right": ["a.png"], "label": [1]})
    with pytest.raises(ValueError, match=r"one identity .*Received: 'a\.png' of 0\.png, a\.png"):
        (TWO + other).to_table(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="at most 200 characters"):
        PairList.from_columns(
            TWO.samples, TWO.indices, TWO.labels, groups=["x" * 201] * 2
        ).to_table(tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


# --- Tables of images


def test_images_are_read_with_their_identities(reader: str, tmp_path: Path):
    path = written(tmp_path, "image_path,sku\n2.png,007\n1.png,b/c\n", "products.csv")
    samples = read_samples(path, path="image_path", identity="sku", root="images")
    assert tuple(samples) == (Sample("images/2.png", "007"), Sample("images/1.png", "b/c"))


def test_an_image_that_is_listed_twice_raises_an_error():
    with pytest.raises(TableError, match=r"row 3, column 'path'.*'1\.png' again"):
        read_samples({"path": ["1.png", "2.png", "1.png"], "identity": ["a", "b", "a"]})
