"""Files of embeddings, in Parquet: each is whole or absent, and tells which model made it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from siamese_verify.data.shard_index import ShardError
from siamese_verify.data.skipping import Skipped
from siamese_verify.data.table_chunks import pyarrow
from siamese_verify.files import PathLike, open_regular_file, replacing
from siamese_verify.messages import shown
from siamese_verify.names import normalized
from siamese_verify.verification.archive import explaining
from siamese_verify.verification.gallery import DIGEST_SIZE, Gallery

FORMAT = 1
IMAGES_PER_SHARD = 16_384
"""Default number of rows of a shard: little is lost when a process is killed, and files are few."""
PATTERN = "embeddings-*.parquet"
"""Names of all shards."""
TRIES = ".try-"
"""Begin of the ending of notes that a process has begun with a shard."""
_KEY = b"siamese_verify"


class Shard(NamedTuple):
    """Facts about a file of embeddings, which its footer holds."""

    number: int
    """Number of the file, counted from 0, in the order of the table."""
    rows: str
    """Digest of the table's rows."""
    images: int
    """Number of images that were embedded."""
    skipped: tuple[Skipped, ...]
    """Images that were left out."""


class Embedded(NamedTuple):
    """Embeddings of a shard."""

    images: Gallery
    """The images, with an empty name where the table tells no identity."""
    unlike: list[str]
    """In what each image is unlike all validation images, or an empty text."""


def need_pyarrow() -> Any:
    """Return pyarrow.

    Raises:
        ImportError: If it is not installed. Names the extra.
    """
    arrow = pyarrow()
    if arrow is None:
        raise ImportError(
            "Shards of embeddings are Parquet files. pyarrow reads and writes them, and is not "
            "installed. Run: pip install 'siamese-verify[tables]'"
        )
    return arrow


def file_of(folder: PathLike, number: int) -> Path:
    """Return the path of a shard."""
    return Path(folder) / f"embeddings-{number:07d}.parquet"


def holds_embeddings(folder: PathLike) -> bool:
    """Tell a folder of shards, which may be unfinished, from a folder of images."""
    return any(Path(folder).glob(PATTERN))


def write_shard(folder: PathLike, shard: Shard, embedded: Embedded) -> None:
    """Write a shard, whole or not at all."""
    arrow = need_pyarrow()
    from pyarrow import parquet

    images = embedded.images
    record = {
        "format": FORMAT,
        **shard._asdict(),
        "fingerprint": images.fingerprint,
        "reference": images.reference.tolist(),
        "decoding": images.decoding,
    }

    def fixed(values: Any, kind: Any, size: int) -> Any:
        return arrow.FixedSizeListArray.from_arrays(arrow.array(values.ravel(), kind), size)

    digests = arrow.binary(DIGEST_SIZE)
    pixels, files = (
        arrow.Array.from_buffers(digests, len(images), [None, arrow.py_buffer(part.tobytes())])
        for part in images.image_digests.swapaxes(0, 1)
    )
    table = arrow.table(
        {
            "path": arrow.array(images.images, arrow.string()),
            "identity": arrow.array([name or None for name in images.names], arrow.string()),
            "embedding": fixed(images.embeddings, arrow.float32(), len(images.reference)),
            "pixel_digest": pixels,
            "file_digest": files,
            "unlike": arrow.array(embedded.unlike, arrow.string()),
        }
    ).replace_schema_metadata({_KEY: json.dumps(record)})
    with replacing(file_of(folder, shard.number)) as unfinished:
        # Embeddings are as good as random, so that compressing them costs time and saves nothing.
        parquet.write_table(
            table,
            unfinished,
            compression=dict.fromkeys(("path", "identity", "unlike"), "zstd"),
            use_dictionary=["identity", "unlike"],
            write_page_checksum=True,
        )


def read_facts(path: Path, own: Gallery) -> Shard | None:
    """Read the facts about a shard, or None if the file is missing.

    Args:
        path: Path of the file.
        own: Empty gallery of the model that the embeddings must be of.

    Raises:
        ShardError: If the file is damaged or something else, or of another model.
    """
    need_pyarrow()
    from pyarrow import parquet

    try:
        open_regular_file(path).close()  # pyarrow would wait for the writer of a pipe.
    except FileNotFoundError:
        return None
    with explaining(ShardError, damaged(path)):
        record = json.loads(parquet.read_metadata(path).metadata[_KEY])
        check_format(path, record)
        shard = Shard(**{field: record[field] for field in Shard._fields})
        frame = frame_of(record)
    if not frame.is_of_same_model(own) or frame.decoding != own.decoding:
        raise ShardError(
            f"{shown(path)} holds embeddings of another model, other preprocessing or another "
            "version, which cannot be compared with this model's. Choose another folder, or remove "
            f"this one. Received: fingerprint={shown(frame.fingerprint)}, not {own.fingerprint}"
        )
    return shard._replace(skipped=tuple(Skipped(*one) for one in shard.skipped))


def read_embedded(path: Path, frame: Gallery) -> Embedded:
    """Read a shard.

    Args:
        path: Path of the file.
        frame: Empty gallery of the model that made the embeddings.
    """
    from pyarrow import parquet

    file = parquet.ParquetFile(path, memory_map=True, page_checksum_verification=True)
    table = file.read()
    table.validate(full=True)
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    size = len(frame.reference)
    embeddings = columns["embedding"].flatten().to_numpy().reshape(-1, size)
    digests = [
        np.frombuffer(b"".join(columns[name].to_pylist()), np.uint8)
        for name in ("pixel_digest", "file_digest")
    ]
    names = [normalized(name or "") for name in columns["identity"].to_pylist()]
    images = dataclasses.replace(
        frame,
        names=tuple(names),
        embeddings=embeddings,
        images=tuple(columns["path"].to_pylist()),
        image_digests=np.stack([part.reshape(-1, DIGEST_SIZE) for part in digests], axis=1),
    )
    return Embedded(images, columns["unlike"].to_pylist())


def frame_of(record: dict[str, Any]) -> Gallery:
    """Make an empty gallery of the model that made the embeddings."""
    reference = np.array(record["reference"], np.float32)
    nothing = np.empty((0, len(reference)), np.float32)
    return Gallery((), nothing, record["fingerprint"], reference, record["decoding"])


def check_format(path: Path, record: dict[str, Any]) -> None:
    """Raise a `ShardError` if a file is of another format."""
    if record["format"] != FORMAT:
        raise ShardError(
            f"{shown(path)} was written by another version of siamese-verify, and this one reads "
            f"format {FORMAT}. Write it again. Received: format={shown(record['format'])}"
        )


def damaged(path: Path) -> str:
    """Begin the error for a damaged file."""
    return f"{shown(path)} is damaged or no file of embeddings. Copy it or write it again"
