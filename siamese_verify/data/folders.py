"""Image files in folders. Nothing is decoded here, and TensorFlow is not needed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from siamese_verify.checks import check_name_list
from siamese_verify.data.samples import Sample, SamplesByIdentity, group_by_identity
from siamese_verify.data.scanning import (
    IMAGE_SUFFIXES,
    FolderWarning,
    scan_folders,
)
from siamese_verify.files import PathLike
from siamese_verify.messages import listed, listed_in_lines, shown
from siamese_verify.names import normalized
from siamese_verify.user_warnings import warn_user

_ENDINGS = listed(IMAGE_SUFFIXES)
_PARTS = frozenset(("train", "training", "val", "valid", "validation", "dev", "test", "testing"))
"""Names of folders that are hardly names of identities."""


def samples_by_identity(
    source: PathLike | Iterable[Sample], identities: Iterable[str] | None = None
) -> SamplesByIdentity:
    """Group the samples of a folder, or listed ones, by identity.

    Args:
        source: Folder that holds one folder of images for each identity, or the samples. Images
            in folders inside belong to that identity too.
        identities: Names of the identities to keep, in any form of Unicode. By default all.

    Returns:
        The samples of each identity, sorted by identity.

    Raises:
        TypeError: If `identities` is one name, or `source` holds something other than samples.
        ValueError: If two samples have the same path.
        FileNotFoundError: If no folder holds an image file, or an identity has no image.

    Warns:
        FolderWarning: If files or folders are passed over. Tells how many of each kind. Also if
            the folders are named as parts of a data set, such as `train` and `test`.
    """
    check_name_list(identities)
    wanted = None if identities is None else set(map(normalized, identities))
    if isinstance(source, (str, os.PathLike)):
        return _scan(source, wanted)
    found = group_by_identity(source)
    if wanted is None:
        return found
    _check_all_found(found, wanted)
    return {identity: samples for identity, samples in found.items() if identity in wanted}


OR_SKIP = "Or leave them out with on_error='skip'. "
"""Sentence about the choice that data sets have where images are missing."""


def _scan(images_root: PathLike, wanted: set[str] | None) -> SamplesByIdentity:
    found, passed_over = scan_folders(images_root, wanted)
    received = f"Received: images_root={shown(images_root)}"
    if wanted is not None:
        _check_all_found(found, wanted, str(passed_over))
    elif not found and passed_over.images_in_root:
        raise FileNotFoundError(
            f"{passed_over.images_in_root:,} images lie in the root itself, where no folder tells "
            "whom they show. List them in a table with the columns path and identity, and use it "
            "in place of the folder. Or move the images of each identity to a folder of its own. "
            f"{received}"
        )
    elif not found:
        raise FileNotFoundError(
            f"The root holds no folder with an image file. {passed_over}It must hold one folder "
            f"for each identity, with files that end in {_ENDINGS}. {received}"
        )
    if passed_over:
        warn_user(
            f"{passed_over}Only files in the folder of an identity are read, if they end in "
            f"{_ENDINGS}. Convert or move the others if they are images. {received}",
            FolderWarning,
        )
    if found and _PARTS.issuperset(map(str.lower, found)):
        warn_user(
            f"The folders {listed(list(found))} count as identities, but are named as parts of a "
            "data set. Then all images of a part would show one identity. Use the folder of one "
            f"part as the root. {received}",
            FolderWarning,
        )
    return found


def _check_all_found(found: SamplesByIdentity, wanted: set[str], passed_over: str = "") -> None:
    if missing := sorted(wanted - found.keys()):
        raise FileNotFoundError(
            f"{len(missing):,} of the {len(wanted):,} `identities` have no image. {passed_over}"
            "Correct their names, or leave them out. "
            f"Received: {listed(missing)} among identities"
        )


def locate_files(images_root: PathLike | None, samples: Sequence[Sample]) -> list[Path]:
    """Find the file of each sample.

    Where a file is missing, a file of the same name in another form of Unicode or with another
    known ending replaces it. So LFW's lists, which name JPEG files, also work with PNG files.

    Args:
        images_root: Folder below which the paths of the samples lie. With None, they are used as
            they are.
        samples: The samples.

    Returns:
        One path for each sample, in order.

    Raises:
        ValueError: If a sample's path leads out of `images_root`.
        FileNotFoundError: If files are missing. Lists the first ten.
    """
    located = find_files(images_root, samples)
    if problem := describe_missing(images_root, samples, located, OR_SKIP):
        raise FileNotFoundError(problem)
    return [file for file in located if file is not None]


def find_files(images_root: PathLike | None, samples: Sequence[Sample]) -> list[Path | None]:
    """Find the file of each sample as `locate_files` does, and None where it is missing."""
    search = _Search(images_root or ".")
    wanted = [path_below(images_root, sample) for sample in samples]
    return [
        path if os.path.isfile(path) else search.find(sample.path)
        for path, sample in zip(wanted, samples, strict=True)
    ]


def describe_missing(
    images_root: PathLike | None,
    samples: Sequence[Sample],
    located: Sequence[Path | None],
    choice: str = "",
) -> str:
    """Describe the samples whose file `find_files` has not found. Empty if there is none.

    Args:
        images_root: Folder that the paths start from.
        samples: The samples.
        located: Their files.
        choice: Sentence about another choice that the user has.
    """
    missing = [sample for sample, file in zip(samples, located, strict=True) if file is None]
    if not missing:
        return ""
    paths = listed_in_lines(missing, lambda sample: shown(path_below(images_root, sample)))
    return (
        f"{len(missing):,} of {len(samples):,} images are missing:{paths}\n"
        "Check `images_root`, the folder that the samples' paths start from, or correct the paths. "
        f"{choice}Received: images_root={shown(images_root)}"
    )


def path_below(images_root: PathLike | None, sample: Sample) -> Path:
    """Join the root and a sample's path. Without a root, return the path alone.

    Raises:
        ValueError: If the path is empty, is absolute or holds `..`.

    Examples:
        >>> path_below("scans", Sample("2024/17.png", "Ada")).as_posix()
        'scans/2024/17.png'
    """
    path = Path(sample.path)
    if images_root is None and path.parts:
        return path
    if path.anchor or not path.parts or ".." in path.parts:
        raise ValueError(
            "A sample's path must lead to a file below `images_root`. An absolute path or `..` "
            "could read any file. Write the path relative to `images_root`. Received: "
            f"path={shown(repr(sample.path))}, images_root={shown(images_root)}"
        )
    return Path(images_root or ".") / path


_Entries = dict[str, list[str]]


class _Search:
    """Files below a root by name, in any form of Unicode. Each folder is listed once."""

    def __init__(self, root: PathLike):
        self._root = os.fspath(root)
        self._listed: dict[tuple[str, ...], tuple[_Entries, _Entries]] = {}
        # The same by the folder's text in a path, so that most paths need no parsing.
        self._spelled: dict[str, tuple[_Entries, _Entries]] = {}

    def find(self, path: str) -> Path | None:
        """Return the file, or one that differs in a known ending only, or None."""
        folder, name = os.path.split(path)
        if folder not in self._spelled:
            parts = PurePath(folder).parts
            self._spelled[folder] = self._list(tuple(map(normalized, parts)))
        by_name, by_stem = self._spelled[folder]
        files = list(by_name.get(normalized(name), ()))
        stem, ending = os.path.splitext(name)
        # An unknown ending is part of the name: "scan.1" and "scan.2" are not both "scan.jpg".
        if not ending or ending.lower() in IMAGE_SUFFIXES:
            files += by_stem.get(normalized(stem), ())
        return next((Path(file) for file in files if os.path.isfile(file)), None)

    def _list(self, folder: tuple[str, ...]) -> tuple[_Entries, _Entries]:
        """Return the entries of a folder by their normalized names, and images by their stems."""
        if folder not in self._listed:
            by_name: _Entries = {}
            by_stem: _Entries = {}
            for place in self._places(folder):
                for name in _names(place):
                    path = os.path.join(place, name)
                    by_name.setdefault(normalized(name), []).append(path)
                    stem, ending = os.path.splitext(name)
                    if ending.lower() in IMAGE_SUFFIXES:
                        by_stem.setdefault(normalized(stem), []).append(path)
            for paths in by_stem.values():
                paths.sort(key=_rank_of_ending)
            self._listed[folder] = by_name, by_stem
        return self._listed[folder]

    def _places(self, folder: tuple[str, ...]) -> list[str]:
        if not folder:
            return [self._root]
        if len(folder) == 1 and Path(folder[0]).anchor:  # The path is absolute.
            return [folder[0]]
        # A file system can hold both forms of a name, as two folders.
        return self._list(folder[:-1])[0].get(folder[-1], [])


def _rank_of_ending(path: str) -> int:
    return IMAGE_SUFFIXES.index(os.path.splitext(path)[1].lower())


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:  # It is not a folder, or cannot be read.
        return []
