"""`EmbeddingShards`: a folder of embeddings, which are read file by file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from siamese_verify.data.shard_index import ShardError
from siamese_verify.data.skipping import Skipped
from siamese_verify.files import PathLike, read_regular_file, replacing
from siamese_verify.messages import shown
from siamese_verify.verification.archive import explaining
from siamese_verify.verification.embedding_files import (
    FORMAT,
    Embedded,
    Shard,
    check_format,
    damaged,
    file_of,
    frame_of,
    read_embedded,
    read_facts,
)
from siamese_verify.verification.gallery import Gallery

INDEX = "embeddings.json"
_MOST_BYTES = 2**30


class EmbeddingShards:
    """Embeddings of the images of a table, in files that are read one by one.

    Attributes:
        skipped: Images that were left out, a tuple of `Skipped(path, reason)`.
    """

    def __init__(self, folder: PathLike, frame: Gallery, shards: tuple[Shard, ...]):
        self._folder, self.frame, self._shards = Path(folder), frame, shards
        self.skipped = tuple(one for shard in shards for one in shard.skipped)

    def __len__(self) -> int:
        return sum(shard.images for shard in self._shards)

    @property
    def n_files(self) -> int:
        """Number of files."""
        return len(self._shards)

    def write_index(self) -> None:
        """Write the index, which tells that the folder is complete."""
        content = {
            "format": FORMAT,
            "fingerprint": self.frame.fingerprint,
            "reference": self.frame.reference.tolist(),
            "decoding": self.frame.decoding,
            "shards": self._shards,
        }
        with replacing(self._folder / INDEX) as unfinished:
            unfinished.write_text(json.dumps(content), encoding="ascii")

    @classmethod
    def open(cls, folder: PathLike) -> EmbeddingShards:
        """Open a complete folder.

        Raises:
            ShardError: If the folder is incomplete, or the index is damaged.
        """
        path = Path(folder) / INDEX
        try:
            contents = read_regular_file(path, _MOST_BYTES)
        except FileNotFoundError as error:
            raise ShardError(
                f"{shown(path)} is missing, so that no complete embeddings are here. Run "
                "verifier.write_embeddings or `siamese-verify embed` to its end. It goes on where "
                f"it was stopped. Received: folder={shown(folder)}"
            ) from error
        with explaining(ShardError, damaged(path)):
            record = json.loads(contents)
            check_format(path, record)
            shards = tuple(
                Shard(number, rows, images, tuple(Skipped(*one) for one in skipped))
                for number, rows, images, skipped in record["shards"]
            )
            return cls(folder, frame_of(record), shards)

    def read(self) -> Iterator[Embedded]:
        """Read the files one by one, and check that each is as it was written.

        Raises:
            ShardError: If a file is missing, damaged, or of another folder.
        """
        for shard in self._shards:
            path = file_of(self._folder, shard.number)
            found = read_facts(path, self.frame)
            if found != shard:
                raise ShardError(
                    f"{shown(path)} {'is missing' if found is None else 'is of another folder'}. "
                    "Copy the whole folder, or write it again. "
                    f"Received: folder={shown(self._folder)}"
                )
            with explaining(ShardError, damaged(path)):
                embedded = read_embedded(path, self.frame)
            yield embedded
