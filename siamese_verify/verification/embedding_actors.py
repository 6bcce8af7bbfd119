"""`write_by_actors`: shards of embeddings by several processes, on one machine or a cluster of Ray.

Ray Data hands each block of the table to an actor, which has loaded the model once. If an actor
dies, Ray starts another, and hands it the same block.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow
import ray
import ray.data

from siamese_verify.data.sample_blocks import SampleBlock
from siamese_verify.messages import shown
from siamese_verify.verification.embedding_files import file_of
from siamese_verify.verification.shard_embedder import ShardEmbedder

_MOST_TRIES = 3


def write_by_actors(
    embed: ShardEmbedder, blocks: Iterable[SampleBlock], workers: int
) -> Iterator[int]:
    """Write blocks as shards.

    Args:
        embed: Model and folder. Every actor gets a copy.
        blocks: Blocks of the table. They wait in Ray's object store.
        workers: Number of actors.

    Yields:
        Number of rows of each block, once it is finished.

    Raises:
        RuntimeError: If actors have died of the same block again and again.
    """
    with _started():
        cpus = ray.cluster_resources().get("CPU", 1)
        gpus = ray.cluster_resources().get("GPU", 0)
        waiting = [ray.put(_as_table(block)) for block in blocks]
        written = ray.data.from_arrow_refs(waiting).map_batches(
            _Actor,
            batch_format="pyarrow",
            fn_constructor_args=(embed, uuid.uuid4().hex),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=min(1, cpus / workers),
            num_gpus=min(1, gpus / workers) or None,
        )
        for row in written.iter_rows():
            yield row["rows"]


class _Actor:
    """Process that has loaded the model once, and writes one block after another."""

    def __init__(self, embed: ShardEmbedder, run: str):
        embed.check_same_model()
        self._embed, self._run = embed, run

    def __call__(self, table: pyarrow.Table) -> pyarrow.Table:
        """Write the shard of a block."""
        (row,) = table.to_pylist()
        block = SampleBlock(**row)
        tries = file_of(self._embed.folder, block.number).with_suffix(f".{self._run}")
        _note(tries, block)
        self._embed.write(block)
        tries.unlink(missing_ok=True)
        return pyarrow.table({"rows": [len(block.paths)]})


def _note(tries: Path, block: SampleBlock) -> None:
    """Note that a process begins with a block. Ray would try it again without end."""
    tries.parent.mkdir(parents=True, exist_ok=True)
    with tries.open("ab") as file:
        file.write(b".")
        n_tries = file.tell()
    if n_tries > _MOST_TRIES:
        tries.unlink(missing_ok=True)
        raise RuntimeError(
            f"{_MOST_TRIES} processes have died of the same {len(block.paths):,} images. Their "
            "memory may be short, or a decoder may fail on an image. Finished shards are kept. "
            "Use fewer workers, or embed these images without workers to find out. "
            f"Received: images from {shown(repr(block.paths[0]))} to {shown(repr(block.paths[-1]))}"
        )


def _as_table(block: SampleBlock) -> pyarrow.Table:
    """Put a block into one row, which Ray never divides."""
    return pyarrow.Table.from_pylist([block._asdict()], _SCHEMA)


_SCHEMA = pyarrow.schema(
    [
        ("number", pyarrow.int64()),
        ("paths", pyarrow.list_(pyarrow.string())),
        ("identities", pyarrow.list_(pyarrow.string())),
    ]
)


@contextlib.contextmanager
def _started() -> Iterator[None]:
    """Connect to the cluster that Ray finds or start one here, unless Ray is in use already."""
    context = ray.data.DataContext.get_current()
    had_bars, context.enable_progress_bars = context.enable_progress_bars, False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    is_ours = not ray.is_initialized()
    if is_ours:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars = had_bars
        if is_ours:
            ray.shutdown()
