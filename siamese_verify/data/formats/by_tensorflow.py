"""Decoding by TensorFlow, where it is imported."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from siamese_verify.data.formats import pillow
from siamese_verify.lazy_tensorflow import tf
from siamese_verify.messages import shown


def jpeg(contents: bytes) -> npt.NDArray[np.uint8]:
    """Decode a JPEG to RGB."""
    with _as_value_errors():
        return np.asarray(jpeg_in_graph(contents))


def jpeg_in_graph(contents: tf.Tensor) -> tf.Tensor:
    """Decode a JPEG to RGB, also in a graph. The contents need nothing more than that."""
    return tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")


def png(contents: bytes, channels: int) -> npt.NDArray[np.uint8]:
    """Decode a PNG to RGB or RGBA. Grey is not asked for, because gamma would be applied."""
    with _as_value_errors():
        return np.asarray(tf.io.decode_png(contents, channels))


def bmp(contents: bytes) -> npt.NDArray[np.uint8]:
    """Decode a plain BMP to grey, RGB or RGBA."""
    with _as_value_errors():
        return np.asarray(tf.io.decode_bmp(contents))


def gif(contents: bytes) -> npt.NDArray[np.uint8]:
    """Decode a GIF of one frame, whose palette are the greys, to `(height, width)`."""
    with _as_value_errors():
        return np.asarray(tf.io.decode_gif(contents))[0, ..., 0]


def webp(contents: bytes) -> npt.NDArray[np.uint8]:
    """Decode a WebP of one frame to RGB or RGBA, by Pillow if this TensorFlow cannot."""
    if not hasattr(tf.io, "decode_webp"):
        return pillow.decode_as_stored(pillow.read_header(contents))
    with _as_value_errors():
        return np.asarray(tf.io.decode_webp(contents))[0]


@contextlib.contextmanager
def _as_value_errors() -> Iterator[None]:
    """Raise TensorFlow's errors as a `MemoryError`, or as a `ValueError` with the reason."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(shown(error.message)) from error
    except tf.errors.OpError as error:
        raise ValueError(_reason(error.message)) from error


def _reason(message: str) -> str:
    """Shorten an error to the reason, without TensorFlow's stack, operation and node names."""
    lines = [line for line in message.splitlines() if not line.startswith("\t [[")]
    reason = re.sub(r"\{\{.*?\}\}|\[Op:.*|assertion failed:|[\[\]]", "", lines[-1] if lines else "")
    return shown(" ".join(reason.split())) or "the decoder does not say why"
