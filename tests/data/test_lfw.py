"""Tests of LFW's pair files: read and checked."""

import hashlib
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_folders import NFC, NFD
from pair_lists import different, same

from siamese_verify.data.lfw import PairFileError, lfw_sample
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import PairListWarning, Sample
from siamese_verify.messages import shown
from siamese_verify.names import normalized

LFW = Path(__file__).parents[3] / "shared" / "lfw"
needs_lfw = pytest.mark.skipif(not LFW.is_dir(), reason="needs LFW in ../shared/lfw")


# Published with LFW and scikit-learn's `fetch_lfw_pairs`.
SHA256 = {
    "pairsDevTrain.txt": "1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa",
    "pairsDevTest.txt": "7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c",
}


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
    assert read(f"Ada {number} 2", path)[0].left == Sample(f"Ada/{file}", "Ada")


def is_a_name(text: str) -> bool:
    # The Kelvin sign is normalized to the letter K, as others are.
    first = normalized(text[:1])
    drive = text[1:2] == ":" and first.isascii() and first.isalpha()
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


@settings(max_examples=75, deadline=None)
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
def test_a_name_that_a_reader_would_take_for_a_byte_order_mark_is_read_back_or_raises_an_error(
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


A_NAME = "a name that is not a path"


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
    (HEAD + "Ada Lovelace\t1\tx\n", 2, "Ada Lovelace\t1\tx", A_NUMBER + ", got 'x'"),
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
    ("1\n" + HEAD, 1, "1", "1 same and 1 different pairs to follow, got 1 same and 0 diff"),
    ("\n1\nAda 1 2\nAda 1 3\n", 2, "1", "got 2 same and 0 different"),
    ("1\nAda 1 2\nAda 1 Bob 1\nAda 1 3\n", 1, "1", "got 2 same and 1 different"),
    (
        "2 1\nAda 1 2\nAda 1 3\nAda 1 Bob 1\nAda 2 Bob 1\n",
        *(1, "2 1", "2 folds, in each 1 same and 1 different pairs to follow, got 2 same and"),
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
    assert f"{path}, line {number}: {shown(repr(line))}: expected " in message
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


def test_both_forms_of_a_name_are_one_identity_and_one_image(path: Path):
    with pytest.warns(PairListWarning, match="4 questionable pairs") as caught:
        pairs = read(f"{NFC} 1 2\n{NFD} 1 2\n{NFC} 1 {NFD} 3\n{NFC} 2 {NFD} 2\n", path)
    assert pairs.identities == (NFC,)
    assert pairs.samples == tuple(lfw_sample(NFC, i) for i in (1, 2, 3))
    assert "lines 1 and 2" in str(caught[0].message)
    assert "are one image" in str(caught[0].message)


# --- Files that are not lists


@pytest.mark.parametrize("n_bytes", [65_537, 100_000_000])
@pytest.mark.parametrize("start", ["", "Ada 1 2\n"])
def test_a_line_without_end_is_quoted_in_part(n_bytes: int, start: str, path: Path):
    with path.open("wb") as file:
        file.write(start.encode())
        file.truncate(n_bytes + len(start))
    with pytest.raises(PairFileError, match="a line of at most 65,536 bytes") as caught:
        PairList.from_lfw(path)
    assert caught.value.line_number == 1 + bool(start)
    assert len(str(caught.value)) < 1_000
    assert len(caught.value.line) <= 200


def test_the_longest_line_is_read(path: Path):
    name = "a" * (65_536 - len(" 1 2\r\n"))
    assert read(f"{name} 1 2\r\n", path) == PairList([same(name, 1, 2)])


@pytest.mark.parametrize(
    "line", ["a" * 60_000, b"\xff" * 60_000, f"Ada 1 {'9' * 60_000}", "/" * 999]
)
def test_no_error_is_long(line: str | bytes, path: Path):
    with pytest.raises(PairFileError) as caught:
        read(line, path)
    assert len(str(caught.value)) < 2_000
    assert str(caught.value).isprintable()


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs /dev/zero")
def test_a_device_without_end_ends_with_an_error():
    with pytest.raises(PairFileError, match="/dev/zero, line 1"):
        PairList.from_lfw("/dev/zero")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_without_a_writer_is_an_empty_list(path: Path):
    os.mkfifo(path)
    with pytest.raises(PairFileError, match="the file is empty"):
        PairList.from_lfw(path)


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="needs /dev/fd")
def test_a_pipe_is_read_as_a_list():
    read_end, write_end = os.pipe()
    with open(read_end, "rb"), open(write_end, "wb") as pipe:
        pipe.write(b"Ada 1 2\n")
        pipe.close()
        assert PairList.from_lfw(f"/dev/fd/{read_end}") == PairList([same("Ada", 1, 2)])


def test_names_in_warnings_are_on_one_line(path: Path):
    name = "Ada\x0bno problems\u2028" + "x" * 5_000
    with pytest.warns(PairListWarning) as caught:
        read(f"{name}\t1\t1\n", path)
    message = str(caught[0].message)
    assert len(message.splitlines()) == 2
    assert len(message) < 2_000
