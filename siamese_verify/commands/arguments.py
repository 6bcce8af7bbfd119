"""Arguments that several commands share.

The name of an argument is the name of the library's parameter, so that the library's errors can
name the flag.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace, _ArgumentGroup
from pathlib import Path

from siamese_verify.commands.values import (
    TABLES,
    existing,
    existing_file,
    existing_folder,
    file_ending_in,
    folder_to_make,
    output_file,
    policy,
    renamed_columns,
    whole_number,
)
from siamese_verify.messages import shown

PAIR_COLUMNS = ("left", "right", "label", "left_identity", "right_identity", "fold", "group")
"""Columns of a table of pairs."""


def add_model(inputs: _ArgumentGroup, *more_endings: str) -> None:
    """Add the argument MODEL."""
    endings = (".keras", *more_endings)
    inputs.add_argument(
        "model",
        metavar="MODEL",
        type=file_ending_in(*endings),
        help=f"file of a verifier ({', '.join(endings)})",
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


def add_images(inputs: _ArgumentGroup, or_else: str = "") -> None:
    """Add the argument IMAGES, and the folder that the paths of a table start from."""
    inputs.add_argument(
        "source",
        metavar="IMAGES",
        type=existing,
        help="folder with a folder of images for each identity, or a table of path and identity"
        + or_else,
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


def add_shards(output: _ArgumentGroup, help_of_size: str, size: int | None = None) -> None:
    """Add the folder of shards, and the number of images in each."""
    output.add_argument(
        "-o",
        dest="folder",
        metavar="DIR",
        type=lambda text: Path(folder_to_make(text)),
        required=True,
        help="folder to write to. A command that was stopped goes on there",
    )
    output.add_argument(
        "--images-per-shard", metavar="N", type=whole_number(1), default=size, help=help_of_size
    )


def add_seed(group: _ArgumentGroup) -> None:
    """Add the flag `--seed`."""
    group.add_argument(
        "--seed",
        metavar="N",
        type=whole_number(0),
        default=0,
        help="seed of all random draws (default: %(default)s)",
    )


def add_preprocessing(inputs: _ArgumentGroup, size_default: str, channels_default: str) -> None:
    """Add the size and the channels of images, and say what they are if they are left out."""
    inputs.add_argument(
        "--image-size",
        metavar="PIXELS",
        type=whole_number(16),
        help=f"height and width to which images are resized (default: {size_default})",
    )
    inputs.add_argument(
        "--channels",
        type=int,
        choices=(1, 3),
        help=f"1 for grey, 3 for colour (default: {channels_default})",
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


def flags_for(settings: Namespace) -> dict[str, str]:
    """Map the names as `flags` does, and the folder of images to the argument that gave it."""
    given = {name: getattr(settings, name, None) or "" for name in ("source", "gallery")}
    folders = [settings.flags[name] for name, path in given.items() if os.path.isdir(path)]
    return {**settings.flags, **({"images_root": folders[0]} if folders else {})}


def usage(parser: ArgumentParser) -> str:
    """Write the usage of a command on one line: what it needs, and that there are options."""
    needed = [
        " ".join((*action.option_strings[:1], str(action.metavar)))
        for action in parser._actions
        if action.required
    ]
    return " ".join((parser.prog, *needed, "[options]"))


def check_overwrites(settings: Namespace, names: dict[str, str]) -> None:
    """Raise an error if a file to write is also one to read, or is to be written twice."""
    given = {name: value for name, value in vars(settings).items() if name in names}
    outputs = {name: value for name, value in given.items() if isinstance(value, Path)}
    files = {name: value for name, value in given.items() if isinstance(value, (str, Path))}
    for out, target in outputs.items():
        for other, path in files.items():
            if other != out and _is_same_file(target, path):
                raise ValueError(
                    f"{names[out]} would overwrite {names[other]}. Choose another file. "
                    f"Received: {names[out]}={shown(target)}"
                )


def _is_same_file(one: Path, other: str | Path) -> bool:
    """Tell whether two paths lead to one file, which need not exist yet."""
    if os.path.exists(one) and os.path.exists(other):  # Any text may be longer than a path can be.
        return os.path.samefile(one, other)
    return isinstance(other, Path) and os.path.realpath(one) == os.path.realpath(other)
