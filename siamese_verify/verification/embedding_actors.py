"""`write_by_actors`: shards of embeddings by several processes, on one machine or a cluster of Ray.

Ray Data hands each block of the table to an actor, which has loaded the model once. If an actor
dies, Ray starts another, and hands it the same block.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from siamese_verify.data.sample_blocks import SampleBlock
from siamese_verify.messages import shown
from siamese_verify.verification.embedding_files import TRIES, file_of
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
        RuntimeError: If actors have died of the same block again and again, or Ray has ended.
        Exception: The error of an actor.
    """
    import ray.data

    with _started():
        cpus = ray.cluster_resources().get("CPU", 1)
        gpus = ray.cluster_resources().get("GPU", 0)
        waiting = [ray.put(_as_table(block)) for block in blocks]
        written = ray.data.from_arrow_refs(waiting).map_batches(
            _Actor,
            batch_format="pyarrow",
            fn_constructor_args=(embed, os.getcwd(), uuid.uuid4().hex),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=min(1, cpus / workers),
            num_gpus=min(1, gpus / workers) or None,
        )
        try:
            for row in written.iter_rows():
                if row["error"]:
                    raise pickle.loads(row["error"])
                yield row["rows"]
        except ray.exceptions.RayError as error:
            raise RuntimeError(
                "Ray has ended the job. Finished shards are kept, and the same call goes on. "
                f"Received: {shown(str(error).strip().splitlines()[-1])}"
            ) from error


class _Actor:
    """Process that has loaded the model once, and writes one block after another."""

    def __init__(self, embed: ShardEmbedder, cwd: str, run: str):
        self._embed, self._cwd, self._run = embed, cwd, run

    def __call__(self, table: Any) -> Any:
        """Write the shard of a block. Return its number of rows, or an error."""
        import pyarrow

        (row,) = table.to_pylist()
        block = SampleBlock(**row)
        try:
            self._write(block)
            error = b""
        except Exception as raised:  # Ray would wrap it, and hide its type and text.
            error = pickle.dumps(raised)
        return pyarrow.table({"rows": [len(block.paths)], "error": [error]})

    def _write(self, block: SampleBlock) -> None:
        os.chdir(self._cwd)  # The paths of a table may start from there.
        tries = file_of(self._embed.folder, block.number).with_suffix(f"{TRIES}{self._run}")
        _note(tries, block)
        self._embed.check_same_model()
        self._embed.write(block)
        tries.unlink(missing_ok=True)


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


def _as_table(block: SampleBlock) -> Any:
    """Put a block into one row, which Ray never divides."""
    import pyarrow

    names = pyarrow.list_(pyarrow.string())
    columns = [("number", pyarrow.int64()), ("paths", names), ("identities", names)]
    return pyarrow.Table.from_pylist([block._asdict()], pyarrow.schema(columns))


@contextlib.contextmanager
def _started() -> Iterator[None]:
    """Connect to the cluster that Ray finds or start one here, unless Ray is in use already."""
    import ray.data

    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report its use.
    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # It logs errors that are raised too.
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield
    finally:
        ray.shutdown()
