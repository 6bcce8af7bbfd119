"""Decoding: from the contents of an image file to pixels, as a TensorFlow graph."""

from __future__ import annotations

import re

import numpy as np
import tensorflow as tf

from siamese_verify.data.orientation import upright

_PNG, _GIF, _BMP = b"\x89PNG", b"GIF8", b"BM"
_HEADER_BYTES = 54
"""Length of the longest header that is read here, which is a BMP's."""
_GREY_PALETTE = np.repeat(np.arange(256, dtype=np.uint8), 4) * ([1, 1, 1, 0] * 256)


class ImageError(ValueError):
    """Error for a file that cannot be used as an image. Its text names the file and the reason."""


def decode(contents: tf.Tensor, channels: int, max_pixels: int) -> tf.Tensor:
    """Decode a JPEG, PNG or BMP, or the first frame of a GIF.

    A JPEG is turned upright, as its Exif header describes.

    Args:
        contents: Contents of the file, a scalar string.
        channels: 1 (grey) or 3 (RGB). Transparency is dropped.
        max_pixels: Largest number of pixels that the file may hold.

    Returns:
        uint8 tensor `(height, width, channels)`.

    Raises:
        tf.errors.OpError: If the file has another format, is damaged, or exceeds the limit.
    """
    # A branch that is inlined costs time even when it does not run.
    decode_other = tf.function(
        _decode_other, autograph=False, experimental_attributes={"_noinline": True}
    )
    return tf.cond(
        tf.io.is_jpeg(contents),
        lambda: upright(_decode_jpeg(contents, channels, max_pixels), contents),
        lambda: decode_other(contents, channels, max_pixels),
    )


def explain(name: str, error: tf.errors.OpError) -> str:
    """Shorten TensorFlow's message to the reason, without stack, operation and node names."""
    lines = [line for line in str(error.message).splitlines() if not line.startswith("\t [[")]
    reason = re.sub(r"\{\{.*?\}\}|\[Op:.*|assertion failed:|[\[\]]", "", lines[-1])
    return f"{name} cannot be read as an image: {' '.join(reason.split())}"


