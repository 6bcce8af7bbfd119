"""`TrueAcceptRate`: the true accept rate at a false accept rate, as a metric."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.evaluation.thresholds import tar_name
from siamese_verify.tensors import Tensor
from siamese_verify.training.metrics.score_metric import ScoreMetric, both_kinds


@keras.saving.register_keras_serializable(package="siamese_verify")
class TrueAcceptRate(ScoreMetric):
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
        return ops.where(both_kinds(genuine, impostor), tar, float("nan"))

    @override
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "far": self.far}
