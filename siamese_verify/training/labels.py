"""Labels and scores of a batch of pairs, brought to one shape."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from keras import ops

from siamese_verify.tensors import Tensor


def aligned(y_true: Tensor, y_pred: Tensor, dtype: str) -> tuple[Tensor, Tensor]:
    """Return labels and scores as two vectors of the same length.

    Labels are `(n,)` and scores `(n, 1)`: without this, they would broadcast to `(n, n)`.

    Args:
        y_true: Labels `(n,)` or `(n, 1)`.
        y_pred: Scores `(n,)` or `(n, 1)`, integers or floats.
        dtype: Type of the results.

    Raises:
        ValueError: If the shapes differ from these, or the values are not numbers.
    """
    scores = vector(y_pred, "scores", dtype)
    return for_each_score(y_true, scores, "label"), scores


def for_each_score(values: Tensor, scores: Tensor, name: str) -> Tensor:
    """Return the values that belong to scores `(n,)` as a vector of the same length and type.

    Raises:
        ValueError: If there is not one value for each score. The error calls a value `name`.
    """
    values = vector(values, f"{name}s", scores.dtype)
    # In a graph of TensorFlow, a length may not be known yet.
    if len({values.shape[0], scores.shape[0]} - {None}) > 1:
        raise ValueError(
            f"Each score needs a {name}. "
            f"Received: {values.shape[0]} {name}s, {scores.shape[0]} scores"
        )
    # A stack compares lengths that become known only when the graph runs. A reshape does not:
    # TensorFlow's optimizer removes it.
    return ops.unstack(ops.stack([values, scores]), 2)[0]


def vector(values: Tensor, name: str, dtype: str) -> Tensor:
    """Return the values of n pairs, `(n,)` or `(n, 1)`, as a vector.

    Raises:
        ValueError: If the shape is another, or the values are not numbers. The error calls them
            `name`.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise ValueError(
            f"A mask would be lost: the {name} are a masked array. Remove the masked pairs from "
            "both labels and scores, then pass `.data` or `.compressed()`."
        )
    if not hasattr(values, "shape"):
        values = np.asarray(values)
    if not re.search("bool|int|float", str(values.dtype)):
        raise ValueError(
            f"The {name} must be numbers. Received: {name} of type {values.dtype}. "
            "Convert them to integers or floats."
        )
    if not _is_column(values.shape):
        raise ValueError(
            f"The {name} must have shape (n,) or (n, 1), one value for each of n pairs. "
            f"Received: {name} of shape {values.shape}. Pass one value for each pair, not one-hot "
            "labels or a score for each class."
        )
    return ops.reshape(ops.cast(values, dtype), (-1,))


def _is_column(shape: Any) -> bool:
    # In a graph of TensorFlow, even the number of dimensions may be unknown.
    if getattr(shape, "rank", 0) is None:
        return False
    return len(shape) > 0 and tuple(shape)[1:] in ((), (1,))
