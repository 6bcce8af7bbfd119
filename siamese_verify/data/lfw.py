"""Pair files of Labeled Faces in the Wild: names of images, lines, counts and folds."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from siamese_verify.data.samples import Pair, PairListWarning, Sample
from siamese_verify.files import PathLike, without_waiting
from siamese_verify.messages import listed_in_lines, shown
from siamese_verify.names import normalized
from siamese_verify.user_warnings import warn_user

_NUMBER = re.compile(r"[0-9]{1,9}")
UNSAFE_NAME = re.compile(r"\.{0,2}|[A-Za-z]:.*|.*[/\\\0].*", re.DOTALL)
_LONGEST_LINE = 65_536
"""Largest number of bytes of a line. A device such as `/dev/zero` has no line end at all."""
_A_PAIR = "'NAME i j' (same) or 'NAME i NAME j' (different), separated by tabs or spaces"


class PairFileError(ValueError):
    """Error in a pair file. Its text names the file, the line and the expected entry.

    Attributes:
        path: Path of the file.
        line_number: Number of the line, from 1.
        line: The line, or the start of one that is too long. Bytes if it is not UTF-8.
    """

    def __init__(self, path: PathLike, line_number: int, line: str | bytes, expected: str):
        super().__init__(
            f"{shown(path)}, line {line_number}: {shown(repr(line))}: expected {expected}."
        )
        self.path = os.fspath(path)
        self.line_number = line_number
        self.line = line


def lfw_sample(identity: str, number: int) -> Sample:
    """Name an image as LFW does, with its number padded to four digits.

    The name is kept in Unicode's composed form (NFC), as in `Sample`.

    Examples:
        >>> lfw_sample("Wendy_Kennedy", 1).path
        'Wendy_Kennedy/Wendy_Kennedy_0001.jpg'
    """
    name = normalized(identity)
    return Sample(f"{name}/{name}_{number:04d}.jpg", name)


def lfw_number(sample: Sample) -> int:
    """Return the number of an image that is named as in LFW. Inverse of `lfw_sample`.

    Raises:
        ValueError: If the file is not named as in LFW.
    """
    start = f"{sample.identity}/{sample.identity}_"
    path = normalized(sample.path)
    digits = path.removeprefix(start).removesuffix(".jpg")
    number = int(digits) if _NUMBER.fullmatch(digits) else 0
    if number < 1 or path != lfw_sample(sample.identity, number).path:
        raise ValueError(
            "LFW's pair files can only hold images that are named as in LFW. Expected "
            f"'{shown(start)}NNNN.jpg', with a number from 0001. "
            f"Received: path={shown(repr(sample.path))}"
        )
    return number


def read_pairs(path: PathLike) -> tuple[list[Pair], npt.NDArray[np.int32] | None]:
    """Read a pair file (see `PairList.from_lfw`).

    Returns:
        The pairs and, for a View 2 file, the fold of each.
    """
    lines = _decoded_lines(path)
    first = next(lines, None)
    if first is None:
        raise PairFileError(path, 1, "", "pairs, but the file is empty")
    fields = _fields(first[1])
    if len(fields) > 2:
        pairs = [(n, _parse_pair(path, n, line)) for n, line in itertools.chain([first], lines)]
        folds = None
    else:
        if not all(_NUMBER.fullmatch(field) for field in fields):
            raise PairFileError(path, *first, f"a count of same pairs, or {_A_PAIR}")
        pairs = [(n, _parse_pair(path, n, line)) for n, line in lines]
        n_folds, n_same = (int(field) for field in (["1", *fields])[-2:])
        _check_counts(path, *first, n_folds, n_same, [pair.label for _, pair in pairs])
        has_folds = len(fields) == 2
        folds = np.repeat(np.arange(n_folds, dtype=np.int32), 2 * n_same) if has_folds else None
    _report_problems(path, pairs)
    return [pair for _, pair in pairs], folds


def _decoded_lines(path: PathLike) -> Iterator[tuple[int, str]]:
    """Read the lines that are not blank, with their numbers, one by one."""
    with open(path, "rb", opener=without_waiting) as file:
        # Text mode would also cut names at characters such as U+2028.
        for number, raw in enumerate(iter(lambda: file.readline(_LONGEST_LINE + 1), b""), start=1):
            if len(raw) > _LONGEST_LINE:
                expected = f"a line of at most {_LONGEST_LINE:,} bytes"
                raise PairFileError(path, number, raw[:200], expected)
            raw = raw.removesuffix(b"\n")
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\r")
            except UnicodeDecodeError as error:
                raise PairFileError(path, number, raw, f"UTF-8 ({error.reason})") from error
            if line.strip(" \t"):
                yield number, line


def _fields(line: str) -> list[str]:
    return re.split(r"[ \t]+", line.strip(" \t"))


def _pair_fields(line: str) -> list[str]:
    # Names may hold spaces where tabs alone separate the fields of a pair.
    by_tab = [field.strip(" ") for field in line.strip(" \t").split("\t")]
    by_any = _fields(line)
    if len(by_tab) in (3, 4) and (_has_numbers(by_tab) or not _has_numbers(by_any)):
        return by_tab
    return by_any


def _has_numbers(fields: list[str]) -> bool:
    """Tell whether numbers stand where the fields of a pair have them."""
    numbers = fields[1::2] if len(fields) == 4 else fields[1:]
    return len(fields) in (3, 4) and all(_NUMBER.fullmatch(number) for number in numbers)


def _parse_pair(path: PathLike, number: int, line: str) -> Pair:
    fields = _pair_fields(line)
    if len(fields) not in (3, 4):
        raise PairFileError(path, number, line, f"{_A_PAIR}, got {len(fields)} fields")
    right_identity = fields[2] if len(fields) == 4 else fields[0]
    left = _parse_sample(path, number, line, fields[0], fields[1])
    right = _parse_sample(path, number, line, right_identity, fields[-1])
    return Pair(left, right, int(len(fields) == 3))


def _parse_sample(path: PathLike, number: int, line: str, name: str, digits: str) -> Sample:
    if UNSAFE_NAME.fullmatch(normalized(name)):
        expected = "a name that is not a path: without separator, '..', drive or NUL byte"
        raise PairFileError(path, number, line, f"{expected}, got {shown(repr(name))}")
    if not _NUMBER.fullmatch(digits) or int(digits) < 1:
        raise PairFileError(
            path, number, line, f"an image number from 1, got {shown(repr(digits))}"
        )
    return lfw_sample(name, int(digits))


def _check_counts(
    path: PathLike, number: int, line: str, n_folds: int, n_same: int, labels: list[int]
) -> None:
    if n_folds < 1 or n_same < 1:
        raise PairFileError(path, number, line, "a count of at least 1")
    expected = f"{n_same:,} same and {n_same:,} different pairs to follow"
    if n_folds > 1:
        expected = f"{n_folds} folds, in each {expected}"
    same = sum(labels)
    if len(labels) != 2 * n_folds * n_same or (n_folds == 1 and same != n_same):
        got = f"{same:,} same and {len(labels) - same:,} different"
        raise PairFileError(path, number, line, f"{expected}, got {got}")
    for fold, same in enumerate(np.reshape(labels, (n_folds, -1)).sum(axis=1).tolist(), start=1):
        if same != n_same:
            got = f"{same:,} same and {2 * n_same - same:,} different in fold {fold}"
            raise PairFileError(path, number, line, f"{expected}, got {got}")


def _report_problems(path: PathLike, pairs: list[tuple[int, Pair]]) -> None:
    """Warn of pairs that are listed twice, or contradict each other or themselves."""
    problems: list[tuple[str, str, Pair]] = []
    seen: dict[frozenset[Sample], tuple[int, int]] = {}
    for number, pair in pairs:
        left, right, label = pair
        if left == right:
            problems.append((f"line {number}", "are one image", pair))
        if label == 0 and left.identity == right.identity:
            problems.append((f"line {number}", "are listed as different, but by one name", pair))
        first, first_label = seen.setdefault(frozenset((left, right)), (number, label))
        if first_label != label:
            lines = f"lines {first} and {number}"
            problems.append((lines, "are listed as same and as different", pair))
        elif first != number:
            problems.append((f"lines {first} and {number}", "are listed twice", pair))
    if problems:
        warn_user(
            f"{shown(path)} holds {len(problems)} questionable pairs, which distort training and "
            f"figures. Correct or remove them:{listed_in_lines(problems, _describe)}",
            PairListWarning,
        )


def _describe(problem: tuple[str, str, Pair]) -> str:
    lines, what, pair = problem
    return f"{lines}: {shown(pair.left.path)} and {shown(pair.right.path)} {what}"
