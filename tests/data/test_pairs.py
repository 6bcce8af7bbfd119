"""Tests of pair lists and the files that hold them."""

import hashlib
import itertools
import operator
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from siamese_verify.data.lfw import lfw_sample
from siamese_verify.data.pairs import (
    Pair,
    PairFileError,
    PairList,
    PairListWarning,
    PairSummary,
    Sample,
)
from siamese_verify.files import replacing

LFW = Path(__file__).parents[3] / "shared" / "lfw"
needs_lfw = pytest.mark.skipif(not LFW.is_dir(), reason="needs LFW in ../shared/lfw")

# Published with LFW and scikit-learn's `fetch_lfw_pairs`.
SHA256 = {
    "pairsDevTrain.txt": "1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa",
    "pairsDevTest.txt": "7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c",
}


def same(identity: str, i: int, j: int) -> Pair:
    return Pair(lfw_sample(identity, i), lfw_sample(identity, j), 1)


def different(identity: str, i: int, other: str, j: int) -> Pair:
    return Pair(lfw_sample(identity, i), lfw_sample(other, j), 0)


def read(contents: bytes | str, path: Path) -> PairList:
    path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    return PairList.from_lfw(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pairs.txt"


# --- The official files


@needs_lfw
@pytest.mark.parametrize("name", SHA256)
def test_an_official_file_is_written_back_byte_for_byte(name: str, path: Path):
    PairList.from_lfw(LFW / name).to_lfw(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256[name]


@needs_lfw
def test_counts_of_the_official_files_are_the_reports():
    train, test = (PairList.from_lfw(LFW / name) for name in SHA256)
    assert train.summary() == (2200, 1100, 1100, 2132, 3443)
    assert test.summary() == (1000, 500, 500, 963, 1549)
    assert (train + test).summary()[:3] == (3200, 1600, 1600)
    assert not set(train.identities) & set(test.identities)


@needs_lfw
def test_images_of_the_official_files_lie_where_paths_says():
    pairs = PairList.from_lfw(LFW / "pairsDevTest.txt")
    assert all(file.is_file() for two in pairs.paths(LFW / "lfw2") for file in two)


# --- Reading


def view_2(n_folds: int, n_same: int) -> str:
    lines = [f"{n_folds}\t{n_same}"]
    for fold in range(n_folds):
        lines += [f"Ada_{fold}\t{i}\t{i + 1}" for i in range(1, n_same + 1)]
        lines += [f"Ada_{fold}\t{i}\tBob_{fold}\t{i}" for i in range(1, n_same + 1)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("n_folds", "n_same"), [(10, 300), (1, 2), (2, 1)])
def test_a_view_2_file_keeps_its_folds_and_is_written_back_byte_for_byte(
    n_folds: int, n_same: int, path: Path, tmp_path: Path
):
    text = view_2(n_folds, n_same)
    pairs = read(text, path)
    assert pairs.folds.tolist() == [fold for fold in range(n_folds) for _ in range(2 * n_same)]
    for fold in range(n_folds):
        inside = [pair for pair, f in zip(pairs, pairs.folds, strict=True) if f == fold]
        assert {pair.left.identity for pair in inside} == {f"Ada_{fold}"}
    assert pairs.summary()[:3] == (2 * n_folds * n_same, n_folds * n_same, n_folds * n_same)
    pairs.to_lfw(tmp_path / "again.txt")
    assert (tmp_path / "again.txt").read_bytes() == text.encode()


@pytest.mark.parametrize("separator", ["\t", " ", "   ", " \t ", "\t\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\n\n", "\r\n \t\r\n"])
@pytest.mark.parametrize("count", [["2"], []], ids=["count", "no count"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n"], ids=["", "BOM", "blank line"])
def test_every_form_of_the_file_gives_the_same_pairs(
    separator: str, line_end: str, count: list[str], start: str, path: Path
):
    rows = [count] if count else []
    rows += [["Ada", "1", "2"], ["Bob", "2", "10"]]
    rows += [["Ada", "1", "Bob", "2"], ["Bob", "1", "Ada", "1"]]
    text = start + "".join(separator.join(row) + line_end for row in rows)
    expected = [
        *(same("Ada", 1, 2), same("Bob", 2, 10)),
        *(different("Ada", 1, "Bob", 2), different("Bob", 1, "Ada", 1)),
    ]
    assert read(text, path) == PairList(expected)
    assert read(text.removesuffix(line_end), path) == PairList(expected)


@pytest.mark.parametrize(
    "line",
    ["Ada 1\tBob\t1", "Ada\t1\tBob 1", "Ada\t1 Bob 1", "\tAda\t1\tBob\t1", "Ada\t1\tBob\t1\t "],
)
def test_tabs_and_spaces_may_be_mixed_in_a_line(line: str, path: Path):
    assert read(line, path) == PairList([different("Ada", 1, "Bob", 1)])


@pytest.mark.parametrize("line", ["Ada\t1\t2\t", " \tAda\t1\t2", "Ada\t1\t2 "])
def test_white_space_around_a_line_does_not_count(line: str, path: Path):
    assert read(line, path) == PairList([same("Ada", 1, 2)])


@pytest.mark.parametrize(
    "name",
    [
        *("José_Núñez", "王小明", "Ada Lovelace", "Ada 1", "Ada\u2028Lovelace", "Ada\u00a0L."),
        *("Ada\x0bLovelace", "Ada\x85L", "O'Neil, Ed", "7", "A..B", "...", ".hidden", "AB:C"),
    ],
)
def test_a_name_is_kept_as_it_is(name: str, path: Path):
    pairs = PairList([same(name, 1, 2), different("Bob", 1, name, 10)])
    pairs.to_lfw(path)
    assert path.read_bytes() == f"1\n{name}\t1\t2\nBob\t1\t{name}\t10\n".encode()
    assert PairList.from_lfw(path) == pairs


@pytest.mark.parametrize(
    ("number", "file"), [("1", "Ada_0001.jpg"), ("007", "Ada_0007.jpg"), ("12345", "Ada_12345.jpg")]
)
def test_an_image_number_is_padded_to_four_digits(number: str, file: str, path: Path):
    assert read(f"Ada {number} 2", path)[0].left == Sample("Ada", file)


def is_a_name(text: str) -> bool:
    drive = text[1:2] == ":" and text[0].isascii() and text[0].isalpha()
    return text not in ("", ".", "..") and not drive and text == text.strip(" ")


NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n/\\\0"), max_size=6
).filter(is_a_name)
NUMBERS = st.integers(1, 999_999_999)
SAME = st.builds(same, NAMES, NUMBERS, NUMBERS)
DIFFERENT = st.builds(different, NAMES, NUMBERS, NAMES, NUMBERS)


@st.composite
def lists_in_folds(draw: st.DrawFn) -> PairList:
    n_folds, n_same = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    pairs = []
    for _ in range(n_folds):
        pairs += draw(st.lists(SAME, min_size=n_same, max_size=n_same))
        pairs += draw(st.lists(DIFFERENT, min_size=n_same, max_size=n_same))
    return PairList(pairs, np.repeat(range(n_folds), 2 * n_same))


LISTS = st.lists(SAME | DIFFERENT, min_size=1, max_size=8).map(PairList) | lists_in_folds()


@settings(max_examples=150, deadline=None)
@given(LISTS)
def test_any_list_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, pairs):
    path = tmp_path_factory.getbasetemp() / "round-trip.txt"
    pairs.to_lfw(path)
    first = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PairListWarning)  # Some of these repeat themselves.
        again = PairList.from_lfw(path)
    assert again == pairs
    again.to_lfw(path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("name", ["\ufeffAda", "\ufeff"])
def test_a_name_that_a_reader_would_take_for_a_byte_order_mark_is_read_back_or_refused(
    name: str, path: Path
):
    pairs = PairList([same(name, 1, 2)])
    try:
        pairs.to_lfw(path)
    except ValueError:
        return
    assert PairList.from_lfw(path) == pairs


# --- Bad input

A_PAIR = "'NAME i j' (same) or 'NAME i NAME j' (different)"
A_NAME = "a name that is no path"
A_NUMBER = "an image number from 1"
HEAD = "Ada 1 2\n"


# contents, line number, line, what was expected
BAD = [
    ("", 1, "", "the file is empty"),
    (" \t\r\n\n", 1, "", "the file is empty"),
    ("\ufeff", 1, "", "the file is empty"),
    ("Ada\n", 1, "Ada", A_PAIR),
    ("Ada 1\n", 1, "Ada 1", A_PAIR),
    (HEAD + "Ada\n", 2, "Ada", A_PAIR),
    (HEAD + "\nAda 1\r\n", 3, "Ada 1", "got 2 fields"),
    (HEAD + "Ada 1 Bob 2 3\n", 2, "Ada 1 Bob 2 3", "got 5 fields"),
    (HEAD + "3\n", 2, "3", "got 1 fields"),
    (HEAD + "Ada 1 x\n", 2, "Ada 1 x", A_NUMBER),
    (HEAD + "Ada x Bob 1\n", 2, "Ada x Bob 1", A_NUMBER),
    (HEAD + "Ada 1 Bob 1.5\n", 2, "Ada 1 Bob 1.5", A_NUMBER),
    (HEAD + "Ada Lovelace\t1\tx\n", 2, "Ada Lovelace\t1\tx", A_NUMBER + "; got 'x'"),
    (HEAD + "Ada 0 1\n", 2, "Ada 0 1", A_NUMBER),
    (HEAD + "Ada 1 -1\n", 2, "Ada 1 -1", A_NUMBER),
    (HEAD + "Ada 1 +1\n", 2, "Ada 1 +1", A_NUMBER),
    (HEAD + "Ada 1 1_0\n", 2, "Ada 1 1_0", A_NUMBER),
    (HEAD + f"Ada 1 {10**30}\n", 2, f"Ada 1 {10**30}", A_NUMBER),
    (HEAD + f"Ada 1 {'9' * 5000}\n", 2, f"Ada 1 {'9' * 5000}", A_NUMBER),
    (HEAD + "Ada \u0661 2\n", 2, "Ada \u0661 2", A_NUMBER),
    (HEAD + "Ada 1 ²\n", 2, "Ada 1 ²", A_NUMBER),
    ("1\n", 1, "1", "got 0 same and 0 different"),
    ("0\n", 1, "0", "a count of at least 1"),
    ("0 5\n", 1, "0 5", "a count of at least 1"),
    ("-1\n" + HEAD, 1, "-1", "a count of same pairs"),
    ("1.0\n" + HEAD, 1, "1.0", "a count of same pairs"),
    ("one\n" + HEAD, 1, "one", "a count of same pairs"),
    ("\u0662\n" + HEAD, 1, "\u0662", "a count of same pairs"),
    (f"{10**30}\n" + HEAD, 1, f"{10**30}", "a count of same pairs"),
    ("999999999 999999999\n" + HEAD, 1, "999999999 999999999", "got 1 same and 0 different"),
    ("1\n" + HEAD, 1, "1", "1 same and 1 different pairs to follow; got 1 same and 0 diff"),
    ("\n1\nAda 1 2\nAda 1 3\n", 2, "1", "got 2 same and 0 different"),
    ("1\nAda 1 2\nAda 1 Bob 1\nAda 1 3\n", 1, "1", "got 2 same and 1 different"),
    (
        "2 1\nAda 1 2\nAda 1 3\nAda 1 Bob 1\nAda 2 Bob 1\n",
        *(1, "2 1", "2 folds, in each 1 same and 1 different pairs to follow; got 2 same and"),
    ),
    (
        "2 1\nAda 1 2\nAda 1 Bob 1\nAda 1 3\nAda 2 3\n",
        *(1, "2 1", "got 2 same and 0 different in fold 2"),
    ),
    *(
        (HEAD + line + "\n", 2, line, A_NAME)
        for name in ("../Ada", "a/b", "/etc", "a\\b", "..", ".", "C:", "c:Ada", "A\0da", "\0")
        for line in (f"{name} 1 2", f"Bob\t1\t{name}\t2")
    ),
    ("../Ada 1 2\n", 1, "../Ada 1 2", A_NAME),
    (HEAD.encode() + b"Jos\xe9 1 2\n", 2, b"Jos\xe9 1 2", "UTF-8"),
    ("Ada 1 2".encode("utf-16"), 1, "Ada 1 2".encode("utf-16"), "UTF-8"),
    (b"\xed\xa0\x80 1 2\n", 1, b"\xed\xa0\x80 1 2", "UTF-8"),
]


@pytest.mark.parametrize(
    ("contents", "number", "line", "expected"), BAD, ids=[ascii(bad[0])[:32] for bad in BAD]
)
def test_bad_input_raises_an_error_that_tells_file_line_and_what_was_expected(
    contents: str | bytes, number: int, line: str | bytes, expected: str, path: Path
):
    with pytest.raises(PairFileError) as caught:
        read(contents, path)
    error = caught.value
    assert (error.path, error.line_number, error.line) == (str(path), number, line)
    message = str(error)
    assert f"{path}, line {number}: {line!r}: expected " in message
    assert expected in message.split(": expected ", 1)[1]


def test_an_error_in_a_list_without_folds_does_not_speak_of_folds(path: Path):
    with pytest.raises(PairFileError) as caught:
        read("1\nAda 1 2\nAda 1 3\n", path)
    assert "fold" not in str(caught.value)


def test_an_absent_file_is_named(path: Path):
    with pytest.raises(FileNotFoundError, match=path.name):
        PairList.from_lfw(path)


# --- Questionable pairs

ADA_1, ADA_2, BOB_1 = "Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg", "Bob/Bob_0001.jpg"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("Ada 1 2\nAda 1 3\nAda 1 2", f"lines 1 and 3: {ADA_1} and {ADA_2} are listed twice"),
        ("Ada 1 2\nAda 2 1", f"lines 1 and 2: {ADA_2} and {ADA_1} are listed twice"),
        ("Ada 1 Bob 1\nBob 1 Ada 1", f"lines 1 and 2: {BOB_1} and {ADA_1} are listed twice"),
        (
            "1\nAda 1 2\n\nAda 2 Ada 1",
            f"lines 2 and 4: {ADA_2} and {ADA_1} are listed as same and as different",
        ),
        ("Ada 1 Ada 2", f"line 1: {ADA_1} and {ADA_2} are listed as different, but by one name"),
        ("Ada 1 1", f"line 1: {ADA_1} and {ADA_1} are one image"),
    ],
)
def test_a_questionable_pair_is_reported_with_its_lines_and_kept(
    lines: str, problem: str, path: Path
):
    with pytest.warns(PairListWarning) as caught:
        pairs = read(lines, path)
    assert len(caught) == 1
    assert str(caught[0].message).startswith(str(path))
    assert f"\n  {problem}" in str(caught[0].message)
    assert caught[0].filename == __file__  # The caller's line, not the library's.
    assert len(pairs) == len([line for line in lines.split("\n") if " " in line])


