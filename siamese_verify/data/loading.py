"""Images of samples: found, decoded, and left out where they cannot be used, if that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from siamese_verify.data.folders import find_files, locate_files
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.samples import Sample
from siamese_verify.data.skipping import MISSING, OnError, Skipped, check_on_error, reason_of
from siamese_verify.data.store import Cache, load_images
from siamese_verify.data.stored_images import Images
from siamese_verify.files import PathLike


class LoadedSamples(NamedTuple):
    """Pixels of samples."""

    images: Images
    """Pixels of the files, each once."""
    rows: npt.NDArray[np.int64]
    """Row of each sample in `images`, `(n,)`, and -1 for a sample that was left out."""
    skipped: tuple[Skipped, ...]
    """The samples that were left out."""


def load_samples(
    samples: Sequence[Sample],
    images_root: PathLike | None,
    preprocessing: Preprocessing,
    cache: Cache | None,
    on_error: OnError,
    verbose: bool,
) -> LoadedSamples:
    """Find and decode the images of samples.

    Args:
        samples: The samples.
        images_root: Folder that their paths start from.
        preprocessing: Preprocessing of the images.
        cache: As for `load_images`.
        on_error: `"raise"`, or `"skip"` to leave out images that are missing or cannot be used.
        verbose: Whether to show a progress bar.

    Raises:
        ValueError: If `on_error` is something else, or a path leads out of `images_root`.
        FileNotFoundError, ImageError, OSError: If images are missing or cannot be used.
    """
    check_on_error(on_error)
    locate = locate_files if on_error == "raise" else find_files
    located = locate(images_root, samples)
    # Two spellings of a path can lead to one file, which is one image.
    files = [file for file in dict.fromkeys(located) if file is not None]
    images, failures = load_images(
        files, preprocessing, cache=cache, on_error=on_error, verbose=verbose
    )
    is_good = np.ones(len(files), bool)
    is_good[list(failures)] = False
    rows = np.where(is_good, np.cumsum(is_good) - 1, -1)
    place = {file: i for i, file in enumerate(files)}
    of_sample = [-1 if file is None else place[file] for file in located]
    reasons = {-1: MISSING, **{i: reason_of(error) for i, error in failures.items()}}
    skipped = tuple(
        Skipped(sample.path, reasons[i])
        for sample, i in zip(samples, of_sample, strict=True)
        if i in reasons
    )
    # The last row stands for the place -1 of a missing file.
    return LoadedSamples(images, np.append(rows, -1)[of_sample], skipped)


def check_distinct_files(n_samples: int, n_files: int) -> None:
    """Raise a `ValueError` if samples lead to the same files."""
    if repeated := n_samples - n_files:
        raise ValueError(
            "The samples must hold each image once, or an image would be compared with itself. "
            f"Received: {repeated:,} other spellings of paths that lead to the same files"
        )
