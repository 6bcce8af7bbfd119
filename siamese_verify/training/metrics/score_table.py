"""Sorted tables of scores, which metrics keep over all pairs since the last reset.

A table `(3, size)` holds scores in ascending order, and their weights of genuine and of impostor
pairs. Unused places weigh nothing.

The metrics keep a sorted table of scores, with the weight of the genuine and of the impostor pairs
at each. They merge each batch into it, so that no step sorts the whole table. When it is full,
pairs of equal score share a place. If `capacity` places are still too few, the scores are rounded
down to multiples of the smallest power of two with which they fit. This step does not depend on
the order of the pairs, on the batches, or on the number of replicas, nor does the result.

Rounding takes away the thresholds between the scores that it makes equal. A result moves by at most
the share of the pairs at one rounded score, as each class states. In a range of length R, the step
is at most 2 R / (capacity - 1).
"""

from __future__ import annotations

import numpy as np
from keras import ops

from siamese_verify.tensors import Tensor

# Steps to round to, in 16 blocks of 16: 0 for none, then the powers of two, the last one twice.
_STEPS = np.array([0.0, *2.0 ** np.arange(-126, 128), 2.0**127], np.float32).reshape(16, 16)


def merged(table: Tensor, other: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Merge two sorted tables into a table of the first one's size, and make room where needed.

    Returns:
        The table, and the step to whose multiples its scores are rounded.
    """
    table, other = unused_last(table), unused_last(other)
    size, more = table.shape[1], ops.shape(other)[1]
    places = ops.searchsorted(table[0], other[0], side="right") + ops.arange(more)
    from_other = ops.zeros_like(ops.concatenate([table[0], other[0]]), dtype="int32")
    from_other = ops.scatter_update(from_other, places[:, None], ops.ones_like(places))
    before = ops.cumsum(from_other)
    sources = ops.where(from_other == 1, size + before - 1, ops.arange(size + more) - before)
    both = ops.take(ops.concatenate([table, other], axis=1), sources, axis=1)
    both = ops.concatenate([_rounded(both[:1], step), both[1:]])
    full = ops.any(both[0, size - 1 :] < float("inf"))
    try:
        known_full = bool(full)
    except TypeError:  # In a graph, both branches are built.
        result: tuple[Tensor, Tensor] = ops.cond(
            full, lambda: _compacted(both, size, step), lambda: (both[:, :size], step)
        )
        return result
    return _compacted(both, size, step) if known_full else (both[:, :size], step)


def _compacted(table: Tensor, size: int, step: Tensor) -> tuple[Tensor, Tensor]:
    """Join the places of equal scores. If more than `size` remain, round the scores to fit.

    Returns:
        The table `(3, size)`, and the smallest step, from `step` on, with which the scores fit.
    """
    # Not `steps[i]`: TensorFlow's XLA spends seconds on trying to know a computed index.
    steps = ops.convert_to_tensor(_STEPS)
    block = ops.take(steps, _too_small(steps[:, -1], table[0], size), axis=0)
    step = ops.maximum(step, ops.take(block, _too_small(block, table[0], size)))
    scores = _rounded(table[0], step)
    ranks = ops.concatenate([ops.zeros(1, "int32"), ops.cumsum(_differs(scores))])
    compacted = [
        ops.scatter_update(ops.zeros(size, "float32"), ranks[:, None], scores),
        ops.segment_sum(table[1], ranks, size),
        ops.segment_sum(table[2], ranks, size),
    ]
    return ops.stack(compacted), step


def sorted_by_score(table: Tensor) -> Tensor:
    """Sort a table by its scores, unused places last."""
    table = unused_last(table)
    return ops.take(table, ops.argsort(table[0]), axis=1)


def unused_last(table: Tensor) -> Tensor:
    """Give places without weight the lowest score, so that a sorted table stays sorted."""
    unused = (table[1] == 0) & (table[2] == 0)
    return ops.stack([ops.where(unused, float("inf"), table[0]), table[1], table[2]])


def _too_small(steps: Tensor, scores: Tensor, size: int) -> Tensor:
    """Return how many of the steps, in ascending order, leave more than `size` distinct scores."""
    distinct = ops.sum(_differs(_rounded(scores, steps[:, None])), axis=1) + 1
    return ops.sum(ops.cast(distinct > size, "int32"))


def _differs(values: Tensor) -> Tensor:
    """Return 1 where a value differs from its predecessor, else 0. The first value is left out."""
    return ops.cast(values[..., 1:] != values[..., :-1], "int32")


def _rounded(values: Tensor, step: Tensor) -> Tensor:
    """Round values down to multiples of `step`, a power of two, or 0 to leave them."""
    # From 2**23 steps on, a float32 is a whole number of steps already, and the quotient overflows.
    small = ops.abs(values) < 2.0**23 * step
    return ops.where(small, ops.floor(values / step) * step, values)
