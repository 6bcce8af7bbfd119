"""Metrics of verification for `compile(metrics=[...])`, over all pairs since the last reset.

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

import abc
from typing import Any

import keras
import numpy as np
from keras import ops
from typing_extensions import override

from siamese_verify.checks import whole_number
from siamese_verify.evaluation.thresholds import tar_name
from siamese_verify.tensors import Tensor
from siamese_verify.training.labels import aligned, for_each_score
from siamese_verify.training.replicas import replica_count, replica_index

# Steps to round to, in 16 blocks of 16: 0 for none, then the powers of two, the last one twice.
_STEPS = np.array([0.0, *2.0 ** np.arange(-126, 128), 2.0**127], np.float32).reshape(16, 16)
# Rounded to multiples of the largest step, float32 has five values, one of which is infinity.
_FEWEST_SCORES = 4
_LARGEST = float(np.finfo(np.float32).max)


class _ScoreMetric(keras.metrics.Metric):
    """Base class that keeps the table of scores.

    A table `(3, capacity + 1)` holds, in the order of descending scores, the negative score and
    its weights of genuine and of impostor pairs. Unused places come last and weigh nothing. Each
    replica of a `tf.distribute` strategy writes to a table of its own and leaves zeros in the
    others. Keras reads the sum over replicas, which holds all tables.
    """

    def __init__(self, name: str, capacity: int, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.capacity = whole_number("capacity", capacity, lowest=_FEWEST_SCORES)
        shape = (replica_count(), 3, self.capacity + 1)
        self.tables = self.add_variable(shape, "zeros", "float32", name="tables")
        self.steps = self.add_variable(shape[:1], "zeros", "float32", name="steps")

    @override
    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Add a batch of pairs.

        Args:
            y_true: Labels `(n,)` or `(n, 1)`, 1 = genuine, 0 = impostor. Any other value makes the
                result NaN.
            y_pred: Scores `(n,)` or `(n, 1)`, higher is more alike. NaN makes the result NaN.
            sample_weight: Weight of each pair, `(n,)`, `(n, 1)` or one number; by default 1.

        Raises:
            ValueError: If a shape differs from these, or the values are not numbers.
        """
        labels, scores = aligned(y_true, y_pred, "float32")
        weights = _weights(sample_weight, scores)
        known = ((labels == 0) | (labels == 1)) & ops.logical_not(ops.isnan(scores))
        weights = ops.where(known, weights, float("nan"))
        # Infinity marks unused places.
        scores = ops.clip(ops.where(known, scores, 0.0), -_LARGEST, _LARGEST)
        batch = _sorted(ops.stack([-scores, weights * labels, weights * (1 - labels)]))
        tables, steps = ops.convert_to_tensor(self.tables), ops.convert_to_tensor(self.steps)
        row = self._row()
        table, step = _merged(ops.take(tables, row, axis=0), batch, ops.take(steps, row))
        own = ops.reshape(ops.arange(tables.shape[0]) == row, (-1, 1, 1))
        if replica_index() is not None:
            # An update outside of replicas wrote here too: TensorFlow shared it out by division.
            others = ops.sum(ops.abs(ops.where(own, 0.0, tables[:, 1:])))
            weights = ops.where(others == 0, table[1:], float("nan"))
            table = ops.concatenate([table[:1], weights])
        self.tables.assign(ops.where(own, table, tables))
        self.steps.assign(ops.where(own[:, 0, 0], step, steps))

    @override
    def result(self) -> Tensor:
        """Return the metric over all pairs since the last reset, NaN where it is not defined.

        Within a replica, only the pairs of this replica count. Keras shows the replicas' mean after
        each step, and the result over all pairs after the epoch.
        """
        table, _ = self._table()
        scores, accepted = _unused_last(table)[0], ops.cumsum(table[1:], axis=1)
        # A threshold accepts all pairs of a score or none: it cannot stop between equal scores.
        possible = ops.concatenate([scores[1:] != scores[:-1], ops.ones(1, "bool")])
        return self._from_accepted(accepted[0], accepted[1], possible)

    @property
    def rounding(self) -> Tensor:
        """Step to whose multiples the scores were rounded; 0 if the metric is exact."""
        return self._table()[1]

    @abc.abstractmethod
    def _from_accepted(self, genuine: Tensor, impostor: Tensor, possible: Tensor) -> Tensor:
        """Return the metric, from the weight that each threshold accepts.

        Args:
            genuine: Accepted weight of genuine pairs `(capacity + 1,)`, from the highest threshold
                to the lowest, which accepts all.
            impostor: Accepted weight of impostor pairs.
            possible: bool `(capacity + 1,)`, where a threshold can be.
        """

    def _row(self) -> Tensor | int:
        """Return the row of the table to write to."""
        # A metric that was made outside of the strategy's scope has one table for all replicas.
        index = replica_index()
        return 0 if index is None or self.tables.shape[0] == 1 else index

    def _table(self) -> tuple[Tensor, Tensor]:
        """Return the table of all pairs, or of the pairs of the running replica, and its step."""
        tables, steps = ops.convert_to_tensor(self.tables), ops.convert_to_tensor(self.steps)
        row = self._row()
        table, step = ops.take(tables, row, axis=0), ops.take(steps, row)
        if replica_index() is None:
            for i in range(1, tables.shape[0]):
                table, step = _merged(table, tables[i], ops.maximum(step, steps[i]))
        return table, step

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "capacity": self.capacity}


