"""Files that are complete or absent: an interrupted write leaves the old file unchanged."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

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
