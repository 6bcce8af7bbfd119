"""`ScoreMetric`: base class of the metrics on the scores of pairs."""

from __future__ import annotations

import abc
from typing import Any

import keras
import numpy as np
from keras import ops
from typing_extensions import override

from siamese_verify.checks import whole_number
from siamese_verify.tensors import Tensor
from siamese_verify.training.labels import aligned, for_each_score
from siamese_verify.training.metrics.score_table import merged, sorted_by_score, unused_last
from siamese_verify.training.replicas import replica_count, replica_index

# Rounded to multiples of the largest step, float32 has five values, one of which is infinity.
_FEWEST_SCORES = 4
_LARGEST = float(np.finfo(np.float32).max)


class ScoreMetric(keras.metrics.Metric):
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
            sample_weight: Weight of each pair, `(n,)`, `(n, 1)` or one number. By default 1.

        Raises:
            ValueError: If a shape differs from these, or the values are not numbers.
        """
        labels, scores = aligned(y_true, y_pred, "float32")
        weights = _weights(sample_weight, scores)
        known = ((labels == 0) | (labels == 1)) & ops.logical_not(ops.isnan(scores))
        weights = ops.where(known, weights, float("nan"))
        # Infinity marks unused places.
        scores = ops.clip(ops.where(known, scores, 0.0), -_LARGEST, _LARGEST)
        batch = sorted_by_score(ops.stack([-scores, weights * labels, weights * (1 - labels)]))
        tables, steps = ops.convert_to_tensor(self.tables), ops.convert_to_tensor(self.steps)
        row = self._row()
        table, step = merged(ops.take(tables, row, axis=0), batch, ops.take(steps, row))
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
        scores, accepted = unused_last(table)[0], ops.cumsum(table[1:], axis=1)
        # A threshold accepts all pairs of a score or none: it cannot stop between equal scores.
        possible = ops.concatenate([scores[1:] != scores[:-1], ops.ones(1, "bool")])
        return self._from_accepted(accepted[0], accepted[1], possible)

    @property
    def rounding(self) -> Tensor:
        """Step to whose multiples the scores were rounded, 0 if the metric is exact."""
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
                table, step = merged(table, tables[i], ops.maximum(step, steps[i]))
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


def both_kinds(genuine: Tensor, impostor: Tensor) -> Tensor:
    """Return whether genuine and impostor pairs were seen."""
    return (genuine[-1] > 0) & (impostor[-1] > 0)
