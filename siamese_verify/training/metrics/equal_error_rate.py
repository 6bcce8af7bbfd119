"""`EqualErrorRate`: the error rate where FAR and FRR are equal, as a metric."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.tensors import Tensor
from siamese_verify.training.metrics.score_metric import ScoreMetric, both_kinds


@keras.saving.register_keras_serializable(package="siamese_verify")
class EqualErrorRate(ScoreMetric):
    """Error rate at the threshold where FAR (false accepts) and FRR (false rejects) are equal.

    Where no threshold makes them equal, the result lies on the straight line between the two
    neighbouring thresholds. It is NaN while only one kind of pair was seen.

    Error: 0 up to `capacity` distinct scores. Beyond that, the scores are rounded. The error is
    then at most the largest share of genuine pairs at one rounded score. It is also at most the
    largest share of impostor pairs at one rounded score.

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
        return ops.where(both_kinds(genuine, impostor), eer, float("nan"))