def center_crop(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Keep the middle of `image`, which must not be smaller."""
    size = tf.shape(image)
    fits = _assert(
        (size[0] >= height) & (size[1] >= width),
        ["smaller than the centre crop: height and width", size[:2], f"where {height} x {width}"],
    )
    with tf.control_dependencies([fits]):
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return image[top : top + height, left : left + width]


def _assert(condition: tf.Tensor, message: list[object]) -> tf.Operation:
    return tf.debugging.Assert(condition, message)


def _starts_with(contents: tf.Tensor, signature: bytes) -> tf.Tensor:
    return tf.strings.substr(contents, 0, len(signature)) == signature


def _decode_jpeg(contents: tf.Tensor, channels: int, max_pixels: int) -> tf.Tensor:
    shape = tf.io.extract_jpeg_shape(contents, tf.int64)
    with tf.control_dependencies([_assert_within(tf.reduce_prod(shape[:2]), max_pixels)]):
        # Decoding to grey costs half, but the decoder cannot do it from CMYK.
        return tf.cond(
            shape[2] == 4,
            lambda: _decode_rgb(contents, channels),
            lambda: tf.io.decode_image(contents, channels, expand_animations=False),
        )


def _decode_other(contents: tf.Tensor, channels: int, max_pixels: int) -> tf.Tensor:
    with tf.control_dependencies(_checks(contents, max_pixels)):
        # Decoding to grey costs half, but the decoders of BMP and GIF cannot do it.
        image = tf.cond(
            _starts_with(contents, _PNG),
            lambda: tf.io.decode_image(contents, channels, expand_animations=False),
            lambda: _decode_rgb(contents, channels),
        )
    # A GIF's frames may be larger than its header says.
    within = _assert(
        tf.reduce_prod(tf.shape(image, tf.int64)[:2]) <= max_pixels,
        [f"over-large: more pixels than its header says, and than max_pixels={max_pixels}"],
    )
    with tf.control_dependencies([within]):
        return tf.identity(image)


def _decode_rgb(contents: tf.Tensor, channels: int) -> tf.Tensor:
    image = tf.io.decode_image(contents, 3, expand_animations=False)
    return tf.image.rgb_to_grayscale(image) if channels == 1 else image


def _assert_within(n_pixels: tf.Tensor, max_pixels: int) -> tf.Operation:
    message = ["over-large: pixels", n_pixels, f"where max_pixels={max_pixels}"]
    return _assert(n_pixels <= max_pixels, message)


def _checks(contents: tf.Tensor, max_pixels: int) -> list[tf.Operation]:
    """Assert what the decoders do not check, or check too late."""
    padded = tf.strings.join([contents, b"\0" * _HEADER_BYTES])
    header = tf.cast(
        tf.io.decode_raw(tf.strings.substr(padded, 0, _HEADER_BYTES), tf.uint8), tf.int64
    )
    n_pixels = _count_pixels(contents, header)
    is_gif, is_bmp = _starts_with(contents, _GIF), _starts_with(contents, _BMP)
    whole = tf.cond(is_gif, lambda: _is_whole_gif(contents), lambda: True)
    plain = tf.cond(is_bmp, lambda: _is_plain_bmp(contents, header), lambda: True)
    return [
        _assert(tf.strings.length(contents) > 0, ["the file is empty"]),
        _assert(n_pixels > 0, ["not a JPEG, PNG, BMP or GIF, or one without size"]),
        _assert_within(n_pixels, max_pixels),
        _assert(whole, ["truncated: the GIF has no end"]),
        _assert(plain, ["a BMP with a palette or compression, which must be saved as PNG"]),
    ]


def _count_pixels(contents: tf.Tensor, header: tf.Tensor) -> tf.Tensor:
    """Compute width times height from the header of a PNG, GIF or BMP, or -1 for other files."""

    def product(start: int, length: int, *, big_endian: bool = False) -> tf.Tensor:
        """Multiply the two integers of `length` bytes that stand at `start`."""
        powers = 256 ** np.arange(length, dtype=np.int64)
        digits = tf.reshape(header[start : start + 2 * length], (2, length))
        sizes = tf.linalg.matvec(digits, powers[::-1] if big_endian else powers)
        # A BMP that is stored from its top has a negative height.
        return tf.reduce_prod(tf.minimum(sizes, 2**32 - sizes))

    return tf.case(
        [
            (_starts_with(contents, _PNG), lambda: product(16, 4, big_endian=True)),
            (_starts_with(contents, _GIF), lambda: product(6, 2)),
            (_starts_with(contents, _BMP), lambda: product(18, 4)),
        ],
        default=lambda: tf.constant(-1, tf.int64),
    )


def _is_whole_gif(contents: tf.Tensor) -> tf.Tensor:
    """Tell whether the GIF has its trailer, since the decoder ignores missing later frames."""
    unpadded = tf.strings.regex_replace(contents, b"\\x00+$", b"")
    return tf.strings.substr(unpadded, -1, 1) == b";"


def _is_plain_bmp(contents: tf.Tensor, header: tf.Tensor) -> tf.Tensor:
    """Tell whether the pixels are colours, since the decoder reads palette indices as grey."""
    bits, compression = header[28], header[30]
    padded = tf.strings.join([contents, b"\0" * 2048])
    palette = tf.strings.substr(padded, tf.cast(14 + header[14], tf.int32), 1024)
    is_grey = palette == tf.constant(_GREY_PALETTE.astype(np.uint8).tobytes())
    is_colour = (bits >= 24) & ((compression == 0) | (compression == 3))
    return is_colour | ((bits == 8) & (compression == 0) & is_grey)