def test_of_many_questionable_pairs_ten_are_shown_and_all_counted(path: Path):
    with pytest.warns(PairListWarning, match="25 questionable pairs") as caught:
        read("Ada 1 2\n" * 26, path)
    message = str(caught[0].message)
    assert message.count("listed twice") == 10
    assert "and 15 more" in message


# --- Writing


def test_a_list_that_counts_cannot_express_has_no_count_line(path: Path):
    PairList([same("Ada", 1, 2), same("Ada", 1, 3), different("Ada", 1, "Bob", 2)]).to_lfw(path)
    assert path.read_text() == "Ada\t1\t2\nAda\t1\t3\nAda\t1\tBob\t2\n"


A_SAME, A_DIFFERENT = same("Ada", 1, 2), different("Ada", 1, "Bob", 1)


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        (PairList([]), "empty"),
        (PairList([Pair(Sample("Ada", "a.png"), lfw_sample("Ada", 1), 1)]), "not named as in LFW"),
        (PairList([Pair(Sample("Ada", "Ada_1.jpg"), lfw_sample("Ada", 1), 1)]), "not named as"),
        (PairList([Pair(Sample("Ada", "Ada_0000.jpg"), lfw_sample("Ada", 1), 1)]), "not named as"),
        (PairList([Pair(lfw_sample("Ada", 1), lfw_sample("Bob", 1), 1)]), "one name"),
        (PairList([A_SAME, A_DIFFERENT], [0, 1]), "View 2"),
        (PairList([A_DIFFERENT, A_SAME, A_SAME, A_DIFFERENT], [0, 1, 0, 1]), "View 2"),
        (PairList([A_SAME, A_SAME, A_DIFFERENT, A_DIFFERENT], [0, 0, 1, 1]), "View 2"),
        *(
            (PairList([A_SAME, same(name, 1, 2)]), "cannot stand")
            for name in ("", "a/b", "..", "C:", "a\tb", "a\nb", "a\rb", " a", "a ", "\0")
        ),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_the_old_file(
    pairs: PairList, reason: str, path: Path
):
    path.write_text("precious")
    with pytest.raises(ValueError, match=reason):
        pairs.to_lfw(path)
    assert path.read_text() == "precious"
    assert os.listdir(path.parent) == [path.name]


