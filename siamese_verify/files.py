"""Files that are complete or absent: what is interrupted leaves the old file as it was."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

PathLike = str | os.PathLike[str]


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Gives a temporary path beside `path`, which takes the place of `path` at the end.

    If the block raises, the temporary file goes and `path` stays as it was.

    Args:
        path: The file to be written or replaced. Its folder is made where it is missing.

    Examples:
        >>> with replacing("note.txt") as unfinished:
        ...     _ = unfinished.write_text("complete")
        >>> Path("note.txt").read_text()
        'complete'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The name's end stays, since writers such as Keras's look at it.
    unfinished = target.with_name(f".unfinished-{uuid.uuid4().hex}-{target.name}")
    try:
        yield unfinished
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
