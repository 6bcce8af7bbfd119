"""The index of sharded images: `index.json`, which is complete or absent."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from siamese_verify.data.alignment import UnknownAlignError
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.skipping import Skipped
from siamese_verify.files import PathLike, read_regular_file, replacing
from siamese_verify.lazy_tensorflow import tf
from siamese_verify.messages import shown

FORMAT = 1
INDEX = "index.json"
_MOST_BYTES = 2**31


class ShardError(ValueError):
    """Sharded images that are incomplete, damaged or of an unknown format. Names the file."""


class Shard(NamedTuple):
    """A file of images."""

    file: str
    """Name of the file."""
    images: int
    identities: int
    """Number of identities in this file."""
    sha256: str


@dataclasses.dataclass(frozen=True)
class ShardIndex:
    """Contents of `index.json`."""

    preprocessing: Preprocessing
    identities: tuple[str, ...]
    """Names of all identities, each once, sorted."""
    shards: tuple[Shard, ...]
    skipped: tuple[Skipped, ...]

    def write(self, folder: PathLike) -> None:
        """Write the index, whole or not at all."""
        content = {
            "format": FORMAT,
            "preprocessing": self.preprocessing.to_dict(),
            "images": sum(shard.images for shard in self.shards),
            "shards": [shard._asdict() for shard in self.shards],
            "skipped": [one._asdict() for one in self.skipped],
            "identities": self.identities,
        }
        with replacing(Path(folder) / INDEX) as unfinished:
            unfinished.write_text(json.dumps(content, indent=1), encoding="ascii")

    @classmethod
    def read(cls, folder: PathLike) -> ShardIndex:
        """Read the index of a folder, and check that its files are there.

        Raises:
            ShardError: If the index or a file is missing, or the index cannot be read.
            UnknownAlignError: If this process has not registered the function `align`.
        """
        path = file_in(folder, INDEX)
        try:
            content = json.loads(_read(path))
        except (FileNotFoundError, tf.errors.NotFoundError) as error:
            raise ShardError(
                f"{shown(path)} is missing, so that no complete images are here. Run write_shards "
                "or `siamese-verify shard` to its end. It goes on where it was stopped. "
                f"Received: folder={shown(folder)}"
            ) from error
        except ValueError as error:
            raise _unreadable(path, error) from error
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise ShardError(
                f"{shown(path)} has a format that this version does not know. Update "
                f"siamese-verify, or write the files again. Received: format={shown(repr(found))}"
            )
        try:
            index = cls._of(content)
        except UnknownAlignError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _unreadable(path, error) from error
        index._check_files(folder)
        return index

    @classmethod
    def _of(cls, content: dict[str, Any]) -> ShardIndex:
        shards = tuple(Shard(**shard) for shard in content["shards"])
        for shard in shards:
            if os.path.basename(shard.file) != shard.file or "\\" in shard.file:
                raise ValueError(f"{shard.file!r} is not the name of a file")
            if min(shard.images, shard.identities) < 1:
                raise ValueError(f"{shard.file!r} holds no images")
        return cls(
            Preprocessing.from_dict(content["preprocessing"]),
            tuple(map(str, content["identities"])),
            shards,
            tuple(Skipped(**one) for one in content["skipped"]),
        )

    def _check_files(self, folder: PathLike) -> None:
        present = set(tf.io.gfile.listdir(os.fspath(folder)))
        missing = [shard.file for shard in self.shards if shard.file not in present]
        if missing:
            raise ShardError(
                f"{shown(file_in(folder, missing[0]))} is missing. Copy the whole folder, or write "
                f"it again. Received: {len(missing):,} of {len(self.shards):,} files missing"
            )


def file_in(folder: PathLike, name: str) -> str:
    """Return the path or the address of a file in a folder."""
    folder = os.fspath(folder)
    return f"{folder.rstrip('/')}/{name}" if is_remote(folder) else os.path.join(folder, name)


def is_remote(folder: PathLike) -> bool:
    """Tell whether a folder is an address such as `gs://bucket/folder`."""
    return "://" in os.fspath(folder)


def _read(path: str) -> bytes:
    if not is_remote(path):
        return read_regular_file(path, _MOST_BYTES)
    with tf.io.gfile.GFile(path, "rb") as file:
        contents: bytes = file.read(_MOST_BYTES)
    return contents


def _unreadable(path: str, error: Exception) -> ShardError:
    return ShardError(
        f"{shown(path)} is damaged, so that its images cannot be found. Copy it or write it again. "
        f"Received: {shown(error)}"
    )
