"""Decoding of many files on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import keras

from siamese_verify.data.decoding import ImageError, upright_jpeg
from siamese_verify.data.jpeg_graph import jpeg_graph
from siamese_verify.data.preprocessing import Pixels, Preprocessing
from siamese_verify.data.reading import read_image_file
from siamese_verify.files import PathLike
from siamese_verify.lazy_tensorflow import tf

Failures: TypeAlias = dict[int, Exception]
"""Errors of the files that cannot be used, by their places among the paths."""

_FILES = 32
"""Number of files that one thread reads in a task."""
_CHUNK = 64
"""Number of images per step of the progress bar."""


def without_autotuning(data: tf.data.Dataset) -> tf.data.Dataset:
    """Turn off TensorFlow's autotuning, for whose end every iteration would wait seconds."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def reader(paths: Sequence[PathLike], preprocessing: Preprocessing) -> Callable[[int], bytes]:
    """Return a function from a place among the paths to the contents of its file."""
    return lambda row: read_image_file(paths[row], preprocessing)


def errors_of(read: Callable[[int], object], rows: Sequence[int]) -> Failures:
    """Read files in threads, and return the errors of the files that cannot be used."""

    def of_part(part: Sequence[int]) -> Failures:
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
        return {row: error for found in pool.map(of_part, parts) for row, error in found.items()}


def decode_files(
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
