"""`ShardedImages`: labelled images that are streamed from files, one after another."""

from __future__ import annotations

import collections
import copy
import math
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

import numpy as np

from siamese_verify.checks import is_whole_number, whole_number
from siamese_verify.data.batching import (
    Indices,
    Labels,
    check_buffer,
    check_per_identity,
    dataset_of,
)
from siamese_verify.data.own_augmentation import Augment, as_augmentation
from siamese_verify.data.preprocessing import Pixels
from siamese_verify.data.shard_buffer import ShuffleBuffer, Units, chosen_rows
from siamese_verify.data.shard_index import Shard, ShardError, ShardIndex, file_in
from siamese_verify.data.shard_records import encoded, read_records, sha256_of
from siamese_verify.files import PathLike
from siamese_verify.lazy_tensorflow import tf
from siamese_verify.messages import images_of, shown

_BUFFER_BYTES = 2**29
"""Pixels among which images are shuffled by default."""
_AHEAD = 3
"""Number of files that are read at once, before their images are needed."""


class ShardedImages:
    """Images labelled by identity in many files, which are streamed one after another.

    `write_shards` writes the files. No more than a few of them are in memory at a time. So a data
    set may be larger than the disk of any one machine that trains.

    Attributes:
        identities: Names of all identities, each once, sorted.
        preprocessing: The `Preprocessing` that the images went through. A verifier of a model that
            is trained on them needs the same.
        skipped: The images that were left out when the files were written, a tuple of
            `Skipped(path, reason)`.

    Examples:
        >>> written = write_shards("lfw/lfw2", "shards", Preprocessing((24, 24)), verbose=False)
        >>> images = ShardedImages.open("shards")
        >>> pixels, label = next(iter(images.batches(8, shuffle=True)))
        >>> pixels.shape, pixels.dtype, label.dtype
        (TensorShape([8, 24, 24, 1]), tf.float32, tf.int32)
    """

    def __init__(self, folder: PathLike, index: ShardIndex):
        self._folder, self._shards = os.fspath(folder), index.shards
        self.identities, self.preprocessing = index.identities, index.preprocessing
        self.skipped = index.skipped

    @classmethod
    def open(cls, folder: PathLike) -> Self:
        """Open the images that `write_shards` has written.

        Args:
            folder: Path of the folder. Or its address where TensorFlow reads it, such as
                `gs://bucket/folder`.

        Raises:
            ShardError: If the index or a file is missing, or the index is damaged.
            UnknownAlignError: If this process has not registered the function `align`.
        """
        return cls(folder, ShardIndex.read(folder))

    def __len__(self) -> int:
        return sum(shard.images for shard in self._shards)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({images_of(len(self), len(self.identities))}, "
            f"{len(self._shards):,} files, image_size={self.preprocessing.image_size})"
        )

    @property
    def n_files(self) -> int:
        """Number of files: the largest number of parts."""
        return len(self._shards)

    def part(self, index: int, count: int) -> Self:
        """Return one of `count` parts that share no file, for several processes.

        All parts have the same `identities` and labels. The numbers of their images differ a
        little. Processes that train in step must end an epoch after the same number of batches.

        Args:
            index: Number of the part, from 0.
            count: Number of parts, at most the number of files.

        Raises:
            ValueError: If an argument is out of range.
        """
        if (
            not is_whole_number(index, 0)
            or not is_whole_number(count)
            or not index < count <= len(self._shards)
        ):
            raise ValueError(
                "`index` must be a whole number from 0, below `count`, and `count` at most the "
                "number of files. Write more files with a smaller `images_per_shard`. Received: "
                f"index={shown(repr(index))}, count={shown(repr(count))} of {len(self._shards):,} "
                "files"
            )
        part = copy.copy(self)
        part._shards = self._shards[index::count]
        return part

    def check(self) -> None:
        """Read all files, and compare them with the digests in the index.

        Batches notice damage as well, but only when they reach it.

        Raises:
            ShardError: If a file is missing, or differs from the file that was written.
        """
        for shard in self._shards:
            path = file_in(self._folder, shard.file)
            if sha256_of(path) != shard.sha256:
                raise ShardError(
                    f"{shown(path)} differs from the file that was written. Copy it again, or "
                    "remove it and write it again. "
                    f"Received: another digest than sha256={shown(shard.sha256)}"
                )

    def batches(
        self,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        augment: Augment = False,
        buffer: int | None = None,
        *,
        per_identity: int | None = None,
        initial_epoch: int = 0,
    ) -> tf.data.Dataset:
        """Return the images in batches, for `fit`, as `IdentityDataset.batches` does.

        A file holds all images of its identities, one identity after another. With `shuffle`, each
        epoch reads the files in a random order, and mixes the images of several files in a buffer.
        Without it, a batch holds few identities.

        A run that uses `Resumable` continues at the epoch where it stopped.

        Args:
            batch_size: Number of images in a batch. The last batch may be smaller.
            shuffle: Whether each epoch has its own random order.
            seed: Seed of order, draws and augmentation. The same seed results in the same epochs.
            augment: As for `IdentityDataset.batches`.
            buffer: Number of images among which to shuffle. By default, as many as fit into
                512 MiB.
            per_identity: Number of images of each identity, at least 2, a divisor of `batch_size`.
                An epoch holds each identity once, in P x K batches. An identity with more images
                than a file holds comes once for each of its files.
            initial_epoch: As for `IdentityDataset.batches`.

        Returns:
            A `tf.data.Dataset` of `(images, label)`: float32 images in [0, 1] of shape
            `(batch, height, width, channels)` and int32 labels `(batch,)`, places in `identities`.
            Its iteration raises an error that names the file if one is missing or damaged.

        Raises:
            TypeError: If `augment` is of another type.
            ValueError: If an argument is out of range.
        """
        batch_size = whole_number("batch_size", batch_size)
        check_per_identity(per_identity, batch_size)
        check_buffer(buffer, shuffle)
        shape = self.preprocessing.shape
        if buffer is None:
            buffer = max(1, _BUFFER_BYTES // math.prod(shape))
        together = per_identity or 1
        units = [shard.identities if per_identity else shard.images for shard in self._shards]
        kept = min(buffer // together, sum(units)) if shuffle else 0
        per_batch = batch_size // together
        augmentation = as_augmentation(augment)

        def draw(rng: np.random.Generator) -> Iterator[tuple[Pixels, Indices, Labels]]:
            order = rng.permutation(len(units)) if shuffle else np.arange(len(units))
            blocks = self._read([self._shards[i] for i in order], per_identity, rng)
            mixed = ShuffleBuffer(kept + max(units) + per_batch, (together, *shape))
            for pixels, labels in mixed.batches(blocks, per_batch, kept, rng if shuffle else None):
                yield pixels.reshape(-1, *shape), np.arange(labels.size), labels.ravel()

        def describe() -> Iterator[bytes]:
            settings = (shape, batch_size, int(seed), augmentation, shuffle, buffer, per_identity)
            yield repr((settings, self._shards)).encode("utf-8", "backslashreplace")

        return dataset_of(
            draw,
            sum(units) * together,
            batch_size,
            shape,
            describe,
            seed=seed,
            augmentation=augmentation,
            initial_epoch=initial_epoch,
        )

    def _read(
        self, shards: list[Shard], per_identity: int | None, rng: np.random.Generator
    ) -> Iterator[Units]:
        """Yield the images of files in their order, while the next ones are being read."""
        label_of = {encoded(name): label for label, name in enumerate(self.identities)}
        pool = ThreadPoolExecutor(_AHEAD)
        reading: collections.deque[Future[Units]] = collections.deque()
        try:
            for number in range(len(shards)):
                for shard in shards[number + len(reading) : number + _AHEAD]:
                    reading.append(pool.submit(self._read_shard, shard, label_of))
                pixels, labels = reading.popleft().result()
                rows = chosen_rows(labels, per_identity, rng)
                yield pixels[rows], labels[rows]
        finally:
            pool.shutdown(cancel_futures=True)

    def _read_shard(self, shard: Shard, label_of: dict[bytes, int]) -> Units:
        path = file_in(self._folder, shard.file)
        pixels, names = read_records(path, shard.images, self.preprocessing.shape)
        try:
            labels = np.array([label_of[name] for name in names.tolist()], np.int32)
        except KeyError as error:
            raise ShardError(
                f"{shown(path)} holds an identity that the index does not name. Copy the whole "
                f"folder, or write it again. Received: {shown(error.args[0])}"
            ) from None
        return pixels, labels
