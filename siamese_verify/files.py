"""Files that are complete or absent: an interrupted write leaves the old file unchanged."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from siamese_verify.messages import shown

PathLike = str | os.PathLike[str]


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path, whose file replaces `path` when the block ends.

    If the block raises an error, the temporary file is removed and `path` stays unchanged.

    Args:
        path: Path of the file to write or replace. Missing folders are made.

    Examples:
        >>> with replacing("note.txt") as unfinished:
        ...     _ = unfinished.write_text("complete")
        >>> Path("note.txt").read_text()
        'complete'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The name keeps its ending, since Keras and others choose the format by it.
    unfinished = target.with_name(f".unfinished-{uuid.uuid4().hex}-{target.name}")
    try:
        yield unfinished
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def read_regular_file(path: PathLike, max_bytes: int) -> bytes:
    """Read a whole file of limited size.

    Only regular files end for certain: a pipe can wait for ever, and a device has no end.

    Args:
        path: Path of the file.
        max_bytes: Largest number of bytes that it may hold.

    Raises:
        ValueError: If it is not a regular file, or is larger.
        OSError: If it cannot be read.
    """
    # Opening a pipe would wait for its writer.
    descriptor = os.open(
        path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{shown(path)} is not a regular file, but a pipe or a device.")
        if status.st_size > max_bytes:
            raise ValueError(
                f"{shown(path)} is too large. Received: {status.st_size:,} bytes, where at most "
                f"{max_bytes:,} are read"
            )
        # A file that grows while it is read stays within the limit too.
        return file.read(max_bytes)
