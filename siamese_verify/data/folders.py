"""Image files in folders. Nothing is decoded here, and TensorFlow is not needed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from siamese_verify.checks import check_name_list
from siamese_verify.data.samples import Sample, SamplesByIdentity, group_by_identity
from siamese_verify.files import PathLike

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")


def samples_by_identity(
    source: PathLike | Iterable[Sample], identities: Iterable[str] | None = None
) -> SamplesByIdentity:
    """Group the samples of a folder, or listed ones, by identity.

    Args:
        source: Folder that holds one folder of images for each identity, or the samples.
        identities: Names of the identities to keep. By default all.

    Returns:
        The samples of each identity, sorted by identity.

    Raises:
        TypeError: If `identities` is one name, or `source` holds something other than samples.
        ValueError: If two samples have the same path.
        FileNotFoundError: If no folder holds an image file, or an identity has no image.
    """
    check_name_list(identities)
    if isinstance(source, (str, os.PathLike)):
        found = _scan_folders(source)
    else:
        found = group_by_identity(source)
    if identities is None:
        return found
    wanted = set(identities)
    if missing := sorted(wanted - found.keys()):
        raise FileNotFoundError(
            f"{len(missing):,} of the {len(wanted):,} `identities` have no image. "
            "Correct their names, or leave them out. "
            f"Received: {', '.join(missing[:10])} among identities"
        )
    return {identity: samples for identity, samples in found.items() if identity in wanted}


def locate_files(images_root: PathLike, samples: Sequence[Sample]) -> list[Path]:
    """Find the file of each sample.

    Where a file is missing, a file of the same name with another known ending replaces it. So
    LFW's lists, which name JPEG files, also work with PNG files.

    Args:
        images_root: Folder below which the paths of the samples lie.
        samples: The samples.

    Returns:
        One path for each sample, in order.

    Raises:
        ValueError: If a sample's path leads out of `images_root`.
        FileNotFoundError: If files are missing. Lists the first ten.
    """
    wanted = [path_below(images_root, sample) for sample in samples]
    located = [_existing(path) for path in wanted]
    missing = [path for path, file in zip(wanted, located, strict=True) if file is None]
    if missing:
        shown = "".join(f"\n  {path}" for path in missing[:10])
        more = f"\n  and {len(missing) - 10:,} more" if len(missing) > 10 else ""
        raise FileNotFoundError(
            f"{len(missing):,} of {len(samples):,} images are missing:{shown}{more}\n"
            "`images_root` must be the folder that the samples' paths start from. "
            f"Received: images_root={images_root}"
        )
    return [file for file in located if file is not None]


def path_below(images_root: PathLike, sample: Sample) -> Path:
    """Join the root and a sample's path.

    Raises:
        ValueError: If the path is empty, is absolute or holds `..`.

    Examples:
        >>> path_below("scans", Sample("2024/17.png", "Ada")).as_posix()
        'scans/2024/17.png'
    """
    path = Path(sample.path)
    if path.anchor or not path.parts or ".." in path.parts:
        raise ValueError(
            "A sample's path must lead to a file below `images_root`. An absolute path or `..` "
            "could read any file. Write the path relative to `images_root`. "
            f"Received: path={sample.path!r}, images_root={images_root}"
        )
    return Path(images_root) / path


def _scan_folders(images_root: PathLike) -> SamplesByIdentity:
    """List the image files in each folder below the root. Folders and files are sorted."""
    folders = (folder for folder in sorted(Path(images_root).iterdir()) if folder.is_dir())
    found = {folder.name: samples for folder in folders if (samples := _samples_in(folder))}
    if not found:
        raise FileNotFoundError(
            "There is no folder with an image file. The root must hold one folder for each "
            f"identity, with files that end in {', '.join(IMAGE_SUFFIXES)}. "
            f"Received: images_root={images_root}"
        )
    return found


def _samples_in(folder: Path) -> list[Sample]:
    return [
        Sample(f"{folder.name}/{file.name}", folder.name)
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()
    ]


def _existing(path: Path) -> Path | None:
    """Return the file, or one that differs in a known ending only, or None."""
    if path.is_file():
        return path
    # An unknown ending is part of the name: "scan.1" and "scan.2" are not both "scan.jpg".
    if path.suffix.lower() not in ("", *IMAGE_SUFFIXES):
        return None
    suffixes = (*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES))
    others = (path.with_suffix(suffix) for suffix in suffixes)
    return next((other for other in others if other.is_file()), None)
