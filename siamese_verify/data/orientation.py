"""Orientation of JPEGs. A camera may store pixels sideways, and note how to turn them.

The note is the tag Orientation of the Exif header (CIPA DC-008, "Exif", section 4.6.4).
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

_EXIF = b"Exif\0\0"
_SEARCHED_BYTES = 2**18
"""Length of a file's start that is searched. Segments such as Exif precede the pixels."""
_ORIENTATION_TAG = 0x0112
_ENTRY_BYTES = 12
"""Length of a directory entry: tag (2 bytes), type (2), count (4) and value (4)."""


def upright(image: tf.Tensor, contents: tf.Tensor) -> tf.Tensor:
    """Turn a decoded JPEG as its Exif header describes. Without the tag, nothing changes.

    Args:
        image: Pixels `(height, width, channels)`.
        contents: Contents of the file, a scalar string.

    Returns:
        The turned pixels. A quarter turn swaps height and width.
    """
    parts = tf.strings.split(tf.strings.substr(contents, 0, _SEARCHED_BYTES), _EXIF, maxsplit=1)
    # Few files have an Exif header, and a branch that is inlined costs time in every file.
    turned = tf.function(_turned, autograph=False, experimental_attributes={"_noinline": True})
    return tf.cond(tf.size(parts) > 1, lambda: turned(image, parts[1]), lambda: image)


def _turned(image: tf.Tensor, tiff: tf.Tensor) -> tf.Tensor:
    orientation = _read_orientation(tiff)

    def where(orientations: tuple[int, ...], changed: tf.Tensor, same: tf.Tensor) -> tf.Tensor:
        is_one = tf.reduce_any(orientation == tf.constant(orientations, tf.int64))
        return tf.cond(is_one, lambda: changed, lambda: same)

    image = where((5, 6, 7, 8), tf.transpose(image, (1, 0, 2)), image)
    image = where((2, 3, 6, 7), image[:, ::-1], image)
    return where((3, 4, 7, 8), image[::-1], image)


def _read_orientation(tiff: tf.Tensor) -> tf.Tensor:
    """Read the orientation, 1 to 8, from the first directory. Without the tag, it is 1: upright."""
    padded = tf.strings.join([tiff, b"\0" * _ENTRY_BYTES])
    header = tf.cast(tf.io.decode_raw(padded, tf.uint8), tf.int64)
    is_big_endian = tf.strings.substr(padded, 0, 1) == b"M"

    def numbers(digits: tf.Tensor, length: int) -> tf.Tensor:
        powers = 256 ** np.arange(length, dtype=np.int64)
        return tf.reduce_sum(digits * tf.where(is_big_endian, powers[::-1], powers), -1)

    # In a damaged header, the zeros at the end are read, which mean no entries.
    start = tf.minimum(numbers(header[4:8], 4), tf.size(header, tf.int64) - 2)
    count = numbers(header[start : start + 2], 2)
    directory = header[start + 2 : start + 2 + count * _ENTRY_BYTES]
    whole = tf.size(directory) // _ENTRY_BYTES
    entries = tf.reshape(directory[: whole * _ENTRY_BYTES], (-1, _ENTRY_BYTES))
    tags, values = numbers(entries[:, :2], 2), numbers(entries[:, 8:10], 2)
    found = tf.boolean_mask(values, (tags == _ORIENTATION_TAG) & (values >= 1) & (values <= 8))
    return tf.concat([found, tf.ones(1, tf.int64)], 0)[0]
