"""Folders of images: one for each identity. Neither decodes nor needs TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from siamese_verify.checks import check_names
from siamese_verify.data.samples import Sample
from siamese_verify.files import PathLike

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
Samples = dict[str, list[Sample]]  # of each identity


def find_samples(images_root: PathLike, names: Iterable[str] | None) -> Samples:
    """The image files in each folder below `images_root`, sorted; of `names` only, if given.

    Raises:
        TypeError: If `names` is one name.
        FileNotFoundError: If `images_root` holds no folder with an image file, or lacks a name.
    """
    check_names(names)
    identities = {
        folder.name: [
            Sample(f"{folder.name}/{file.name}", folder.name)
            for file in sorted(folder.iterdir())
            if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()
        ]
        for folder in sorted(Path(images_root).iterdir())
        if folder.is_dir()
    }
    identities = {identity: samples for identity, samples in identities.items() if samples}
    if not identities:
        raise FileNotFoundError(
            f"{images_root} holds no folder with an image file: expected a folder for each identity, "
            f"in it files ending in {', '.join(IMAGE_SUFFIXES)}."
        )
    if names is None:
        return identities
    wanted = set(names)
    if missing := sorted(wanted - identities.keys()):
        raise FileNotFoundError(
            f"{images_root} holds no images of {len(missing):,} of the {len(wanted):,} identities "
            f"named: {', '.join(missing[:10])}"
        )
    return {identity: found for identity, found in identities.items() if identity in wanted}


def find_files(images_root: PathLike, samples: Sequence[Sample]) -> list[Path]:
    """The file of each image, all of which must be there.

    Where the named file is absent, one of the same name with another of the known endings counts,
    in small or capital letters, so that LFW's lists serve for PNG files too. A named file of an
    ending that is not known must be there itself.

    Args:
        images_root: The folder that holds a folder for each identity.
        samples: The images.

    Returns:
        Their paths, in order.

    Raises:
        FileNotFoundError: If images are missing: how many, and the first ten paths.
    """
    root, suffixes = Path(images_root), (*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES))
    found, missing = [], []
    for sample in samples:
        path = root / sample.path
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
            f"{len(missing):,} of {len(samples):,} images are missing:{shown}{more}\n"
            "`images_root` must be the folder that holds a folder for each identity. "
            f"Received: images_root={images_root}"
        )
    return found
