"""`RunLock`: the folder of a run, which one process uses at a time."""

from __future__ import annotations

import os
import platform
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Self

from siamese_verify.files import PathLike, lock
from siamese_verify.messages import shown
from siamese_verify.training.process_group import ProcessGroup
from siamese_verify.user_warnings import warn_user


class RunFolderError(ValueError):
    """A folder whose run cannot go on. The message names the file and says what to do."""


class RunLock:
    """Exclusive use of the folder of a run, for the duration of a `with` block.

    `Resumable` locks its folder during `fit`. Use this class for a script that reads or writes
    files of the folder before or after `fit` too. A `Resumable` within the block shares its lock.

    The operating system holds the lock, on the file `run.lock`. It ends with its process, even if
    that is killed. The file stays, and names the latest process. In a `ProcessGroup`, the main
    process locks the folder for all.

    Args:
        folder: Folder of the run, created if it does not exist.

    Raises:
        RunFolderError: If another process or `fit` uses the folder, or if it cannot be written.

    Examples:
        >>> with RunLock("runs/first"):
        ...     _ = Path("runs/first/settings.json").write_text('{"seed": 0}')
    """

    def __init__(self, folder: PathLike):
        self.folder = Path(folder)
        self._is_block = False
        self._fit: FrameType | None = None
        self._close: Callable[[], object] = lambda: None

    def __enter__(self) -> Self:
        with _taking:
            _release_after_failed_fit(self.folder)
            self._take()
        self._is_block = True
        return self

    def __exit__(self, *_: object) -> None:
        self._is_block = False
        self._release()

    def end_fit(self) -> None:
        """End the use by `fit`, which `lock_for_fit` has begun."""
        self._fit = None
        if not self._is_block:
            self._release()

    def _take(self) -> None:
        if not ProcessGroup.current().is_main_process:
            _held[os.path.realpath(self.folder)] = self
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder / "run.lock", os.O_CREAT | os.O_RDWR, 0o666)
            # A lock that nothing refers to any more is released too.
            self._close = weakref.finalize(self, os.close, descriptor)
            is_locked = _is_locked(descriptor, self.folder)
            os.lseek(descriptor, 0, os.SEEK_SET)
            if is_locked:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {platform.node()}".encode())
            else:
                holder = os.read(descriptor, 200)
        except OSError as error:
            self._close()
            raise RunFolderError(
                "The folder of the run cannot be used, because it cannot be written "
                f"({shown(error)}). Use another folder. Received: folder={shown(self.folder)}"
            ) from error
        if not is_locked:
            self._close()
            raise _in_use(self.folder, holder.decode(errors="replace"))
        _held[os.path.realpath(self.folder)] = self

    def _release(self) -> None:
        _held.pop(os.path.realpath(self.folder), None)
        self._close()


_held: weakref.WeakValueDictionary[str, RunLock] = weakref.WeakValueDictionary()
"""Locks that this process holds, by the real path of their folder."""

_taking = threading.Lock()


def lock_for_fit(folder: Path) -> RunLock:
    """Lock a folder for the `fit` that calls `on_train_begin` now. `end_fit` releases it.

    Raises:
        RunFolderError: If another process or `fit` uses the folder, or if it cannot be written.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_code.co_name == "on_train_begin":
        frame = frame.f_back
    with _taking:
        _release_after_failed_fit(folder)
        held = _held.get(os.path.realpath(folder))
        if held is None:
            held = RunLock(folder)
            held._take()
        elif held._fit is not None:
            raise _in_use(folder, f"another `fit` of process {os.getpid()}")
        held._fit = frame
    return held


def _release_after_failed_fit(folder: Path) -> None:
    """Release the lock of a `fit` that has raised an error, which Keras tells no callback."""
    held = _held.get(os.path.realpath(folder))
    if held is not None and held._fit is not None and not _is_running(held._fit):
        held.end_fit()


def _is_running(frame: FrameType) -> bool:
    """Tell whether a call has not ended: its frame is on the stack of a thread."""
    for running in sys._current_frames().values():
        outer: FrameType | None = running
        while outer is not None:
            if outer is frame:
                return True
            outer = outer.f_back
    return False


def _is_locked(descriptor: int, folder: Path) -> bool:
    try:
        return lock(descriptor)
    except OSError as error:
        warn_user(
            f"The file system has no locks ({shown(error)}), so nothing keeps a second process out "
            f"of the folder of this run. Start only one. Received: folder={shown(folder)}"
        )
        return True


def _in_use(folder: Path, holder: str) -> RunFolderError:
    return RunFolderError(
        f"The folder of the run is in use by {shown(holder) or 'another process'}, so this `fit` "
        "or command cannot use it. Wait until that has ended, or use another folder. "
        f"Received: folder={shown(folder)}"
    )
