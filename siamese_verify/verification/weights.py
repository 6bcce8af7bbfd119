"""The size of a model's weights in a file, and the size that its configuration asks for."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

import h5py
import keras
from keras.src.backend.common import global_state

_MOST_OBJECTS = 100_000
_DEEPEST = 100
# HDF5 knows neither bool, which becomes an enumeration, nor bfloat16, which becomes opaque.
_TYPES = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM, h5py.h5t.OPAQUE)
_LAYOUTS = (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
_WAITING = "uninitialized_variables"  # Keras's name for variables that a scope has not created.
# A compiled tower may bring an optimizer with up to three numbers for each weight.
_MOST_COPIES = 4
_FEW = 2**18  # Numbers that a model may need beyond its file, such as seeds of random layers.


def check_weights(contents: bytes, config: Any) -> None:
    """Check that a file of weights holds what it declares, and what the model needs.

    Without the check, a small file could fill the memory.

    Args:
        contents: HDF5 file with weights.
        config: Configuration of the model, whose parts have been checked.

    Raises:
        ValueError: If the file holds anything but plain arrays, or fewer bytes than the model
            needs.
    """
    stored, needed = _count_stored(contents), _count_needed(config)
    if needed > _MOST_COPIES * stored + _FEW:
        raise ValueError(f"Its layers need {needed:,} weights, and it holds {stored:,}")


def _count_stored(contents: bytes) -> int:
    """Count the numbers in all arrays, none of which is larger than its place in the file."""
    count = n_bytes = 0
    with h5py.File(io.BytesIO(contents), "r") as file:
        for dataset in _datasets(file):
            kind, plan = dataset.id.get_type(), dataset.id.get_create_plist()
            size = math.prod(dataset.shape)
            if (
                kind.get_class() not in _TYPES
                or plan.get_layout() not in _LAYOUTS
                or plan.get_external_count()
                or size * kind.get_size() != dataset.id.get_storage_size()
            ):
                raise ValueError(f"Its weights {dataset.name!r} are not a plain array")
            count, n_bytes = count + size, n_bytes + size * kind.get_size()
    if n_bytes > len(contents):
        raise ValueError(f"Its weights declare {n_bytes:,} bytes, and have {len(contents):,}")
    return count


def _datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """Find all arrays. Groups that hold each other, or are nested too deep, raise an error."""
    waiting, count = [(file, 0)], 0
    while waiting:
        group, depth = waiting.pop()
        for name in group:
            count += 1
            if count > _MOST_OBJECTS or depth > _DEEPEST:
                raise ValueError("Its weights have too many groups")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"Its weights have a link to another place: {name!r}")
            item = group[name]
            if isinstance(item, h5py.Dataset):
                yield item
            else:
                waiting.append((item, depth + 1))


def _count_needed(config: Any) -> int:
    """Count the numbers in a model's variables, without creating any of them."""
    try:
        with keras.StatelessScope(initialize_variables=False):
            keras.saving.deserialize_keras_object(config, safe_mode=True)
    except MemoryError:
        raise
    except Exception:  # Loading the model raises the same error, after as many variables.
        pass
    finally:
        waiting = global_state.get_global_attribute(_WAITING, [])
        # Otherwise Keras would create the variables at the end of the next such scope.
        global_state.set_global_attribute(_WAITING, [])
    return sum(math.prod(variable.shape) for variable in waiting)
