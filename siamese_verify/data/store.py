"""Pixels of many images: decoded once, on all cores, and kept in memory or in a cache."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from siamese_verify.data import image_cache
from siamese_verify.data.decoding import ImageError
from siamese_verify.data.file_decoding import Failures, decode_files, errors_of, reader
from siamese_verify.data.formats import DECODING
from siamese_verify.data.image_cache import CacheWriter, ImageCache
from siamese_verify.data.preprocessing import Pixels, Preprocessing
from siamese_verify.data.segments import Keys, Segment, segment_size
from siamese_verify.data.skipping import OnError
from siamese_verify.data.stored_images import Images, StoredImages
from siamese_verify.files import PathLike
from siamese_verify.lazy_tensorflow import tf
from siamese_verify.messages import listed_in_lines, shown

Cache: TypeAlias = PathLike | ImageCache
_BLOCK = 1024
"""Number of files that are handed to the threads at once."""


def load_images(
    paths: Sequence[PathLike],
    preprocessing: Preprocessing,
    *,
    cache: Cache | None = None,
    on_error: OnError = "raise",
    verbose: bool = True,
) -> tuple[Images, Failures]:
    """Decode and resize images on all cores, or find them in a cache.

    Args:
        paths: Paths of the files.
        preprocessing: Preprocessing of the images.
        cache: Folder or `ImageCache` that keeps the decoded images. An image is found there by the
            contents of its file, which is read each time. So a changed image is never mistaken for
            its old version. Without `cache`, the pixels are kept in memory.
        on_error: `"raise"`, or `"skip"` to leave out the files that cannot be used.
        verbose: Whether to show a progress bar.

    Returns:
        The images, uint8 `(n, height, width, channels)`: an array, or `StoredImages` with `cache`.
        Also the error of each file that is left out, by its place in `paths`.

    Raises:
        ImageError: If a file cannot be used (see `read_image`). Names the file, or the first ten
            of several.
        OSError: If the only such file cannot be read, or the disk is too full for the cache.
        ValueError: If the images are larger than the cache may be.
    """
    if cache is None:
        images, failures = _in_memory(paths, preprocessing, verbose)
    else:
        cache = cache if isinstance(cache, ImageCache) else ImageCache(cache)
        images, failures = _through_cache(paths, preprocessing, cache, verbose)
    if failures and on_error == "raise":
        raise _error_of(failures, len(paths))
    return images, dict(sorted(failures.items()))


def _error_of(failures: Failures, n_files: int) -> Exception:
    if len(failures) == 1:
        (error,) = failures.values()
        return error
    reasons = listed_in_lines(list(failures.values()), lambda error: shown(error, longest=500))
    return ImageError(
        f"{len(failures):,} of {n_files:,} images cannot be read:{reasons}\n"
        "Correct or remove these files, or leave them out with on_error='skip'."
    )


def _in_memory(
    paths: Sequence[PathLike], preprocessing: Preprocessing, verbose: bool
) -> tuple[Images, Failures]:
    pixels = np.empty((len(paths), *preprocessing.shape), np.uint8)

    def save(row: int, image: Pixels) -> None:
        pixels[row] = image

    failures = decode_files(
        range(len(paths)), paths, preprocessing, reader(paths, preprocessing), save, verbose
    )
    if not failures:
        return pixels, failures
    good = _without(len(paths), failures)
    for start in range(0, len(good), _BLOCK):  # In place, since there may be no room for a copy.
        block = good[start : start + _BLOCK]
        pixels[start : start + len(block)] = pixels[block]
    return pixels[: len(good)], failures


def _through_cache(
    paths: Sequence[PathLike], preprocessing: Preprocessing, cache: ImageCache, verbose: bool
) -> tuple[Images, Failures]:
    settings, shape = digest_of_settings(preprocessing), preprocessing.shape
    keys = np.zeros(len(paths), "S16")
    read = reader(paths, preprocessing)

    def read_and_note(row: int) -> bytes:
        contents = read(row)
        keys[row] = hashlib.blake2b(contents, digest_size=16).digest()
        return contents

    def save(row: int, image: Pixels) -> None:
        writer.add(keys[row], image)

    failures: Failures = {}
    for start in range(0, len(paths), _BLOCK):
        block = range(start, min(start + _BLOCK, len(paths)))
        failures |= errors_of(read_and_note, block)
    _check_size(keys[_without(len(paths), failures)], math.prod(shape), cache)
    segments = _undamaged(cache.segments(settings, shape), keys)
    while True:
        part, row = image_cache.find(keys, segments)
        used = np.unique(part[part >= 0]).tolist()
        files = {segments[i].path for i in used}
        good = _without(len(paths), failures)
        missing = good[part[good] < 0]
        if not len(missing):
            break
        # Files of the same contents are decoded once.
        missing = np.sort(missing[np.unique(keys[missing], return_index=True)[1]])
        with CacheWriter(cache, settings, shape, files) as writer:
            failures |= decode_files(
                missing.tolist(), paths, preprocessing, read_and_note, save, verbose
            )
        segments += writer.segments
    image_cache.note_use(files)
    if not used:
        return np.empty((0, *shape), np.uint8), failures
    place = np.zeros(len(segments), np.int32)
    place[used] = np.arange(len(used))
    parts = [segments[i].pixels for i in used]
    return StoredImages(parts, place[part[good]], row[good]), failures


def _undamaged(segments: list[Segment], keys: Keys) -> list[Segment]:
    """Check the segments that hold wanted images, and remove the files of damaged ones."""
    part, _ = image_cache.find(keys, segments)
    wanted = np.unique(part[part >= 0]).tolist()
    damaged = {segments[i].path for i in wanted if not segments[i].is_undamaged()}
    for path in damaged:
        path.unlink(missing_ok=True)
    rest = [segment for segment in segments if segment.path not in damaged]
    # An image can lie in several segments, so that another one is wanted now.
    return _undamaged(rest, keys) if damaged else rest


def _check_size(keys: Keys, image_bytes: int, cache: ImageCache) -> None:
    # A cache that has no room for a single segment of them could never keep the last one.
    needed = segment_size(len(np.unique(keys)), image_bytes)
    if needed > cache.max_bytes:
        raise ValueError(
            f"The decoded images need {needed:,} bytes, more than their cache may hold. Pass "
            "cache=ImageCache(folder, max_bytes=...) with a larger size. "
            f"Received: max_bytes={cache.max_bytes:,}"
        )


def digest_of_settings(preprocessing: Preprocessing) -> str:
    """Compute a digest of everything that the pixels depend on, except the file."""
    settings = [DECODING, tf.version.VERSION, _pillow_version(), preprocessing.to_dict()]
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _pillow_version() -> str | None:
    try:
        return importlib.metadata.version("pillow")
    except importlib.metadata.PackageNotFoundError:
        return None


def _without(
    count: int, failures: Mapping[int, object]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the places that are not among the failures."""
    return np.delete(np.arange(count), list(failures))
