"""Checks of the values of arguments, while the command line is parsed, before any work."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from siamese_verify.messages import shown

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
"""Endings of tables."""
Check = Callable[[str], object]


def whole_number(lowest: int) -> Check:
    """Make a check for whole numbers from `lowest`."""

    def check(text: str) -> int:
        if not text.strip().isdecimal() or int(text) < lowest:
            raise ArgumentTypeError(f"a whole number from {lowest} is needed, not {shown(text)}")
        return int(text)

    return check


def renamed_columns(known: Sequence[str]) -> Callable[[str], dict[str, str]]:
    """Make a check for the names of columns."""

    def check(text: str) -> dict[str, str]:
        parts = [part.partition("=")[::2] for part in text.split(",")]
        renamed = dict(parts)
        if len(renamed) < len(parts):
            raise ArgumentTypeError(f"each NAME is needed once, not {shown(text)}")
        for name, column in renamed.items():
            if name not in known or not column:
                raise ArgumentTypeError(
                    f"NAME=COLUMN is needed, with a NAME of {', '.join(known)}, "
                    f"not {shown(f'{name}={column}')}"
                )
        return renamed

    return check


def names_of_columns(text: str) -> tuple[str, ...]:
    """Check a list of names, with commas between them."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise ArgumentTypeError(
            f"names of columns with commas between them are needed, not {shown(text)}"
        )
    return names


def weights(text: str) -> str:
    """Check the weights of a backbone."""
    return text if text in ("imagenet", "none") else existing_file(text)


def folder_to_make(text: str) -> str:
    """Check that a folder exists, or can be made."""
    check_folder(Path(text) if os.path.isdir(text) else Path(text).absolute().parent)
    if os.path.lexists(text) and not os.path.isdir(text):
        raise ArgumentTypeError(f"{shown(text)} exists and is not a folder")
    return text


def share(text: str) -> float:
    """Check a number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise ArgumentTypeError(f"a number between 0 and 1 is needed, not {shown(text)}")
    return value


def policy(text: str) -> str:
    """Check a policy by the library's own rule."""
    from siamese_verify.evaluation.thresholds import parse_policy

    try:
        parse_policy(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error).removeprefix("`policy` ")) from error
    return text


def review_band(text: str) -> tuple[str, str]:
    """Check the policies of a band for review by the library's own rule."""
    from siamese_verify.evaluation.review import check_review

    try:
        return check_review(tuple(text.split(",")))
    except ValueError as error:
        raise ArgumentTypeError(
            "highest rates of false rejects and of false accepts are needed, with a comma between "
            f"them, such as frr=0.01,far=0.001, not {shown(text)}"
        ) from error


def existing_file(text: str) -> str:
    """Check that a file exists."""
    path = Path(text)
    try:
        problem = "is a folder" if path.is_dir() else "" if path.exists() else "does not exist"
    except (OSError, ValueError) as error:
        problem = f"cannot be used: {error}"
    if problem:
        raise ArgumentTypeError(f"{shown(text)} {problem}")
    return text


def file_ending_in(*endings: str) -> Check:
    """Make a check for files of a kind, by their ending."""

    def check(text: str) -> str:
        if Path(text).suffix.lower() not in endings:
            raise ArgumentTypeError(f"{shown(text)} does not end in {' or '.join(endings)}")
        return existing_file(text)

    return check


def existing_folder(text: str) -> str:
    """Check that a folder exists."""
    if not os.path.isdir(text):
        raise ArgumentTypeError(f"{shown(text)} is not a folder")
    return text


def existing(text: str) -> str:
    """Check that a file or a folder exists."""
    return text if os.path.isdir(text) else existing_file(text)


def output_file(*endings: str) -> Callable[[str], Path]:
    """Make a check for a file to write: its ending, what writes it, its folder and its place.

    An existing file is replaced only when the new one is complete.
    """

    def check(text: str) -> Path:
        path = Path(text)
        if path.suffix.lower() not in endings:
            raise ArgumentTypeError(f"{shown(text)} does not end in {' or '.join(endings)}")
        if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
            raise ArgumentTypeError(
                f"{shown(text)} needs pyarrow, which is missing: "
                'pip install "siamese-verify[tables]"'
            )
        check_folder(path.parent)
        if os.path.lexists(path) and not os.path.isfile(path):
            raise ArgumentTypeError(f"{shown(path)} exists and is not a file")
        return path

    return check


def check_folder(folder: Path) -> None:
    """Raise an error unless files can be written in a folder."""
    if not os.path.isdir(folder):
        raise ArgumentTypeError(f"the folder {shown(folder)} does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ArgumentTypeError(f"the folder {shown(folder)} cannot be written")
