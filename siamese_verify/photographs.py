"""Folders of photographs: one for each person. Neither decodes nor needs TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from siamese_verify.checks import check_names
from siamese_verify.files import PathLike
from siamese_verify.lfw_format import Photo

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
People = dict[str, list[str]]  # the files of each person


def find_people(images_root: PathLike, names: Iterable[str] | None) -> People:
    """The image files in each folder below `images_root`, sorted; of `names` only, if given.

    Raises:
        TypeError: If `names` is one name.
        FileNotFoundError: If `images_root` holds no folder with an image file, or lacks a name.
    """
    check_names(names)
    people = {
        folder.name: sorted(
            f.name for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and f.is_file()
        )
        for folder in sorted(Path(images_root).iterdir())
        if folder.is_dir()
    }
    people = {person: files for person, files in people.items() if files}
    if not people:
        raise FileNotFoundError(
            f"{images_root} holds no folder with an image file: expected a folder for each person, "
            f"in it files ending in {', '.join(IMAGE_SUFFIXES)}."
        )
    if names is None:
        return people
    wanted = set(names)
    if missing := sorted(wanted - people.keys()):
        raise FileNotFoundError(
            f"{images_root} holds no photographs of {len(missing):,} of the {len(wanted):,} people "
            f"named: {', '.join(missing[:10])}"
        )
    return {person: files for person, files in people.items() if person in wanted}


def find_photographs(images_root: PathLike, photos: Sequence[Photo]) -> list[Path]:
    """The file of each photograph, all of which must be there.

    Where the named file is absent, one of the same name with another of the known endings counts,
    in small or capital letters, so that LFW's lists serve for PNG files too. A named file of an
    ending that is not known must be there itself.

    Args:
        images_root: The folder that holds a folder for each person.
        photos: The photographs.

    Returns:
        Their paths, in order.

    Raises:
        FileNotFoundError: If photographs are missing: how many, and the first ten paths.
    """
    root, suffixes = Path(images_root), (*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES))
    found, missing = [], []
    for photo in photos:
        path = root / photo.path
        if not path.is_file():
            # "scan.1" and "scan.2" are not both "scan.jpg".
            known = path.suffix.lower() in ("", *IMAGE_SUFFIXES)
            others = (path.with_suffix(suffix) for suffix in suffixes if known)
            existing = next((other for other in others if other.is_file()), None)
            if existing is None:
                missing.append(path)
                continue
            path = existing
        found.append(path)
    if missing:
        shown = "".join(f"\n  {path}" for path in missing[:10])
        more = f"\n  and {len(missing) - 10:,} more" if len(missing) > 10 else ""
        raise FileNotFoundError(
            f"{len(missing):,} of {len(photos):,} photographs are missing:{shown}{more}\n"
            "`images_root` must be the folder that holds a folder for each person. "
            f"Received: images_root={images_root}"
        )
    return found
