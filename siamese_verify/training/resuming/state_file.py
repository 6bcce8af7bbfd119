"""Nested lists and dicts of numbers, texts and arrays in one file, without pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from siamese_verify.files import replacing

_ARRAY = "__array__"


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state. An interrupted call leaves the former file unchanged.

    Args:
        path: Path of the file, which ends in `.npz`.
        state: Lists and dicts of None, booleans, numbers, texts and arrays of any backend.

    Raises:
        TypeError: If a value has another type.
    """
    arrays: list[np.ndarray] = []
    text = json.dumps(_encoded(state, arrays))
    with replacing(path) as unfinished:
        np.savez(unfinished, text, *arrays)


def read_state(path: Path) -> dict[str, Any]:
    """Read the state that `write_state` has written, with NumPy arrays."""
    with np.load(path, allow_pickle=False) as file:
        state: dict[str, Any] = json.loads(
            str(file["arr_0"]),
            object_hook=lambda value: _array(file, value) if _ARRAY in value else value,
        )
    return state


def _encoded(value: Any, arrays: list[np.ndarray]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {str(key): _encoded(part, arrays) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encoded(part, arrays) for part in value]
    if hasattr(value, "__array__") and (array := np.asarray(value)).dtype != object:
        arrays.append(array)
        # NumPy's format forgets types such as bfloat16.
        return {_ARRAY: len(arrays), "dtype": str(array.dtype)}
    raise TypeError(
        "A training state holds None, booleans, numbers, texts, arrays, and lists and dicts of "
        f"them. Received: value of {type(value).__name__}"
    )


def _array(file: Any, place: dict[str, Any]) -> np.ndarray:
    array: np.ndarray = file[f"arr_{place[_ARRAY]}"]
    return array.view(np.dtype(place["dtype"])) if array.dtype.kind == "V" else array
