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

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif")
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
    """List the image files in each folder below the root.

    Hidden files and files of operating systems are left out in silence. Links count as the files
    and folders that they lead to.

    Args:
        images_root: Folder that holds the folders.
        wanted: Normalized names of the identities to list, without a word about others. By default
            all.

    Returns:
        The samples of each identity, with identities and files sorted, and a count of the rest.
    """
    root = Path(images_root)
    found: SamplesByIdentity = {}
    passed_over = PassedOver()
    for name in _visible_names(root):
        if wanted is not None and normalized(name) not in wanted:
            continue
        if not os.path.isdir(root / name):
            passed_over.add(f"{_kind(name)} outside of a folder", name)
        else:
            # A file system can hold both forms of a name, as two folders of one identity.
            samples = found.setdefault(normalized(name), [])
            samples.extend(_samples_in(root, name, passed_over))
    passed_over.identities = [identity for identity, samples in found.items() if not samples]
    return {identity: samples for identity, samples in found.items() if samples}, passed_over


def _samples_in(root: Path, folder: str, passed_over: PassedOver) -> Iterator[Sample]:
    for name in _visible_names(root / folder):
        path, file = f"{folder}/{name}", os.path.join(root, folder, name)
        is_image = _ending(name) in IMAGE_SUFFIXES
        if is_image and os.path.isfile(file):
            yield Sample(path, folder)
        elif os.path.isdir(file):
            passed_over.add("nested in another folder", path)
        else:
            passed_over.add(f"{_kind(name)} that is not a file" if is_image else _kind(name), path)


def _visible_names(folder: Path) -> list[str]:
    """List a folder in the order of normalized names, so that all systems draw alike."""
    names = (name for name in os.listdir(folder) if not _is_hidden(name))
    return sorted(names, key=lambda name: (normalized(name), name))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _FILES_OF_SYSTEMS


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _kind(name: str) -> str:
    return _ending(name) or "without an ending"
