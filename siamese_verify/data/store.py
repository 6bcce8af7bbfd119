"""Pixels of many images: decoded once, on all cores, and kept in memory or in a cache."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from siamese_verify.data.decoding import ImageError, explain
from siamese_verify.data.preprocessing import Pixels, Preprocessing
from siamese_verify.files import PathLike, replacing

_CHUNK = 64
"""Number of images per step of the progress bar."""
_CACHE_FORMAT = 2
"""Number to raise whenever the same file and settings result in other pixels."""


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
        ImageError: If a file cannot be decoded (see `Preprocessing.decode`). Names the file.
    """
    shape = (len(paths), *preprocessing.shape)
    if cache is None:
        pixels = np.empty(shape, np.uint8)
        _decode_into(pixels, paths, preprocessing, verbose)
        return pixels
    kept = Path(cache) / f"{_fingerprint(paths, preprocessing)}.npy"
    if not _is_complete(kept, shape):
        with replacing(kept) as unfinished:
            mapped = np.lib.format.open_memmap(unfinished, "w+", np.uint8, shape)
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
    names = [os.fsencode(path) for path in paths]
    decoded = without_autotuning(
        tf.data.Dataset.from_tensor_slices(names)
        .map(lambda name: preprocessing.decode_tensor(tf.io.read_file(name)), tf.data.AUTOTUNE)
        .batch(_CHUNK)
        .prefetch(1)
    )
    progress = keras.utils.Progbar(len(names), unit_name="image") if verbose else None
    done = 0
    try:
        for chunk in decoded.as_numpy_iterator():
            pixels[done : done + len(chunk)] = chunk
            done += len(chunk)
            if progress:
                progress.update(done)
    except tf.errors.OpError as error:
        # The error does not name the file, so each image of this chunk is decoded on its own.
        for path in paths[done : done + _CHUNK]:
            preprocessing.decode(Path(path).read_bytes(), os.fspath(path))
        raise ImageError(explain("An image", error)) from error


def _fingerprint(paths: Sequence[PathLike], preprocessing: Preprocessing) -> str:
    """Compute a digest of everything that the pixels depend on."""

    def digest(path: PathLike) -> bytes:
        return hashlib.sha256(Path(path).read_bytes()).digest()

    settings = [_CACHE_FORMAT, tf.__version__, dataclasses.asdict(preprocessing)]
    everything = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    with ThreadPoolExecutor() as pool:
        for part in pool.map(digest, paths):
            everything.update(part)
    return everything.hexdigest()[:32]


def _is_complete(kept: Path, shape: tuple[int, ...]) -> bool:
    """Tell whether the cache holds such a file, undamaged."""
    try:
        pixels = np.lib.format.open_memmap(kept, "r")
    except Exception:  # A damaged file can raise anything, and is written again.
        return False
    return pixels.shape == shape and pixels.dtype == np.uint8
