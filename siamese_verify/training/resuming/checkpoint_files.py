"""Files of `ModelCheckpoint`, which a run that goes on finds as it has left them."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

import keras

from siamese_verify.messages import shown
from siamese_verify.training.resuming.run_folder import RunFolderError

Digests = dict[str, str]  # SHA-256 by name
Stamp = tuple[int, int, int]


class CheckpointFiles:
    """SHA-256 of the files that each `ModelCheckpoint` of a run has written.

    An interrupted epoch can write files after the state. The resumed run trains this epoch again
    and writes the files again. So a changed file is an error only if it is not written again.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]):
        self._patterns = [
            os.fspath(callback.filepath)
            for callback in callbacks
            if isinstance(callback, keras.callbacks.ModelCheckpoint)
        ]
        self._changed: dict[Path, Stamp] = {}
        self._foreign: dict[Path, Stamp] = {}
        self._digests: dict[tuple[Path, Stamp], str] = {}

    def begin(self, state: list[Digests] | None, has_epochs_left: bool) -> None:
        """Compare the files with a former state, None at the start of a run.

        Raises:
            RunFolderError: If a file is lost, or changed where no epoch will write it again.
        """
        listed = set()
        for pattern, digests in zip(self._patterns, state or [], strict=state is not None):
            for name, digest in digests.items():
                path = _folder(pattern) / name
                listed.add(path)
                if not path.is_file():
                    raise _error(path, "is lost")
                if self._digest(path) != digest:
                    self._changed[path] = _stamp(path)
        if not has_epochs_left:
            self._check_are_written_again()
        found = {path for pattern in self._patterns for path in _find(pattern)}
        self._foreign = {path: _stamp(path) for path in found - listed}

    def state(self) -> list[Digests]:
        """Return the SHA-256 of the files, after an epoch.

        Raises:
            RunFolderError: If a changed file was not written again.
        """
        self._check_are_written_again()
        self._changed = {}
        return [
            {
                str(path.relative_to(_folder(pattern))): self._digest(path)
                for path in _find(pattern)
                if _stamp(path) != self._foreign.get(path)
            }
            for pattern in self._patterns
        ]

    def _check_are_written_again(self) -> None:
        for path, stamp in self._changed.items():
            if not path.is_file() or _stamp(path) == stamp:
                raise _error(path, "differs from the file that the run has written")

    def _digest(self, path: Path) -> str:
        key = (path, _stamp(path))
        if key not in self._digests:
            with path.open("rb") as file:
                self._digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[key]


def _error(path: Path, problem: str) -> RunFolderError:
    return RunFolderError(
        f"{shown(path)} {problem}, so the run would end without one of its models. Bring the file "
        "back, or train again in another folder."
    )


def _stamp(path: Path) -> Stamp:
    """Return what changes whenever a file is written."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _parts(pattern: str) -> list[str]:
    """Return the texts between the fields of a pattern such as `epoch-{epoch:02d}.keras`."""
    return re.split(r"\{[^}]*\}", pattern)


def _folder(pattern: str) -> Path:
    """Return the folder below which a pattern's fields begin, so that a run can be moved."""
    return Path(os.path.dirname(_parts(pattern)[0]))


def _find(pattern: str) -> list[Path]:
    found = glob.glob("*".join(glob.escape(part) for part in _parts(pattern)))
    return sorted(path for path in map(Path, found) if path.is_file())
