"""Files of decoded images: TFRecord, each record a `tf.train.Example` with a checksum."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from siamese_verify.data.file_decoding import without_autotuning
from siamese_verify.data.preprocessing import Pixels
from siamese_verify.data.samples import Sample
from siamese_verify.data.shard_index import ShardError
from siamese_verify.lazy_tensorflow import tf
from siamese_verify.messages import shown


def write_records(path: Path, images: Pixels, samples: Sequence[Sample]) -> None:
    """Write images with their samples, a record each: pixels, path and identity.

    Raises:
        OSError: If the disk is full, or the file cannot be written otherwise.
    """
    with _as_os_error(path), tf.io.TFRecordWriter(str(path)) as writer:
        for image, sample in zip(images, samples, strict=True):
            features = {
                "image": _bytes(image.tobytes()),
                "path": _bytes(encoded(sample.path)),
                "identity": _bytes(encoded(sample.identity)),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


@contextlib.contextmanager
def _as_os_error(path: Path) -> Iterator[None]:
    """Raise an `OSError` in place of an error of TensorFlow's."""
    try:
        yield
    except tf.errors.OpError as error:
        code = errno.ENOSPC if isinstance(error, tf.errors.ResourceExhaustedError) else errno.EIO
        raise OSError(code, os.strerror(code), os.fspath(path)) from error


def read_records(
    path: str, count: int, shape: tuple[int, ...]
) -> tuple[Pixels, npt.NDArray[np.object_]]:
    """Read the images of a file, and the name of each one's identity, as bytes.

    Args:
        path: Path or address of the file.
        count: Number of its images.
        shape: Shape of an image.

    Raises:
        ShardError: If the file cannot be read, is damaged, or holds other images.
    """
    # One image more than expected would be found too.
    dataset = without_autotuning(tf.data.TFRecordDataset(path).batch(count + 1))
    try:
        images, identities = _parser()(next(iter(dataset)))
    except StopIteration:
        raise _damaged(path, "no images") from None
    except tf.errors.OpError as error:
        # TensorFlow puts names of its nodes around the reason.
        reason = error.message.rpartition("}} ")[2].partition(" [Op:")[0]
        raise _damaged(path, reason) from None
    if images.shape != (count, math.prod(shape)):
        raise _damaged(
            path, f"{len(images):,} images or more, where the index names {count:,} of {shape}"
        )
    return images.numpy().reshape(count, *shape), identities.numpy()


@functools.cache
def _parser() -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Build the graph that finds pixels and identities in records."""
    text = tf.io.FixedLenFeature((), tf.string)

    def parse(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = tf.io.parse_example(records, {"image": text, "identity": text})
        return tf.io.decode_raw(parsed["image"], tf.uint8), parsed["identity"]

    graph: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]] = tf.function(
        parse, input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False
    )
    return graph


def sha256_of(path: str) -> str:
    """Compute the digest of a file.

    Raises:
        ShardError: If it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except tf.errors.OpError as error:
        raise ShardError(
            f"{shown(path)} cannot be read. Received: {shown(error.message)}"
        ) from error
    return digest.hexdigest()


def _damaged(path: str, received: object) -> ShardError:
    return ShardError(
        f"{shown(path)} is missing or damaged, so that its images cannot be read. Copy it again, "
        "or remove it and write it again by write_shards or `siamese-verify shard`. "
        f"Received: {shown(received)}"
    )


def encoded(text: str) -> bytes:
    """Return the bytes by which a record holds a path or the name of an identity."""
    return text.encode("utf-8", "surrogatepass")


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
