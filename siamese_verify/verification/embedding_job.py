"""`write_embeddings`: the images of a table, embedded into shards by one process or by many."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras

from siamese_verify.checks import whole_number
from siamese_verify.data.folders import samples_by_identity
from siamese_verify.data.sample_blocks import SampleBlock, read_sample_blocks
from siamese_verify.data.shard_index import ShardError
from siamese_verify.data.skipping import SKIPPED, warn_of_skipped, write_skipped
from siamese_verify.data.tables import is_table
from siamese_verify.files import PathLike
from siamese_verify.messages import shown
from siamese_verify.verification.embedder import Embedder
from siamese_verify.verification.embedding_actors import write_by_actors
from siamese_verify.verification.embedding_files import (
    PATTERN,
    TRIES,
    file_of,
    need_pyarrow,
    read_facts,
)
from siamese_verify.verification.embedding_shards import EmbeddingShards
from siamese_verify.verification.gallery import Gallery
from siamese_verify.verification.looks import Looks
from siamese_verify.verification.shard_embedder import ShardEmbedder


def write_embeddings(
    embedder: Embedder,
    looks: Looks | None,
    source: Any,
    folder: PathLike,
    *,
    columns: dict[str, str],
    images_root: PathLike | None,
    images_per_shard: int,
    workers: int | None,
    verbose: bool,
) -> EmbeddingShards:
    """Embed the images of a table (see `Verifier.write_embeddings`)."""
    size = whole_number("images_per_shard", images_per_shard)
    if workers is not None:
        workers = whole_number("workers", workers)
    _check_extras(workers)
    if not is_table(source):
        images_root = source if isinstance(source, (str, os.PathLike)) else images_root
        source = _as_table(source)

    def blocks() -> Iterator[SampleBlock]:
        return read_sample_blocks(source, size, **columns)

    own = embedder.empty_gallery()
    folder = Path(folder)
    embed = ShardEmbedder(embedder, own, looks, folder, images_root)
    plan = _plan(blocks(), folder, own)
    progress = keras.utils.Progbar(plan.n_rows, unit_name="image") if verbose else None
    done = plan.n_rows - plan.n_pending
    waiting = (block for block in blocks() if block.number in plan.pending)
    written: Iterator[int]
    if workers is None or not plan.pending:
        written = (len(block.paths) for block in waiting if embed.write(block))
    else:
        written = write_by_actors(embed, waiting, min(workers, len(plan.pending)))
    for n_rows in written:
        done += n_rows
        if progress:
            progress.update(done)
    return _completed(folder, own, plan)


class _Plan(NamedTuple):
    digests: list[str]
    """Digest of the rows of each shard."""
    n_rows: int
    pending: frozenset[int]
    """Numbers of the shards to write, or to try again for images that were left out."""
    n_pending: int
    """Number of rows of these shards."""


def _plan(blocks: Iterable[SampleBlock], folder: Path, own: Gallery) -> _Plan:
    """Tell which shards are done, and check that they are of this table and this model."""
    digests, n_rows, pending, n_pending = [], 0, set(), 0
    for block in blocks:
        digests.append(block.digest())
        n_rows += len(block.paths)
        shard = read_facts(file_of(folder, block.number), own)
        if shard and shard.rows != digests[-1]:
            raise _of_other_table(file_of(folder, block.number))
        if shard is None or shard.skipped:
            pending.add(block.number)
            n_pending += len(block.paths)
    own_files = {file_of(folder, number) for number in range(len(digests))}
    if others := sorted({*folder.glob(PATTERN)} - own_files):
        raise _of_other_table(others[0])
    return _Plan(digests, n_rows, frozenset(pending), n_pending)


def _completed(folder: Path, own: Gallery, plan: _Plan) -> EmbeddingShards:
    """Write the index, and the table of the images that were left out."""
    found = [read_facts(file_of(folder, number), own) for number in range(len(plan.digests))]
    for number, (shard, digest) in enumerate(zip(found, plan.digests, strict=True)):
        if shard is None or shard.rows != digest:
            raise _of_other_table(file_of(folder, number))
    shards = EmbeddingShards(folder, own, tuple(filter(None, found)))
    if not len(shards):
        raise ValueError(
            "No image can be used. Check `images_root`, the folder that the paths start from. "
            f"Received: {plan.n_rows:,} images, the first with the reason: "
            f"{shown(shards.skipped[0].path)}: {shown(shards.skipped[0].reason)}"
        )
    for note in folder.glob(f"embeddings-*{TRIES}*"):  # A killed job left it.
        note.unlink(missing_ok=True)
    warn_of_skipped(shards.skipped, plan.n_rows)
    if shards.skipped:
        write_skipped(shards.skipped, folder / SKIPPED)
    else:
        (folder / SKIPPED).unlink(missing_ok=True)
    shards.write_index()
    return shards


def _of_other_table(file: Path) -> ShardError:
    return ShardError(
        f"{shown(file)} does not hold the rows that the table has there. The "
        "table or the number of images per shard has changed. Use the same table and number, "
        f"choose another folder, or remove this one. Received: folder={shown(file.parent)}"
    )


def _as_table(source: Any) -> dict[str, list[str]]:
    """List the samples of a folder, or listed ones, as columns."""
    grouped = samples_by_identity(source)
    samples = [sample for each in grouped.values() for sample in each]
    return {"path": [s.path for s in samples], "identity": [s.identity for s in samples]}


def _check_extras(workers: int | None) -> None:
    need_pyarrow()
    if workers is not None and importlib.util.find_spec("ray") is None:
        raise ImportError(
            "Several processes embed through Ray, which is not installed. Run: "
            "pip install 'siamese-verify[scale]', or leave out `workers`. "
            f"Received: workers={workers}"
        )
