"""Scan of a folder that holds one folder of images for each identity."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from siamese_verify.data.samples import Sample, SamplesByIdentity
from siamese_verify.files import PathLike
from siamese_verify.messages import listed, shown
from siamese_verify.names import normalized

EXTRA_SUFFIXES = (
    *(".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".pnm", ".pfm", ".avif"),
    *(".heic", ".heif", ".hif", ".jp2", ".j2k"),
)
"""Endings of formats that the extra `images` decodes."""
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp"),
    *EXTRA_SUFFIXES,
)
"""Endings of image files. The contents, not the ending, tell how a file is decoded."""
_FILES_OF_SYSTEMS = (
    *("__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
    *("@eadir", "lost+found"),
)
_MOST_LISTED = 10


class FolderWarning(UserWarning):
    """A warning about a folder of images that can be used, but of which a part is passed over."""


class PassedOver:
    """Counts of the files and folders that are not read, by kind, with an example of each."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self.identities: list[str] = []
        """Names of the identities that have no image."""
        self.images_in_root = 0
        """Number of the image files that lie in no folder."""

    def __bool__(self) -> bool:
        return bool(self._counts or self.identities)

    @property
    def count(self) -> int:
        """Number of the files and folders."""
        return self._counts.total()

    def add(self, kind: str, path: str) -> None:
        """Count one file or folder."""
        self._counts[kind] += 1
        self._examples.setdefault(kind, path)

    def __str__(self) -> str:
        """Describe all in full sentences, each of which ends with a space."""
        return self._files() + self._identities()

    def _files(self) -> str:
        if not self._counts:
            return ""
        listed = self._counts.most_common(_MOST_LISTED)
        kinds = [
            f"{count:,} {shown(kind, 40)} (such as {shown(self._examples[kind])})"
            for kind, count in listed
        ]
        if len(self._counts) > len(listed):
            kinds.append(f"and {self.count - sum(n for _, n in listed):,} of other kinds")
        are = "1 file or folder is" if self.count == 1 else f"{self.count:,} files and folders are"
        return f"{are} passed over: {', '.join(kinds)}. "

    def _identities(self) -> str:
        if not self.identities:
            return ""
        n = len(self.identities)
        have = "1 identity has" if n == 1 else f"{n:,} identities have"
        return f"{have} no image: {listed(self.identities)}. "


def scan_folders(
    images_root: PathLike, wanted: Collection[str] | None = None
) -> tuple[SamplesByIdentity, PassedOver]:
    """List the image files in each folder below the root, and in the folders inside.

    Hidden files and files of operating systems are left out in silence. Links to files, and links
    in the root to folders, count as what they lead to. Inside the folder of an identity, links to
    folders are passed over, since they could lead to another identity or in a circle.

    Args:
        images_root: Folder that holds the folders.
        wanted: Normalized names of the identities to list, without a word about others. By default
            all.

    Returns:
        The samples of each identity, with identities and files sorted, and a count of the rest.
    """
    found: SamplesByIdentity = {}
    passed_over = PassedOver()
    for entry in _visible_entries(images_root):
        identity = normalized(entry.name)
        if wanted is not None and identity not in wanted:
            continue
        if not _is_folder(entry):
            passed_over.add(f"{_kind(entry.name)} outside of a folder", entry.name)
            passed_over.images_in_root += _ending(entry.name) in IMAGE_SUFFIXES
        elif _holds(entry, images_root):
            passed_over.add("link to a folder that holds this one", entry.name)
        else:
            # A file system can hold both forms of a name, as two folders of one identity.
            samples = found.setdefault(identity, [])
            samples.extend(_samples_in(entry, identity, passed_over))
    passed_over.identities = [identity for identity, samples in found.items() if not samples]
    return {identity: samples for identity, samples in found.items() if samples}, passed_over


def _samples_in(
    folder: os.DirEntry[str], identity: str, passed_over: PassedOver
) -> Iterator[Sample]:
    """Yield the images of a folder, and then of each folder inside."""
    folders = [(folder.path, folder.name)]
    while folders:
        place, path = folders.pop()
        inside = []
        for entry in _visible_entries(place):
            below, is_image = f"{path}/{entry.name}", _ending(entry.name) in IMAGE_SUFFIXES
            if is_image and _is_file(entry):
                yield Sample(below, identity)
            elif entry.is_dir(follow_symlinks=False):
                inside.append((entry.path, below))
            elif _is_folder(entry):
                passed_over.add("link to a folder inside a folder", below)
            else:
                kind = _kind(entry.name)
                passed_over.add(f"{kind} that is not a file" if is_image else kind, below)
        folders += reversed(inside)


def _visible_entries(folder: PathLike) -> list[os.DirEntry[str]]:
    """List a folder in the order of normalized names, so that all systems draw alike."""
    with os.scandir(os.fspath(folder)) as entries:
        visible = [entry for entry in entries if not _is_hidden(entry.name)]
    return sorted(visible, key=lambda entry: (normalized(entry.name), entry.name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # It is a link in a circle.
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _holds(entry: os.DirEntry[str], folder: PathLike) -> bool:
    """Tell whether a link leads to a folder, or to a folder around it."""
    return entry.is_symlink() and Path(folder).resolve().is_relative_to(Path(entry.path).resolve())


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _FILES_OF_SYSTEMS


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _kind(name: str) -> str:
    return _ending(name) or "without an ending"
