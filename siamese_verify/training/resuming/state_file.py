"""Nested lists and dicts of numbers, texts and arrays in one file, without pickle."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras.ops import convert_to_numpy

from siamese_verify.files import replacing
from siamese_verify.messages import shown
from siamese_verify.training.resuming.run_folder import RunFolderError

_ARRAY = "__array__"


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state. An interrupted call leaves the former file unchanged.

    Args:
        path: Path of the file, which ends in `.npz`.
        state: Lists and dicts of None, booleans, numbers, texts and arrays of any backend.

    Raises:
        TypeError: If a value has another type.
        RunFolderError: If the file cannot be written.
    """
    arrays: list[np.ndarray] = []
    text = json.dumps(_encoded(state, arrays))
    try:
        with replacing(path) as unfinished:
            np.savez(unfinished, _digest(text, arrays), text, *arrays)
    except OSError as error:
        raise RunFolderError(
            f"{shown(path)} cannot be written ({shown(error)}), so this epoch is not kept. Make "
            "space or give permission. The same script then continues from the last finished epoch."
        ) from error


def read_state(path: Path) -> dict[str, Any]:
    """Read the state that `write_state` has written, with NumPy arrays.

    Raises:
        RunFolderError: If the file is damaged, or differs from the file that was written.
    """
    try:
        if not path.is_file():
            raise ValueError("it is not a regular file")
        return _read(path)
    # A damaged file makes NumPy and zipfile raise errors of many types.
    except Exception as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> RunFolderError:
    """Return the error that a state cannot be used."""
    reason = shown(f"{type(error).__name__}: {error}")
    return RunFolderError(
        f"{shown(path)} is damaged or was written by another version ({reason}), so the run cannot "
        "go on. Bring the file back, or train again in another folder."
    )


def _read(path: Path) -> dict[str, Any]:
    # NumPy leaves a damaged file open that it has opened itself.
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        if any(info.compress_type != zipfile.ZIP_STORED for info in file.zip.infolist()):
            raise ValueError("it is compressed")
        digest, text, *arrays = (file[f"arr_{i}"] for i in range(len(file.files)))
    if str(digest) != _digest(str(text), arrays):
        raise ValueError("its SHA-256 differs")
    state: dict[str, Any] = json.loads(
        str(text), object_hook=lambda value: _array(arrays, value) if _ARRAY in value else value
    )
    return state


def _digest(text: str, arrays: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _encoded(value: Any, arrays: list[np.ndarray]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {str(key): _encoded(part, arrays) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encoded(part, arrays) for part in value]
    if hasattr(value, "__array__") and (array := convert_to_numpy(value)).dtype != object:
        arrays.append(array)
        # NumPy's format forgets types such as bfloat16.
        return {_ARRAY: len(arrays) - 1, "dtype": str(array.dtype)}
    raise TypeError(
        "A training state holds None, booleans, numbers, texts, arrays, and lists and dicts of "
        f"them. Received: value of {type(value).__name__}"
    )


def _array(arrays: Sequence[np.ndarray], place: dict[str, Any]) -> np.ndarray:
    return arrays[place[_ARRAY]].view(np.dtype(place["dtype"]))
