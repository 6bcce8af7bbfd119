"""`SharedBatches`: how the processes of a group divide the batches of `fit` among each other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from siamese_verify.data.batching import Stream, streams_of
from siamese_verify.data.shares import WHOLE, Share
from siamese_verify.lazy_tensorflow import tf


class SharedBatches(keras.distribution.DataParallel):
    """Keras's data parallelism, where each process reads its share of each batch.

    JAX divides an array over devices only in equal parts. A last batch that has no equal parts is
    read whole by each process, and each device computes all of it.

    Args:
        process: Number of this process, from 0.
        n_processes: Number of processes.
        agree: `ProcessGroup.agree`.
    """

    def __init__(
        self, process: int, n_processes: int, agree: Callable[[str, Callable[[], bytes]], None]
    ):
        super().__init__()
        self.agree = agree
        self.share = Share(process, n_processes, self.num_model_replicas)
        self.is_divided = True
        """Whether the batch that Keras has got last is divided."""

    def distribute_dataset(self, dataset: tf.data.Dataset) -> OwnBatches:
        """Return the share of this process. Keras calls it with each data set of `fit`."""
        return OwnBatches(dataset, self)

    def get_data_layout(self, data_shape: tuple[int, ...]) -> _LayoutOfEachBatch:
        """Return the layout of arrays of such a shape."""
        return _LayoutOfEachBatch(self, super().get_data_layout(data_shape))


class _LayoutOfBatch(keras.distribution.TensorLayout):
    """Layout that Keras looks up for each batch: divided, or whole on each device."""

    def __init__(self, batches: SharedBatches, divided: keras.distribution.TensorLayout):
        super().__init__(divided.axes, divided.device_mesh)
        self._batches, self._divided = batches, divided
        self._whole = keras.distribution.TensorLayout([None] * len(divided.axes))
        self._whole.device_mesh = divided.device_mesh

    @property
    def backend_layout(self) -> Any:
        """JAX's sharding of the batch that comes next."""
        return (self._divided if self._batches.is_divided else self._whole).backend_layout


class _LayoutOfEachBatch(_LayoutOfBatch):
    """Layout that Keras looks up once, with the first batch of an epoch."""

    @property
    def backend_layout(self) -> Any:
        """A layout that is looked up again for each batch."""
        return _LayoutOfBatch(self._batches, self._divided)


class OwnBatches:
    """The share of one process of a dataset's batches, in place of a `tf.data.Dataset`.

    Batches of this library's data sets are read by share, also after `.map`, `.prefetch`, `.take`
    and `.zip`. Each process reads all other batches whole, and keeps its share.

    Raises:
        ValueError: If full batches cannot be divided, or if `.map` changes their number of rows.
        ProcessGroupError: If the processes read different data.
    """

    def __init__(self, dataset: tf.data.Dataset, batches: SharedBatches):
        self._dataset, self._batches, self._share = dataset, batches, batches.share
        self._streams = streams_of(dataset)
        self._agree([(stream.fingerprint, stream.next_epoch) for stream in self._streams])
        if len({(stream.length, stream.batch_size) for stream in self._streams}) > 1:
            raise ValueError(
                "The data sets that are joined for `fit` must have as many entries and equal "
                "batches, so that processes can share them. "
                f"Received: {[(stream.length, stream.batch_size) for stream in self._streams]}"
            )
        for stream in self._streams:
            if stream.batch_size < stream.length and not self._share.divides(stream.batch_size):
                raise _indivisible(stream.batch_size, self._share)

    def _agree(self, data: Any) -> None:
        # Otherwise, processes with other data would train a wrong model or wait for each other.
        self._batches.agree(
            "the data of `fit` or `evaluate`",
            lambda: repr((data, int(self.cardinality()))).encode(),
        )

    def __iter__(self) -> Iterator[Any]:
        for stream in self._streams:
            stream.share = self._share
        try:
            yield from self._read() if self._streams else self._cut()
        finally:
            for stream in self._streams:
                stream.share = WHOLE

    def _read(self) -> Iterator[Any]:
        """Yield batches of which the streams have read the share."""
        stream, rows_each = self._streams[0], None
        for number, batch in enumerate(self._dataset):
            n = stream.entries(number)
            own = self._share.of(n)
            rows = np.array([len(part) for part in keras.tree.flatten(batch)])
            if rows_each is None:
                rows_each = rows // (own.stop - own.start)
            if not np.array_equal(rows, rows_each * (own.stop - own.start)):
                raise _rows_changed(rows.tolist(), number, stream)
            self._batches.is_divided = self._share.divides(n)
            yield batch

    def _cut(self) -> Iterator[Any]:
        """Yield the share of batches that are whole."""
        for number, batch in enumerate(self._dataset):
            parts = keras.tree.flatten(batch)
            n = len(parts[0])
            if any(len(part) != n for part in parts):
                raise ValueError(
                    "The parts of a batch must have the same length, so that processes can share "
                    f"it. Received: lengths {[len(part) for part in parts]} in batch {number}"
                )
            if number == 0:
                full = n
                self._agree(
                    [hashlib.sha256(np.asarray(part).tobytes()).hexdigest() for part in parts]
                )
            self._batches.is_divided = self._share.divides(n)
            if n == full and number and not self._batches.is_divided:
                raise _indivisible(n, self._share)
            own = self._share.of(n)
            yield keras.tree.map_structure(lambda part, own=own: part[own], batch)

    def cardinality(self) -> Any:
        """Return the number of batches, as `tf.data` does."""
        return self._dataset.cardinality()

    @property
    def element_spec(self) -> Any:
        """Shapes and types of the batches."""
        return self._dataset.element_spec


def _indivisible(batch_size: int, share: Share) -> ValueError:
    return ValueError(
        "`batch_size` must be divisible by the number of devices of all processes, so that each "
        "device computes an equal part. "
        f"Received: batch_size={batch_size} for {share.divisor} devices"
    )


def _rows_changed(rows: list[int], number: int, stream: Stream) -> ValueError:
    return ValueError(
        "A function of `.map` has changed the number of rows of a batch, so processes cannot share "
        "it. Keep the rows, or multiply their number by the same factor in each batch. "
        f"Received: {rows} rows in batch {number}, batch_size={stream.batch_size}"
    )
