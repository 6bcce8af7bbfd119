"""Batches of few sizes, for backends that compile a program for each size.

JAX needs seconds and megabytes for a new size. So the rows of a batch are padded to a power of two,
and the results of the added rows are cut off.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt


def compiles_each_size(model: keras.Model | None = None) -> bool:
    """Tell whether the backend compiles a model, or single operations, for each size of a batch."""
    backend = keras.backend.backend()
    by_xla = model is not None and model.jit_compile and not model.run_eagerly
    return backend == "jax" or (backend == "tensorflow" and bool(by_xla))


def padded(array: npt.NDArray[Any], most: int, axes: int = 1) -> npt.NDArray[Any]:
    """Lengthen the first axes of an array to a power of two, by repeating the last row.

    Args:
        array: Array of at least one row.
        most: Largest length of a lengthened axis, at least the present length.
        axes: Number of axes to lengthen. A length of 1 stays, so that it can be broadcast.

    Examples:
        >>> padded(np.array([[1], [2], [3]]), most=100)[:, 0].tolist()
        [1, 2, 3, 3]
        >>> len(padded(np.zeros((70, 2)), most=100))
        100
    """
    added = [min(1 << (n - 1).bit_length(), most) - n for n in array.shape[:axes]]
    if not any(added):
        return array
    added += [0] * (array.ndim - axes)
    return np.pad(array, [(0, n) for n in added], mode="edge")
