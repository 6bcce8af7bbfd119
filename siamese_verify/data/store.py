"""Pixels of many images: decoded once, on all cores, and kept in memory or in a cache."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from siamese_verify.data import image_cache
from siamese_verify.data.decoding import ImageError, upright_jpeg
from siamese_verify.data.formats import DECODING
from siamese_verify.data.image_cache import CacheWriter, ImageCache
from siamese_verify.data.preprocessing import Pixels, Preprocessing, jpeg_graph
from siamese_verify.data.reading import read_image_file
from siamese_verify.data.segments import Keys, Segment
from siamese_verify.data.stored_images import Images, StoredImages
from siamese_verify.files import PathLike
from siamese_verify.messages import listed_in_lines, shown

Cache: TypeAlias = PathLike | ImageCache
OnError: TypeAlias = Literal["raise", "skip"]
Failures: TypeAlias = dict[int, Exception]
"""Errors of the files that cannot be used, by their places among the paths."""

_CHUNK = 64
"""Number of images per step of the progress bar."""
_BLOCK = 1024
_FILES = 32
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


def without_autotuning(data: tf.data.Dataset) -> tf.data.Dataset:
    """Turn off TensorFlow's autotuning, for whose end every iteration would wait seconds."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


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

    failures = _decode(
        range(len(paths)), paths, preprocessing, _reader(paths, preprocessing), save, verbose
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
    settings, shape = _digest_settings(preprocessing), preprocessing.shape
    keys = np.zeros(len(paths), "S16")
    read = _reader(paths, preprocessing)

    def read_and_note(row: int) -> bytes:
        contents = read(row)
        keys[row] = hashlib.blake2b(contents, digest_size=16).digest()
        return contents

    def save(row: int, image: Pixels) -> None:
        writer.add(keys[row], image)

    failures: Failures = {}
    for start in range(0, len(paths), _BLOCK):
        block = range(start, min(start + _BLOCK, len(paths)))
        failures |= _errors(read_and_note, block)
    _check_size(keys, math.prod(shape), cache)
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
            failures |= _decode(
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


def _reader(paths: Sequence[PathLike], preprocessing: Preprocessing) -> Callable[[int], bytes]:
    return lambda row: read_image_file(paths[row], preprocessing)


def _errors(read: Callable[[int], object], rows: Sequence[int]) -> Failures:
    """Read files in threads, and return the errors of the files that cannot be used."""

    def errors_of(part: Sequence[int]) -> Failures:
        failures: Failures = {}
        for row in part:
            try:
                read(row)
            except (ImageError, OSError) as error:
                failures[row] = error
        return failures

    # A task for each file would take longer than to read a small file.
    parts = [rows[start : start + _FILES] for start in range(0, len(rows), _FILES)]
    with ThreadPoolExecutor() as pool:
        return {row: error for found in pool.map(errors_of, parts) for row, error in found.items()}


def _decode(
    rows: Sequence[int],
    paths: Sequence[PathLike],
    preprocessing: Preprocessing,
    read: Callable[[int], bytes],
    save: Callable[[int, Pixels], None],
    verbose: bool,
) -> Failures:
    """Decode upright JPEGs in a graph, whose threads need no Python, and other files one by one.

    Args:
        rows: Places of the files among the paths.
        paths: Paths of all files.
        preprocessing: Preprocessing of the images.
        read: Function from a place to the contents of the file.
        save: Function that receives a place and its pixels, from one of two threads.
        verbose: Whether to show a progress bar.

    Returns:
        The errors of the files that cannot be used.
    """
    progress = keras.utils.Progbar(len(rows), unit_name="image") if verbose and rows else None
    failures: Failures = {}
    in_graph: set[int] = set()
    aborted: list[BaseException] = []

    def decode_one(row: int) -> bytes | None:
        """Decode and save a file, or return its contents for the graph."""
        try:
            contents = read(row)
            if _is_for_graph(contents, paths[row], preprocessing):
                return contents
            pixels = preprocessing.decode(contents, os.fspath(paths[row]))
        except (ImageError, OSError) as error:
            failures[row] = error
            return None
        save(row, pixels)
        return None

    def jpegs() -> Iterator[tuple[int, bytes]]:
        try:
            for done, row in enumerate(rows, start=1):
                contents = decode_one(row)
                if contents is not None:
                    in_graph.add(row)
                    yield row, contents
                if progress and (done % _CHUNK == 0 or done == len(rows)):
                    progress.update(done)
        except BaseException as error:  # A data set would raise another one.
            aborted.append(error)

    graph = jpeg_graph(preprocessing)
    signature = tf.TensorSpec((), tf.int64), tf.TensorSpec((), tf.string)
    decoded = without_autotuning(
        tf.data.Dataset.from_generator(jpegs, output_signature=signature)
        .map(lambda row, contents: (row, graph(contents)), tf.data.AUTOTUNE)
        .ignore_errors()
        .batch(_CHUNK)
        .prefetch(1)
    )
    for numbers, images in decoded.as_numpy_iterator():
        for row, image in zip(numbers.tolist(), images, strict=True):
            save(row, image)
            in_graph.discard(row)
    if aborted:
        raise aborted[0]
    # The graph does not say why it cannot decode a file.
    for row in sorted(in_graph):
        try:
            image = preprocessing.decode(read(row), os.fspath(paths[row]))
        except (ImageError, OSError) as error:
            failures[row] = error
        else:
            save(row, image)
    return failures


def _is_for_graph(contents: bytes, path: PathLike, preprocessing: Preprocessing) -> bool:
    if preprocessing.align is not None:
        return False
    header = upright_jpeg(contents, os.fspath(path), preprocessing.max_pixels)
    height, width = preprocessing.center_crop or (0, 0)
    return header is not None and header.height >= height and header.width >= width


def _check_size(keys: Keys, image_bytes: int, cache: ImageCache) -> None:
    needed = len(np.unique(keys)) * image_bytes
    if needed > cache.max_bytes:
        raise ValueError(
            f"The decoded images need {needed:,} bytes, more than their cache may hold. Pass "
            "cache=ImageCache(folder, max_bytes=...) with a larger size. "
            f"Received: max_bytes={cache.max_bytes:,}"
        )


def _digest_settings(preprocessing: Preprocessing) -> str:
    """Compute a digest of everything that the pixels depend on, except the file."""
    settings = [DECODING, tf.__version__, preprocessing.to_dict()]
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without(
    count: int, failures: Mapping[int, object]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the places that are not among the failures."""
    return np.delete(np.arange(count), list(failures))
