"""Pair files of Labeled Faces in the Wild: names of images, lines, counts and folds."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from siamese_verify.data.samples import Pair, PairListWarning, Sample
from siamese_verify.files import PathLike
from siamese_verify.user_warnings import warn_user

_NUMBER = re.compile(r"[0-9]{1,9}")
_UNSAFE_NAME = re.compile(r"\.{0,2}|[A-Za-z]:.*|.*[/\\\0].*", re.DOTALL)
_A_PAIR = "'NAME i j' (same) or 'NAME i NAME j' (different), separated by tabs or spaces"


class PairFileError(ValueError):
    """Error in a pair file. Its text names the file, the line and the expected entry."""

    def __init__(self, path: PathLike, line_number: int, line: str | bytes, expected: str):
        super().__init__(f"{os.fspath(path)}, line {line_number}: {line!r}: expected {expected}.")
        self.path = os.fspath(path)
        self.line_number = line_number
        self.line = line


def lfw_sample(identity: str, number: int) -> Sample:
    """Name an image as LFW does, with its number padded to four digits.

    Examples:
        >>> lfw_sample("Wendy_Kennedy", 1).path
        'Wendy_Kennedy/Wendy_Kennedy_0001.jpg'
    """
    return Sample(f"{identity}/{identity}_{number:04d}.jpg", identity)


def lfw_number(sample: Sample) -> int:
    """Return the number of an image that is named as in LFW. Inverse of `lfw_sample`.

    Raises:
        ValueError: If the file is not named as in LFW.
    """
    start = f"{sample.identity}/{sample.identity}_"
    digits = sample.path.removeprefix(start).removesuffix(".jpg")
    number = int(digits) if _NUMBER.fullmatch(digits) else 0
    if number < 1 or sample != lfw_sample(sample.identity, number):
        raise ValueError(
            "LFW's pair files can only hold images that are named as in LFW. Expected "
            f"'{start}NNNN.jpg', with a number from 0001. Received: path={sample.path!r}"
        )
    return number


def read_pairs(path: PathLike) -> tuple[list[Pair], npt.NDArray[np.int32] | None]:
    """Read a pair file (see `PairList.from_lfw`).

    Returns:
        The pairs and, for a View 2 file, the fold of each.
    """
    lines = _decoded_lines(path)
    fields = _fields(lines[0][1])
    if len(fields) > 2:
        pairs = [(n, _parse_pair(path, n, line)) for n, line in lines]
        folds = None
    else:
        if not all(_NUMBER.fullmatch(field) for field in fields):
            raise PairFileError(path, *lines[0], f"a count of same pairs, or {_A_PAIR}")
        pairs = [(n, _parse_pair(path, n, line)) for n, line in lines[1:]]
        n_folds, n_same = (int(field) for field in (["1", *fields])[-2:])
        _check_counts(path, *lines[0], n_folds, n_same, [pair.label for _, pair in pairs])
        has_folds = len(fields) == 2
        folds = np.repeat(np.arange(n_folds, dtype=np.int32), 2 * n_same) if has_folds else None
    _report_problems(path, pairs)
    return [pair for _, pair in pairs], folds


def format_pairs(pairs: Sequence[Pair], folds: npt.NDArray[np.int32] | None) -> str:
    """Format pairs as the text of a pair file (see `PairList.to_lfw`)."""
    if not pairs:
        raise ValueError("A pair file must hold at least one pair. Received: an empty list")
    lines = [*_count_line([pair.label for pair in pairs], folds), *map(_format_pair, pairs)]
    return "".join(f"{line}\n" for line in lines)


def _decoded_lines(path: PathLike) -> list[tuple[int, str]]:
    """Read the lines that are not blank, with their numbers."""
    lines = []
    # `str.splitlines` would also cut names at characters such as U+2028.
    for number, raw in enumerate(Path(path).read_bytes().split(b"\n"), start=1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise PairFileError(path, number, raw, f"UTF-8 ({error.reason})") from error
        if line.strip(" \t"):
            lines.append((number, line))
    if not lines:
        raise PairFileError(path, 1, "", "pairs, but the file is empty")
    return lines


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
    if _UNSAFE_NAME.fullmatch(name):
        expected = "a name that is not a path: without separator, '..', drive or NUL byte"
        raise PairFileError(path, number, line, f"{expected}, got {name!r}")
    if not _NUMBER.fullmatch(digits) or int(digits) < 1:
        raise PairFileError(path, number, line, f"an image number from 1, got {digits!r}")
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
    problems = []
    seen: dict[frozenset[Sample], tuple[int, int]] = {}
    for number, (left, right, label) in pairs:
        names = f"{left.path} and {right.path}"
        if left == right:
            problems.append(f"line {number}: {names} are one image")
        if label == 0 and left.identity == right.identity:
            problems.append(f"line {number}: {names} are listed as different, but by one name")
        first, first_label = seen.setdefault(frozenset((left, right)), (number, label))
        if first_label != label:
            problems.append(
                f"lines {first} and {number}: {names} are listed as same and as different"
            )
        elif first != number:
            problems.append(f"lines {first} and {number}: {names} are listed twice")
    if problems:
        more = f"\n  and {len(problems) - 10} more" if len(problems) > 10 else ""
        shown = "".join(f"\n  {problem}" for problem in problems[:10])
        warn_user(
            f"{os.fspath(path)} holds {len(problems)} questionable pairs, which distort "
            f"training and figures. Correct or remove them:{shown}{more}",
            PairListWarning,
        )


def _format_pair(pair: Pair) -> str:
    for sample in (pair.left, pair.right):
        if re.search(r"[\t\r\n]|^[ \ufeff]| $", sample.identity) or _UNSAFE_NAME.fullmatch(
            sample.identity
        ):
            raise ValueError(
                "A name in a pair file must not be a path, hold a tab or a line end, or start "
                f"or end with a space. Received: identity={sample.identity!r}"
            )
    left, right = pair.left, pair.right
    if pair.label == 0:
        return f"{left.identity}\t{lfw_number(left)}\t{right.identity}\t{lfw_number(right)}"
    if left.identity != right.identity:
        raise ValueError(f"A same pair in a pair file must have one name. Received: {pair}")
    return f"{left.identity}\t{lfw_number(left)}\t{lfw_number(right)}"


def _count_line(labels: list[int], folds: npt.NDArray[np.int32] | None) -> list[str]:
    """Format the first line, if LFW's counts can express the list."""
    if folds is None:
        return [str(sum(labels))] if 2 * sum(labels) == len(labels) else []
    n_folds = int(folds.max()) + 1
    n_same, per_fold = sum(labels) // n_folds, np.bincount(folds, weights=labels)
    if not np.array_equal(folds, np.repeat(np.arange(n_folds), 2 * n_same)) or np.any(
        per_fold != n_same
    ):
        raise ValueError(
            "A View 2 file must hold one fold after another, all with one number of same and of "
            "different pairs. Use `PairList.sample(n_folds=...)`, or leave out pairs. "
            f"Received: folds of {np.bincount(folds).tolist()} pairs, of which "
            f"{per_fold.astype(int).tolist()} are same"
        )
    return [f"{n_folds}\t{n_same}"]
