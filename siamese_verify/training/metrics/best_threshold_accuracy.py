"""`BestThresholdAccuracy`: the accuracy at the best threshold, as a metric."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from typing_extensions import override

from siamese_verify.tensors import Tensor
from siamese_verify.training.metrics.score_metric import ScoreMetric


@keras.saving.register_keras_serializable(package="siamese_verify")
class BestThresholdAccuracy(ScoreMetric):
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
