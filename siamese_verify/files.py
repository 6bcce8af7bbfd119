"""Files that are whole or absent: an interrupted write leaves the old file unchanged."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from siamese_verify.messages import shown

PathLike = str | os.PathLike[str]

_UNFINISHED = ".unfinished-"
_LOCK = ".lock"


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path, whose file replaces `path` when the block ends.

    If the block raises an error, the temporary file is removed and `path` stays unchanged. The file
    is on the disk before it replaces `path`, so that a crash leaves the old file or the new one.
    Temporary files of killed writes are removed by the next write in the same folder.

    Args:
        path: Path of the file to write or replace. Missing folders are made.

    Raises:
        OSError: If the file cannot be written. Names `path`.

    Examples:
        >>> with replacing("note.txt") as unfinished:
        ...     _ = unfinished.write_text("complete")
        >>> Path("note.txt").read_text()
        'complete'
    """
    target = Path(path)
    with _naming(target):
        with scratch_folder(target.parent) as scratch:
            # The file keeps its name, since Keras and others choose the format by its ending.
            yield scratch / target.name
            _flush(scratch / target.name, os.O_RDWR)
            os.replace(scratch / target.name, target)
        if sys.platform != "win32":  # Windows opens no folders.
            with contextlib.suppress(OSError):  # Some file systems flush no folders.
                _flush(target.parent, os.O_RDONLY)


def lock(descriptor: int) -> bool:
    """Lock an open file until it is closed. If its process dies, the kernel closes the file.

    Args:
        descriptor: Number of the open file.

    Returns:
        Whether the file is locked now. False if it is locked already, also by this process.

    Raises:
        OSError: If the file system has no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            # A locked byte cannot be read, so it lies behind the content.
            os.lseek(descriptor, 2**30, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextlib.contextmanager
def _naming(target: Path) -> Iterator[None]:
    """Let errors name the target in place of the temporary file."""
    try:
        yield
    except OSError as error:
        named = str(error.filename or _UNFINISHED)
        if error.errno is not None and _UNFINISHED in named:
            raise OSError(error.errno, error.strerror, os.fspath(target)) from error
        raise


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Make a folder for temporary files. It is locked until the block ends, and then removed.

    Folders of killed processes are removed first.

    Args:
        parent: Folder that holds the new folder. It is made if it is missing.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(parent)
    scratch, descriptor = _locked_folder(parent)
    try:
        yield scratch
    finally:
        os.close(descriptor)
        shutil.rmtree(scratch, ignore_errors=True)


def _locked_folder(parent: Path) -> tuple[Path, int]:
    while True:
        scratch = parent / f"{_UNFINISHED}{uuid.uuid4().hex}"
        scratch.mkdir()
        # Before the folder is locked, another write may find it abandoned and remove it.
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(scratch / _LOCK, os.O_CREAT | os.O_RDWR)
            if _is_locked(descriptor) and (scratch / _LOCK).exists():
                return scratch, descriptor
            os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        return lock(descriptor)
    except OSError:  # Without locks, no write finds the folder abandoned either.
        return True


def _remove_abandoned(folder: Path) -> None:
    """Remove the temporary files of writes whose processes have died."""
    for scratch in folder.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):
            scratch.rmdir()  # The process died before it made the file to lock.
        with contextlib.suppress(OSError):
            descriptor = os.open(scratch / _LOCK, os.O_RDWR)
            try:
                if not lock(descriptor):
                    continue
                shutil.rmtree(scratch, ignore_errors=True)
            finally:
                os.close(descriptor)
            shutil.rmtree(scratch, ignore_errors=True)  # Windows removes no open file.


def _flush(path: Path, flags: int) -> None:
    """Force a file or a folder to the disk."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def without_waiting(path: str, flags: int) -> int:
    """Open a file, as an `opener` for `open`. A pipe without a writer is empty.

    Otherwise opening a pipe would wait for its writer, which may never come.
    """
    if not hasattr(os, "O_NONBLOCK"):  # Windows has no such pipes.
        return os.open(path, flags)
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def open_regular_file(path: PathLike) -> BinaryIO:
    """Open a file for reading, if it is a regular one.

    Only regular files end for certain: a pipe can wait for ever, and a device has no end.

    Raises:
        ValueError: If it is a folder, a pipe or a device, or the path has a null character.
        OSError: If it cannot be opened.
    """
    try:
        descriptor = without_waiting(os.fspath(path), os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except ValueError as error:
        raise ValueError(f"{shown(path)} is not a path: {error}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{shown(path)} is not a regular file, but a folder, a pipe or a device.")
    return open(descriptor, "rb")


def read_regular_file(path: PathLike, max_bytes: int) -> bytes:
    """Read a whole file of limited size.

    Args:
        path: Path of the file.
        max_bytes: Largest number of bytes that it may hold.

    Raises:
        ValueError: If it is not a regular file, or is larger.
        OSError: If it cannot be read.
    """
    with open_regular_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise ValueError(
                f"{shown(path)} is too large. Received: {size:,} bytes, where at most "
                f"{max_bytes:,} are read"
            )
        # A file that grows while it is read stays within the limit too.
        return file.read(max_bytes)