def test_an_interrupted_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch):
    def half_written(file: Path, contents: bytes) -> int:
        with open(file, "wb") as stream:
            stream.write(contents[: len(contents) // 2])
        raise KeyboardInterrupt

    path.write_text("precious")
    monkeypatch.setattr(Path, "write_bytes", half_written)
    with pytest.raises(KeyboardInterrupt):
        PairList([A_SAME]).to_lfw(path)
    assert path.read_text() == "precious"
    assert os.listdir(path.parent) == [path.name]


def test_a_replaced_file_is_complete_and_its_folder_is_made(tmp_path: Path):
    target = tmp_path / "new" / "folder" / "model.keras"
    for text in ("first", "second"):
        with replacing(target) as unfinished:
            assert unfinished.suffix == ".keras"
            unfinished.write_text(text)
        assert target.read_text() == text
    assert os.listdir(target.parent) == ["model.keras"]


# --- The list

FOUR = PairList([A_SAME, A_DIFFERENT, same("Bob", 3, 1), different("Zoë", 1, "Ada", 2)])


def test_labels_are_1_for_same_and_0_for_different():
    assert FOUR.labels.dtype == np.int32
    assert FOUR.labels.tolist() == [1, 0, 1, 0]
    assert PairList([]).labels.dtype == np.int32
    assert FOUR.same == PairList([FOUR[0], FOUR[2]])
    assert FOUR.different == PairList([FOUR[1], FOUR[3]])


def test_identities_and_images_come_once_each_and_sorted():
    assert FOUR.identities == ("Ada", "Bob", "Zoë")
    assert [f"{sample.identity} {sample.number}" for sample in FOUR.samples] == [
        *("Ada 1", "Ada 2", "Bob 1", "Bob 3", "Zoë 1")
    ]


def test_paths_are_those_of_lfw_below_the_root():
    assert FOUR[:2].paths("root") == [
        (Path("root/Ada/Ada_0001.jpg"), Path("root/Ada/Ada_0002.jpg")),
        (Path("root/Ada/Ada_0001.jpg"), Path("root/Bob/Bob_0001.jpg")),
    ]


def test_summary_counts_and_prints_a_table():
    assert FOUR.summary() == (4, 2, 2, 3, 5)
    assert str(PairSummary(3200, 1600, 1600, 3095, 4992)).splitlines() == [
        "pairs           3,200",
        "same            1,600",
        "different       1,600",
        "identities          3,095",
        "images     4,992",
    ]


def test_a_list_behaves_as_a_sequence_of_pairs():
    assert len(FOUR) == 4
    assert (FOUR[0], FOUR[-1]) == (A_SAME, different("Zoë", 1, "Ada", 2))
    assert FOUR[1:3] == PairList([FOUR[1], FOUR[2]])
    assert FOUR[::-1] == PairList(reversed(FOUR))
    assert FOUR[:2] + FOUR[2:] == FOUR
    assert A_DIFFERENT in FOUR
    assert FOUR.index(A_DIFFERENT) == 1
    with pytest.raises(IndexError):
        FOUR[4]


def test_lists_are_equal_if_their_pairs_order_and_folds_are():
    again = PairList(list(FOUR))
    assert again == FOUR
    assert hash(again) == hash(FOUR)
    folded = PairList(FOUR, [0, 0, 1, 1])
    assert folded == PairList(FOUR, np.array([0, 0, 1, 1]))
    assert hash(folded) == hash(PairList(FOUR, [0, 0, 1, 1]))
    for other in (FOUR[::-1], FOUR[:3], folded, PairList(FOUR, [0, 1, 0, 1]), list(FOUR)):
        assert other != FOUR
    assert folded != PairList(FOUR, [0, 1, 0, 1])


def test_only_a_list_is_added_to_a_list():
    with pytest.raises(TypeError):
        operator.add(FOUR, [A_SAME])


@pytest.mark.parametrize("label", [2, -1, 0.5, "1", None])
def test_a_label_is_0_or_1(label: object):
    with pytest.raises(ValueError, match="label"):
        PairList([A_SAME._replace(label=label)])


def test_folds_are_one_for_each_pair():
    with pytest.raises(ValueError, match="4 pairs, 3 folds"):
        PairList(FOUR, [0, 0, 1])


# --- Splits by pair


def many_pairs(n_same: int, n_different: int) -> PairList:
    """Each of their own identities."""
    return PairList(
        [same(f"S{i}", 1, 2) for i in range(n_same)]
        + [different(f"L{i}", 1, f"R{i}", 1) for i in range(n_different)]
    )


def assert_parts_of(whole: PairList, *parts: PairList):
    """Disjoint, complete, each in the order of the whole, whose pairs are unique."""
    positions = {pair: i for i, pair in enumerate(whole)}
    chosen = [[positions[pair] for pair in part] for part in parts]
    assert all(part == sorted(part) for part in chosen)
    assert sorted(itertools.chain(*chosen)) == list(range(len(whole)))


@pytest.mark.parametrize("by", ["pair", "identity"])
def test_15_percent_of_2200_pairs_are_330_half_of_them_same(by: str):
    whole = many_pairs(1100, 1100)
    rest, part = whole.split(0.15, seed=3, by=by)
    assert rest.summary()[:3] == (1870, 935, 935)
    assert part.summary()[:3] == (330, 165, 165)
    assert_parts_of(whole, rest, part)


@needs_lfw
@pytest.mark.parametrize("by", ["pair", "identity"])
def test_15_percent_of_the_official_training_pairs_are_330_half_of_them_same(by: str):
    whole = PairList.from_lfw(LFW / "pairsDevTrain.txt")
    rest, part = whole.split(0.15, seed=0, by=by)
    assert rest.summary()[:3] == (1870, 935, 935)
    assert part.summary()[:3] == (330, 165, 165)
    assert_parts_of(whole, rest, part)
    shared = set(rest.identities) & set(part.identities)
    assert bool(shared) == (by == "pair")


@pytest.mark.parametrize("by", ["pair", "identity"])
def test_the_seed_alone_decides_a_split(by: str):
    whole = many_pairs(40, 40)
    splits = [whole.split(0.25, seed=seed, by=by) for seed in (0, 0, 1)]
    assert splits[0] == splits[1]
    assert splits[0] != splits[2]
    assert whole.split(0.25, by=by) == splits[0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.floats(0.02, 0.98), st.integers(0, 99))
@example(10, 0, 0.5, 0)
def test_a_split_by_pair_takes_the_fraction_of_each_label(n_same, n_different, fraction, seed):
    whole = many_pairs(n_same, n_different)
    wanted = [round(fraction * n) for n in (n_same, n_different)]
    if sum(wanted) in (0, len(whole)):
        with pytest.raises(ValueError, match="side empty"):
            whole.split(fraction, seed=seed)
        return
    rest, part = whole.split(fraction, seed=seed)
    assert [len(part.same), len(part.different)] == wanted
    assert_parts_of(whole, rest, part)


def test_a_split_by_pair_draws_every_pair_equally_often():
    whole = many_pairs(10, 0)
    drawn = [pair for seed in range(500) for pair in whole.split(0.2, seed=seed)[1]]
    counts = [drawn.count(pair) for pair in whole]
    assert sum(counts) == 1000
    assert max(abs(count - 100) for count in counts) < 40  # More than four standard deviations.


# --- Splits by identity


@st.composite
def graphs(draw: st.DrawFn) -> PairList:
    """A same pair of each identity, and different pairs that connect them at random."""
    names = [f"P{i}" for i in range(draw(st.integers(4, 12)))]
    edges = st.sampled_from(list(itertools.combinations(names, 2)))
    connected = draw(st.lists(edges, max_size=20, unique=True))
    pairs = [same(name, 1, 2) for name in names]
    pairs += [different(one, 1, other, 1) for one, other in connected]
    return PairList(draw(st.permutations(pairs)))


@settings(max_examples=120, deadline=None)
@given(graphs(), st.floats(0.1, 0.5), st.integers(0, 99))
def test_a_split_by_identity_has_nobody_on_both_sides_and_loses_only_what_straddles(
    whole, fraction, seed
):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rest, part = whole.split(fraction, seed=seed, by="identity")
    assert not set(rest.identities) & set(part.identities)
    left_out = [pair for pair in whole if pair not in rest and pair not in part]
    assert_parts_of(whole, rest, part, PairList(left_out))
    part_identities = set(part.identities)
    for pair in left_out:
        assert (pair.left.identity in part_identities) != (pair.right.identity in part_identities)
    if left_out:
        (warning,) = caught
        assert warning.category is PairListWarning
        assert f"{len(left_out)} of {len(whole)} pairs straddle" in str(warning.message)
        assert f"{len(part.same)} same and {len(part.different)} different" in str(warning.message)
        assert warning.filename == __file__
    else:
        assert not caught


def test_a_split_by_identity_cuts_no_pair_where_identities_fall_into_small_groups():
    groups = [
        [same(f"A{i}", 1, 2), same(f"B{i}", 1, 2), different(f"A{i}", 1, f"B{i}", 1)]
        for i in range(40)
    ]
    rest, part = PairList(itertools.chain(*groups)).split(0.25, by="identity")
    assert rest.summary()[:3] == (90, 60, 30)
    assert part.summary()[:3] == (30, 20, 10)


def test_a_split_by_identity_cuts_one_large_group_and_says_how_many_pairs_it_loses():
    names = [f"P{i:02}" for i in range(40)]
    ring = [different(one, 1, names[i - 1], 2) for i, one in enumerate(names)]
    whole = PairList([same(name, 1, 2) for name in names] + ring)
    with pytest.warns(PairListWarning, match=r"^\d of 80 pairs straddle"):
        rest, part = whole.split(0.25, by="identity")
    assert 0.2 <= len(part) / (len(rest) + len(part)) <= 0.3
    assert len(rest.same) + len(part.same) == 40


def test_a_pair_listed_often_does_not_empty_a_side():
    whole = PairList(
        [same(name, 1, 2) for name in "ABCD"]
        + [different("A", i, "B", j) for i in range(1, 11) for j in range(1, 11)]
    )
    for seed in range(5):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PairListWarning)
            rest, part = whole.split(0.5, seed=seed, by="identity")
        assert not set(rest.identities) & set(part.identities)


@pytest.mark.parametrize("by", ["pair", "identity"])
@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_a_fraction_outside_0_and_1_is_refused(fraction: float, by: str):
    with pytest.raises(ValueError, match="Received: fraction="):
        many_pairs(10, 10).split(fraction, by=by)


def test_a_split_by_something_else_is_refused():
    with pytest.raises(ValueError, match="Received: by='identities'"):
        many_pairs(10, 10).split(0.5, by="identities")


@pytest.mark.parametrize("by", ["pair", "identity"])
@pytest.mark.parametrize("whole", [PairList([]), PairList([A_SAME])], ids=["empty", "one pair"])
def test_a_split_that_leaves_a_side_empty_is_refused(whole: PairList, by: str):
    with pytest.raises(ValueError, match="side empty"):
        whole.split(0.5, by=by)


def test_identities_who_are_all_compared_with_one_cannot_be_split_by_identity():
    star = PairList([different("Hub", 1, f"P{i}", 1) for i in range(10)])
    with pytest.raises(ValueError, match="side empty"):
        star.split(0.5, by="identity")


# --- No TensorFlow


@pytest.mark.parametrize(
    "statement",
    ["import siamese_verify.data.pairs", "import siamese_verify; siamese_verify.PairList"],
)
def test_pair_lists_need_neither_tensorflow_nor_keras(statement: str):
    code = f"import sys; {statement}; print(sys.modules.keys() & {{'tensorflow', 'keras'}})"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "set()"


def test_a_list_is_made_of_pairs():
    with pytest.raises(TypeError, match=r"made of Pairs. Received: \('a', 'b', 1\)"):
        PairList([("a", "b", 1)])


@pytest.mark.parametrize("fold", [0.9, -1, "1"])
def test_folds_are_whole_numbers(fold: object):
    pair = Pair(lfw_sample("Ada", 1), lfw_sample("Ada", 2), 1)
    with pytest.raises(ValueError, match=f"`folds` must be a whole number.*folds={fold!r}"):
        PairList([pair], [fold])
