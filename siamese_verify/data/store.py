"""Pixels of many images: decoded once, on all cores, and kept in memory or in a cache."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from siamese_verify.data.decoding import ImageError, upright_jpeg
from siamese_verify.data.formats import DECODING
from siamese_verify.data.preprocessing import Pixels, Preprocessing, jpeg_graph
from siamese_verify.data.reading import read_image, read_image_file
from siamese_verify.files import PathLike, replacing
from siamese_verify.messages import shown

_CHUNK = 64
"""Number of images per step of the progress bar."""


def load_images(
    paths: Sequence[PathLike],
    preprocessing: Preprocessing,
    *,
    cache: PathLike | None = None,
    verbose: bool = True,
) -> Pixels:
    """Decode and resize images on all cores, or open the pixels that an earlier call has kept.

    Args:
        paths: Paths of the files.
        preprocessing: Preprocessing of the images.
        cache: Folder for a file of pixels, which is mapped into memory. A later call for the same
            images and settings opens this file and decodes nothing. It still reads the images, so
            that a changed image is never mistaken for its old version. Without `cache`, pixels
            are kept in memory.
        verbose: Whether to show a progress bar.

    Returns:
        uint8 array `(len(paths), height, width, channels)`, read-only with `cache`.

    Raises:
        ImageError: If a file cannot be used (see `read_image`). Names the file.
        OSError: If a file cannot be read, or the disk is too full for the cache.
    """
    shape = (len(paths), *preprocessing.shape)
    if cache is None:
        pixels = np.empty(shape, np.uint8)
        _decode_into(pixels, paths, preprocessing, verbose)
        return pixels
    kept = Path(cache) / f"{_fingerprint(paths, preprocessing)}.npy"
    if not _is_complete(kept, shape):
        with replacing(kept) as unfinished:
            mapped = _map_new(unfinished, shape)
            _decode_into(mapped, paths, preprocessing, verbose)
            mapped.flush()
    opened: Pixels = np.lib.format.open_memmap(kept, "r")
    return opened


def without_autotuning(data: tf.data.Dataset) -> tf.data.Dataset:
    """Turn off TensorFlow's autotuning, for whose end every iteration would wait seconds."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def _decode_into(
    pixels: Pixels, paths: Sequence[PathLike], preprocessing: Preprocessing, verbose: bool
) -> None:
    """Decode upright JPEGs in a graph, whose threads need no Python, and other files one by one."""
    progress = keras.utils.Progbar(len(paths), unit_name="image") if verbose else None
    rows: list[int] = []  # of the JPEGs that the graph gets
    failures: list[Exception] = []

    def jpegs() -> Iterator[bytes]:
        try:
            for row, path in enumerate(paths):
                contents = read_image_file(path, preprocessing)
                if _is_for_graph(contents, path, preprocessing):
                    rows.append(row)
                    yield contents
                else:
                    pixels[row] = preprocessing.decode(contents, os.fspath(path))
                if progress and ((row + 1) % _CHUNK == 0 or row + 1 == len(paths)):
                    progress.update(row + 1)
        except Exception as error:  # A data set would raise another one.
            failures.append(error)

    decoded = without_autotuning(
        tf.data.Dataset.from_generator(jpegs, output_signature=tf.TensorSpec((), tf.string))
        .map(jpeg_graph(preprocessing), tf.data.AUTOTUNE)
        .batch(_CHUNK)
        .prefetch(1)
    )
    done = 0
    try:
        for chunk in decoded.as_numpy_iterator():
            pixels[rows[done : done + len(chunk)]] = chunk
            done += len(chunk)
    except tf.errors.OpError as error:
        # The error does not name the file, so each image of this chunk is decoded on its own.
        for row in rows[done : done + _CHUNK]:
            read_image(paths[row], preprocessing)
        raise ImageError(f"An image cannot be read. {shown(error)}") from error
    if failures:
        raise failures[0]


def _is_for_graph(contents: bytes, path: PathLike, preprocessing: Preprocessing) -> bool:
    if preprocessing.align is not None:
        return False
    header = upright_jpeg(contents, os.fspath(path), preprocessing.max_pixels)
    height, width = preprocessing.center_crop or (0, 0)
    return header is not None and header.height >= height and header.width >= width


def _map_new(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """Map a new file of pixels into memory, whose space on the disk is reserved.

    Raises:
        OSError: If the disk is full. Writing to a mapping could not tell, and ends the process.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, file.tell() + math.prod(shape))
        else:
            for _ in range(shape[0]):
                file.write(bytes(math.prod(shape[1:])))
    return np.lib.format.open_memmap(path, "r+")


def _fingerprint(paths: Sequence[PathLike], preprocessing: Preprocessing) -> str:
    """Compute a digest of everything that the pixels depend on."""

    def digest(path: PathLike) -> bytes:
        return hashlib.sha256(read_image_file(path, preprocessing)).digest()

    settings = [DECODING, tf.__version__, preprocessing.to_dict()]
    everything = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    with ThreadPoolExecutor() as pool:
        for part in pool.map(digest, paths):
            everything.update(part)
    return everything.hexdigest()[:32]


def _is_complete(kept: Path, shape: tuple[int, ...]) -> bool:
    """Tell whether the cache holds such a file, undamaged."""
    if not kept.is_file():  # Opening a pipe would wait for its writer.
        return False
    try:
        pixels = np.lib.format.open_memmap(kept, "r")
    except Exception:  # A damaged file can raise anything, and is written again.
        return False
    return pixels.shape == shape and pixels.dtype == np.uint8
