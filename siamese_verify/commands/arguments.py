"""Arguments that several commands share, and checks of their values.

The checks run while the command line is parsed, before any work. The name of an argument is the
name of the library's parameter, so that the library's errors can name the flag.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace, _ArgumentGroup
from collections.abc import Callable, Sequence
from pathlib import Path

from siamese_verify.messages import shown

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
"""Endings of tables."""
PAIR_COLUMNS = ("left", "right", "label", "left_identity", "right_identity", "fold", "group")
"""Columns of a table of pairs."""
Check = Callable[[str], object]


def add_model(inputs: _ArgumentGroup) -> None:
    """Add the argument MODEL."""
    inputs.add_argument(
        "model", metavar="MODEL", type=file_ending_in(".keras"), help="file of a verifier (.keras)"
    )


def add_pairs(inputs: _ArgumentGroup) -> None:
    """Add the argument PAIRS, and the folder that its paths start from."""
    inputs.add_argument(
        "pairs",
        metavar="PAIRS",
        type=existing_file,
        help=f"pair list in LFW's format (.txt), or a table ({', '.join(TABLES)})",
    )
    add_root(inputs, *PAIR_COLUMNS)


def add_images(inputs: _ArgumentGroup) -> None:
    """Add the argument IMAGES, and the folder that the paths of a table start from."""
    inputs.add_argument(
        "source",
        metavar="IMAGES",
        type=existing,
        help="folder with a folder of images for each identity, or a table of path and identity",
    )
    add_root(inputs, "path", "identity")


def add_root(inputs: _ArgumentGroup, *columns: str) -> None:
    """Add the folder that paths start from, and the names of a table's columns."""
    inputs.add_argument(
        "--columns",
        metavar="NAME=COLUMN,...",
        type=renamed_columns(columns),
        default={},
        help=f"columns of a table that are named otherwise, such as {columns[0]}=file. The names "
        f"are {', '.join(columns)} (default: the columns have these names)",
    )
    inputs.add_argument(
        "--images",
        dest="images_root",
        metavar="DIR",
        type=existing_folder,
        help="folder that the list's paths start from (default: the current folder). LFW's format "
        "requires it",
    )


def add_json(output: _ArgumentGroup) -> None:
    """Add the flag `--json`."""
    output.add_argument("--json", action="store_true", help="print the answer as JSON")


def add_seed(group: _ArgumentGroup) -> None:
    """Add the flag `--seed`."""
    group.add_argument(
        "--seed",
        metavar="N",
        type=whole_number(0),
        default=0,
        help="seed of all random draws (default: %(default)s)",
    )


def add_preprocessing(inputs: _ArgumentGroup) -> None:
    """Add the size and the channels to which images are brought."""
    inputs.add_argument(
        "--image-size",
        metavar="PIXELS",
        type=whole_number(16),
        default=48,
        help="height and width to which images are resized (default: %(default)s)",
    )
    inputs.add_argument(
        "--channels",
        type=int,
        choices=(1, 3),
        default=1,
        help="1 for grey, 3 for colour (default: %(default)s)",
    )


def add_policy(group: _ArgumentGroup, default: str | None = None) -> None:
    """Add the flag `--policy`."""
    group.add_argument(
        "--policy",
        metavar="POLICY",
        type=policy,
        default=default,
        required=default is None,
        help="rule for the threshold: max_accuracy, eer, far=0.01 or frr=0.01 for a highest rate "
        "of false accepts or false rejects, or cost=10:1 for their costs"
        + (" (default: %(default)s)" if default else ""),
    )


def add_output(group: _ArgumentGroup, *endings: str, metavar: str, description: str) -> None:
    """Add the file that a command writes."""
    group.add_argument(
        "-o",
        dest="output",
        metavar=metavar,
        type=output_file(*endings),
        required=True,
        help=f"{description} ({', '.join(endings)})",
    )


def flags(parser: ArgumentParser) -> dict[str, str]:
    """Map the name of each argument to the flag or the word that the user knows it by."""
    return {
        action.dest: action.option_strings[0] if action.option_strings else str(action.metavar)
        for action in parser._actions
    }


def usage(parser: ArgumentParser) -> str:
    """Write the usage of a command on one line: what it needs, and that there are options."""
    needed = [
        " ".join((*action.option_strings[:1], str(action.metavar)))
        for action in parser._actions
        if action.required
    ]
    return " ".join((parser.prog, *needed, "[options]"))


def check_overwrites(settings: Namespace, names: dict[str, str]) -> None:
    """Raise an error if a file to write is also one to read."""
    outputs = {n: value for n, value in vars(settings).items() if isinstance(value, Path)}
    inputs = {n: value for n, value in vars(settings).items() if isinstance(value, str)}
    for out, target in outputs.items():
        for source, path in inputs.items():
            are_files = source in names and target.exists() and Path(path).exists()
            if are_files and target.samefile(path):
                raise ValueError(
                    f"{names[out]} would overwrite {names[source]}. Choose another file. "
                    f"Received: {names[out]}={shown(target)}"
                )


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
        renamed = dict(part.partition("=")[::2] for part in text.split(","))
        for name, column in renamed.items():
            if name not in known or not column:
                raise ArgumentTypeError(
                    f"{shown(name)} is not one of {', '.join(known)}, or has no column"
                )
        return renamed

    return check


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
        raise ArgumentTypeError(str(error).removeprefix("`review` ")) from error


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
    """Make a check for a file to write: its ending, its folder and its place.

    An existing file is replaced only when the new one is complete.
    """

    def check(text: str) -> Path:
        path = Path(text)
        if path.suffix.lower() not in endings:
            raise ArgumentTypeError(f"{shown(text)} does not end in {' or '.join(endings)}")
        check_folder(path.parent)
        if os.path.lexists(path) and not os.path.isfile(path):
            raise ArgumentTypeError(f"{shown(path)} exists and is not a file")
        return path

    return check


def output_folder(text: str) -> Path:
    """Check a folder to write to, which may be new."""
    path = Path(text)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise ArgumentTypeError(f"{shown(path)} exists and is not a folder")
    check_folder(path if path.is_dir() else path.parent)
    return path


def check_folder(folder: Path) -> None:
    """Raise an error unless files can be written in a folder."""
    if not os.path.isdir(folder):
        raise ArgumentTypeError(f"the folder {shown(folder)} does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ArgumentTypeError(f"the folder {shown(folder)} cannot be written")
