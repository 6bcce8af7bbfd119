"""Metrics of verification for `compile(metrics=[...])`, exact on all pairs seen.

Each is computed from the sorted scores themselves, not from a histogram. Pairs of equal score stay
together: no threshold can separate them.
"""

from __future__ import annotations

import abc
import warnings
from typing import Any

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.checks import whole
from siamese_verify.labels import aligned

Tensor = Any


class _ScoreMetric(keras.metrics.Metric):
    """Keeps the scores of an epoch, with how much each weighs as genuine and as impostor pair.

    An empty slot weighs nothing, so that results need not know how many are filled.
    """

    def __init__(self, name: str, capacity: int, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.capacity = capacity = whole("capacity", capacity)
        self.scores = self.add_variable((capacity,), "zeros", "float32", name="scores")
        self.genuine = self.add_variable((capacity,), "zeros", "float32", name="genuine")
        self.impostor = self.add_variable((capacity,), "zeros", "float32", name="impostor")
        self.seen = self.add_variable((), "zeros", dtype="int32", name="seen")

    @override
    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Adds a batch of pairs.

        Args:
            y_true: Labels, 1 = same, 0 = different; any others make the result NaN.
            y_pred: Scores, higher is more alike; as many as labels.
            sample_weight: Weight of each pair; by default 1.
        """
        dtype = self.scores.dtype
        labels, scores = aligned(y_true, y_pred, dtype)
        labels = ops.where((labels == 0) | (labels == 1), labels, float("nan"))
        weights = ops.cast(1 if sample_weight is None else sample_weight, dtype)
        weights = ops.broadcast_to(ops.reshape(weights, (-1,)), ops.shape(scores))
        n = ops.shape(scores)[0]
        slots = (self.seen + ops.arange(n, dtype="int32")) % self.capacity
        for buffer, values in (
            (self.scores, scores),
            (self.genuine, weights * labels),
            (self.impostor, weights * (1 - labels)),
        ):
            buffer.assign(ops.scatter_update(buffer, ops.expand_dims(slots, 1), values))
        self.seen.assign_add(n)

    @override
    def result(self) -> Tensor:
        """The metric over all pairs since the last reset; NaN where it is not defined."""
        self._warn_of_overflow()
        order = ops.argsort(-self.scores)
        descending = ops.take(self.scores, order)
        genuine = ops.cumsum(ops.take(self.genuine, order))
        impostor = ops.cumsum(ops.take(self.impostor, order))
        # A threshold accepts all pairs of a score or none: it cannot stop between equal scores.
        differs = descending[:-1] != descending[1:]
        possible = ops.concatenate([differs, ops.ones(1, "bool")])
        valid = (self.seen <= self.capacity) & ops.logical_not(ops.any(ops.isnan(self.scores)))
        value = self._from_accepted(genuine, impostor, possible)
        return ops.where(valid, value, float("nan"))

    @abc.abstractmethod
    def _from_accepted(self, genuine: Tensor, impostor: Tensor, possible: Tensor) -> Tensor:
        """The metric, from what is accepted as the threshold goes down.

        Args:
            genuine: Accepted weight of genuine pairs `(capacity,)`; the last is of all of them.
            impostor: The same of impostor pairs.
            possible: bool `(capacity,)`: where a threshold can be.
        """

    def _warn_of_overflow(self) -> None:
        try:
            seen = int(self.seen)
        except (TypeError, AttributeError):
            return  # in a compiled function, where the count is not known yet
        if isinstance(seen, int) and seen > self.capacity:
            warnings.warn(
                f"{type(self).__name__} is NaN: it keeps at most capacity={self.capacity} pairs "
                f"and has seen {seen}. Give it a larger capacity.",
                RuntimeWarning,
                stacklevel=3,
            )

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "capacity": self.capacity}


@keras.saving.register_keras_serializable(package="siamese_verify")
class BestThresholdAccuracy(_ScoreMetric):
    """The highest accuracy that any threshold on the score reaches on the pairs seen.

    Since the threshold is chosen on the very pairs, this is optimistic: it tells how well scores
    rank the pairs, not how well a verifier will do.

    Args:
        name: Of the metric.
        capacity: The most pairs that can be seen between resets. Memory is 12 bytes for each,
            192 KiB by default. With more pairs the result is NaN, and a warning says so.
        **kwargs: Keras's own. Whatever `dtype`, the metric counts in float32.

    Example:
        >>> metric = BestThresholdAccuracy()
        >>> metric.update_state([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1])
        >>> float(metric.result())  # a threshold cannot separate the two at 0.4
        0.75
    """

    def __init__(self, name: str = "best_threshold_accuracy", capacity: int = 2**14, **kwargs: Any):
        super().__init__(name, capacity, **kwargs)

    @override
    def _from_accepted(self, genuine: Tensor, impostor: Tensor, possible: Tensor) -> Tensor:
        correct = ops.max(ops.where(possible, genuine + impostor[-1] - impostor, 0.0))
        # A threshold above all scores accepts nothing, and is right about all impostors.
        return ops.maximum(correct, impostor[-1]) / (genuine[-1] + impostor[-1])


@keras.saving.register_keras_serializable(package="siamese_verify")
class EqualErrorRate(_ScoreMetric):
    """The error rate at the threshold where FAR (false accepts) and FRR (false rejects) are equal.

    Where no threshold makes them equal, the point on the straight line between the two
    neighbouring thresholds counts. NaN while only one kind of pair was seen.

    Args:
        name: Of the metric.
        capacity: The most pairs that can be seen between resets. Memory is 12 bytes for each,
            192 KiB by default. With more pairs the result is NaN, and a warning says so.
        **kwargs: Keras's own. Whatever `dtype`, the metric counts in float32.

    Example:
        >>> metric = EqualErrorRate()
        >>> metric.update_state([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1])
        >>> float(metric.result())
        0.5
    """

    def __init__(self, name: str = "equal_error_rate", capacity: int = 2**14, **kwargs: Any):
        super().__init__(name, capacity, **kwargs)

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
    """TAR@FAR: the share of genuine pairs accepted where at most `far` of the impostors are.

    That is, at the lowest threshold at which the false accept rate is `far` or less. NaN while
    only one kind of pair was seen.

    Args:
        far: The false accept rate allowed, in [0, 1].
        name: Of the metric; by default with the rate, such as `tar_at_far_0.1`.
        capacity: The most pairs that can be seen between resets. Memory is 12 bytes for each,
            192 KiB by default. With more pairs the result is NaN, and a warning says so.
        **kwargs: Keras's own. Whatever `dtype`, the metric counts in float32.

    Raises:
        ValueError: If `far` is not in [0, 1].

    Example:
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
        super().__init__(name or f"tar_at_far_{far:g}", capacity, **kwargs)
        self.far = far

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
