"""Which way up a JPEG is: a camera stores pixels as it was held, and notes how to turn them.

The note is the tag Orientation of an Exif header: CIPA DC-008, "Exif", section 4.6.4.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

_EXIF = b"Exif\0\0"
_WITHIN = 2**18  # bytes of a file, in which segments other than the pixels come first
_ORIENTATION = 0x0112
_ENTRY = 12  # bytes: two of the tag, two of the type, four of the count, four of the value


def upright(image: tf.Tensor, contents: tf.Tensor) -> tf.Tensor:
    """Turns a decoded JPEG as its Exif header tells; as it is, where there is none or no tag.

    Args:
        image: Its pixels `(height, width, channels)`.
        contents: The file's contents, a scalar string.

    Returns:
        The pixels; height and width change places with a turn by a quarter.
    """
    parts = tf.strings.split(tf.strings.substr(contents, 0, _WITHIN), _EXIF, maxsplit=1)
    # Few files have one, and TensorFlow walks through the operations of what is inlined.
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
    """Of the header's first directory: 1 to 8; 1, which is upright, if it does not tell."""
    padded = tf.strings.join([tiff, b"\0" * _ENTRY])
    header = tf.cast(tf.io.decode_raw(padded, tf.uint8), tf.int64)
    is_big_endian = tf.strings.substr(padded, 0, 1) == b"M"

    def numbers(digits: tf.Tensor, length: int) -> tf.Tensor:
        powers = 256 ** np.arange(length, dtype=np.int64)
        return tf.reduce_sum(digits * tf.where(is_big_endian, powers[::-1], powers), -1)

    # Of a damaged header, the zeros at the end are read: no entries.
    start = tf.minimum(numbers(header[4:8], 4), tf.size(header, tf.int64) - 2)
    count = numbers(header[start : start + 2], 2)
    directory = header[start + 2 : start + 2 + count * _ENTRY]
    whole = tf.size(directory) // _ENTRY
    entries = tf.reshape(directory[: whole * _ENTRY], (-1, _ENTRY))
    tags, values = numbers(entries[:, :2], 2), numbers(entries[:, 8:10], 2)
    found = tf.boolean_mask(values, (tags == _ORIENTATION) & (values >= 1) & (values <= 8))
    return tf.concat([found, tf.ones(1, tf.int64)], 0)[0]
