"""Pixels: decode each image once on all cores, keep them as uint8."""

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

_CHUNK = 64  # images per step of the progress bar
_CACHE_FORMAT = 2  # to be raised whenever the same file and settings give other pixels


def load_images(
    paths: Sequence[PathLike],
    preprocessing: Preprocessing,
    *,
    cache: PathLike | None = None,
    verbose: bool = True,
) -> Pixels:
    """Decodes and resizes images on all cores, or opens what an earlier call has kept.

    Args:
        paths: The files.
        preprocessing: How they are decoded.
        cache: Folder for the pixels. With it, they are kept in a file there and mapped into
            memory; a later call for the same contents and settings opens that file and decodes
            nothing. The contents are read each time, so that a changed image never gives old
            pixels. Without it, pixels are kept in memory.
        verbose: Whether to show a progress bar.

    Returns:
        uint8 array `(len(paths), height, width, channels)`, read-only where it comes from a file.

    Raises:
        ImageError: If a file cannot be decoded; see `Preprocessing.decode`. Names the file.
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


def untuned(data: tf.data.Dataset) -> tf.data.Dataset:
    """`data` as it was built: at the end of a tuned one, TensorFlow waits seconds for its tuner."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def _decode_into(
    pixels: Pixels, paths: Sequence[PathLike], preprocessing: Preprocessing, verbose: bool
) -> None:
    names = [os.fsencode(path) for path in paths]
    decoded = untuned(
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
        # One of this chunk is at fault; decoded on its own, it is named.
        for path in paths[done : done + _CHUNK]:
            preprocessing.decode(Path(path).read_bytes(), os.fspath(path))
        raise ImageError(explain("An image", error)) from error


def _fingerprint(paths: Sequence[PathLike], preprocessing: Preprocessing) -> str:
    """A digest of everything that the pixels depend on."""

    def digest(path: PathLike) -> bytes:
        return hashlib.sha256(Path(path).read_bytes()).digest()

    settings = [_CACHE_FORMAT, tf.__version__, dataclasses.asdict(preprocessing)]
    whole = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    with ThreadPoolExecutor() as pool:
        for part in pool.map(digest, paths):
            whole.update(part)
    return whole.hexdigest()[:32]


def _is_complete(kept: Path, shape: tuple[int, ...]) -> bool:
    try:
        pixels = np.lib.format.open_memmap(kept, "r")
    except Exception:  # However the file is damaged, it is made anew.
        return False
    return pixels.shape == shape and pixels.dtype == np.uint8