def _weights(sample_weight: Tensor | None, scores: Tensor) -> Tensor:
    if sample_weight is None:
        return ops.ones_like(scores)
    sample_weight = ops.convert_to_tensor(sample_weight)
    if sample_weight.ndim == 0:
        return ops.cast(sample_weight, scores.dtype) * ops.ones_like(scores)
    return for_each_score(sample_weight, scores, "sample weight")


def _merged(table: Tensor, other: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Merge two sorted tables into one of the first one's size, and make room if they need it.

    Returns:
        The table, and the step to whose multiples its scores are rounded.
    """
    table, other = _unused_last(table), _unused_last(other)
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
        merged: tuple[Tensor, Tensor] = ops.cond(
            full, lambda: _compacted(both, size, step), lambda: (both[:, :size], step)
        )
        return merged
    return _compacted(both, size, step) if known_full else (both[:, :size], step)


def _compacted(table: Tensor, size: int, step: Tensor) -> tuple[Tensor, Tensor]:
    """Make one place of each score; if they are more than `size`, round them to meet.

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


def _sorted(table: Tensor) -> Tensor:
    table = _unused_last(table)
    return ops.take(table, ops.argsort(table[0]), axis=1)


def _unused_last(table: Tensor) -> Tensor:
    """Give places without weight the lowest score, so that a sorted table stays sorted."""
    unused = (table[1] == 0) & (table[2] == 0)
    return ops.stack([ops.where(unused, float("inf"), table[0]), table[1], table[2]])


def _too_small(steps: Tensor, scores: Tensor, size: int) -> Tensor:
    """Return how many of the steps, in ascending order, leave more than `size` distinct scores."""
    distinct = ops.sum(_differs(_rounded(scores, steps[:, None])), axis=1) + 1
    return ops.sum(ops.cast(distinct > size, "int32"))


def _differs(values: Tensor) -> Tensor:
    """Return 1 where a value differs from its predecessor, else 0; the first value has none."""
    return ops.cast(values[..., 1:] != values[..., :-1], "int32")


def _rounded(values: Tensor, step: Tensor) -> Tensor:
    """Round values down to multiples of `step`, a power of two, or 0 to leave them."""
    # From 2**23 steps on, a float32 is a whole number of steps already, and the quotient overflows.
    small = ops.abs(values) < 2.0**23 * step
    return ops.where(small, ops.floor(values / step) * step, values)


@keras.saving.register_keras_serializable(package="siamese_verify")
class BestThresholdAccuracy(_ScoreMetric):
    """Highest accuracy that any threshold on the score reaches on the pairs seen.

    The threshold is chosen on the same pairs, so this figure is optimistic. It tells how well
    scores rank the pairs, not how well a verifier will do.

    Error: 0 up to `capacity` distinct scores. Beyond that, the scores are rounded, and the result
    is too low by at most the largest share of all pairs at one rounded score.

    Args:
        name: Name of the metric.
        capacity: Number of distinct scores up to which the metric is exact, at least 4. Memory is
            12 bytes for each, 192 KiB by default, for any number of pairs.
        **kwargs: Keyword arguments of `keras.metrics.Metric`. The metric counts in float32,
            whatever `dtype`.

    Examples:
        >>> metric = BestThresholdAccuracy()
        >>> metric.update_state([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1])
        >>> float(metric.result())  # a threshold cannot separate the two at 0.4
        0.75
    """

    def __init__(self, name: str = "best_threshold_accuracy", capacity: int = 2**14, **kwargs: Any):
        super().__init__(name, capacity, **kwargs)
        self._direction = "up"

    @override
    def _from_accepted(self, genuine: Tensor, impostor: Tensor, possible: Tensor) -> Tensor:
        correct = ops.max(ops.where(possible, genuine + impostor[-1] - impostor, 0.0))
        # A threshold above all scores accepts nothing, and is right about all impostors.
        return ops.maximum(correct, impostor[-1]) / (genuine[-1] + impostor[-1])


@keras.saving.register_keras_serializable(package="siamese_verify")
class EqualErrorRate(_ScoreMetric):
    """Error rate at the threshold where FAR (false accepts) and FRR (false rejects) are equal.

    Where no threshold makes them equal, the result lies on the straight line between the two
    neighbouring thresholds. It is NaN while only one kind of pair was seen.

    Error: 0 up to `capacity` distinct scores. Beyond that, the scores are rounded, and the result
    is wrong by at most the share of genuine pairs, and of impostor pairs, at one rounded score.

    Args:
        name: Name of the metric.
        capacity: Number of distinct scores up to which the metric is exact, at least 4. Memory is
            12 bytes for each, 192 KiB by default, for any number of pairs.
        **kwargs: Keyword arguments of `keras.metrics.Metric`. The metric counts in float32,
            whatever `dtype`.

    Examples:
        >>> metric = EqualErrorRate()
        >>> metric.update_state([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1])
        >>> float(metric.result())
        0.5
    """

    def __init__(self, name: str = "equal_error_rate", capacity: int = 2**14, **kwargs: Any):
        super().__init__(name, capacity, **kwargs)
        self._direction = "down"

    @override
    def _from_accepted(self, genuine: Tensor, impostor: Tensor, possible: Tensor) -> Tensor:
        far, frr = impostor / impostor[-1], 1 - genuine / genuine[-1]
        # As the threshold goes down, FAR rises and FRR falls: they cross between the last point
        # before and the first point after. Above all scores, FAR is 0 and FRR is 1.
        before, after = possible & (far < frr), possible & (far >= frr)
        far_before = ops.max(ops.where(before, far, 0.0))
        frr_before = ops.min(ops.where(before, frr, 1.0))
        far_after = ops.min(ops.where(after, far, 1.0))
        frr_after = ops.max(ops.where(after, frr, 0.0))
        gap_before, gap_after = frr_before - far_before, far_after - frr_after
        share = gap_before / (gap_before + gap_after)
        eer = far_before + share * (far_after - far_before)
        return ops.where(_both_kinds(genuine, impostor), eer, float("nan"))


@keras.saving.register_keras_serializable(package="siamese_verify")
class TrueAcceptRate(_ScoreMetric):
    """TAR@FAR: share of genuine pairs accepted where at most `far` of the impostor pairs are.

    The threshold is the lowest one at which the false accept rate is `far` or less. The result is
    NaN while only one kind of pair was seen.

    Error: 0 up to `capacity` distinct scores. Beyond that, the scores are rounded, and the result
    is too low by at most the largest share of genuine pairs at one rounded score.

    Args:
        far: False accept rate allowed, in [0, 1].
        name: Name of the metric, by default with the rate, such as `tar_at_far_1e-1` for 0.1.
        capacity: Number of distinct scores up to which the metric is exact, at least 4. Memory is
            12 bytes for each, 192 KiB by default, for any number of pairs.
        **kwargs: Keyword arguments of `keras.metrics.Metric`. The metric counts in float32,
            whatever `dtype`.

    Raises:
        ValueError: If `far` is not in [0, 1].

    Examples:
        >>> metric = TrueAcceptRate(far=0.5)
        >>> metric.update_state([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1])
        >>> float(metric.result())
        1.0
    """

    def __init__(
        self, far: float = 0.1, name: str | None = None, capacity: int = 2**14, **kwargs: Any
    ):
        if not 0 <= far <= 1:
            raise ValueError(f"`far` must be in [0, 1]. Received: far={far}")
        super().__init__(name or tar_name(far), capacity, **kwargs)
        self.far = far
        self._direction = "up"

    @override
    def _from_accepted(self, genuine: Tensor, impostor: Tensor, possible: Tensor) -> Tensor:
        # A little tolerance, since far * n is not exact in floating point.
        allowed = possible & (impostor <= self.far * impostor[-1] * (1 + 1e-6))
        tar = ops.max(ops.where(allowed, genuine, 0.0)) / genuine[-1]
        return ops.where(_both_kinds(genuine, impostor), tar, float("nan"))

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "far": self.far}


def _both_kinds(genuine: Tensor, impostor: Tensor) -> Tensor:
    return (genuine[-1] > 0) & (impostor[-1] > 0)
