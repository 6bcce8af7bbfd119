"""Labels and scores of a batch of pairs, brought to one shape."""

from __future__ import annotations

from typing import Any

from keras import ops

Tensor = Any


def aligned(y_true: Tensor, y_pred: Tensor, dtype: str) -> tuple[Tensor, Tensor]:
    """Labels and scores as two vectors of the same length.

    Labels are `(n,)` and scores `(n, 1)`: computed with as they come, they would broadcast to
    `(n, n)` without a word.

    Raises:
        ValueError: If there is not one label for each score.
    """
    labels = ops.reshape(ops.cast(y_true, dtype), (-1,))
    scores = ops.reshape(ops.cast(y_pred, dtype), (-1,))
    # In a graph of TensorFlow, a length may not be known yet.
    lengths = {labels.shape[0], scores.shape[0]} - {None}
    if len(lengths) > 1:
        raise ValueError(
            "Each score needs a label. "
            f"Received: {labels.shape[0]} labels, {scores.shape[0]} scores"
        )
    return labels, scores
