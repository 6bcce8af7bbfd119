"""`PairEvaluation`: figures of a tower's verification, after each epoch."""

from __future__ import annotations

import math

import keras
import numpy as np
from typing_extensions import override

from siamese_verify.data.pair_dataset import PairDataset, check_pair_dataset
from siamese_verify.evaluation.report import evaluate_scores
from siamese_verify.messages import shown
from siamese_verify.model import SiameseModel
from siamese_verify.training.logs import Logs


class PairEvaluation(keras.callbacks.Callback):
    """Callback that adds figures of a tower's verification to the logs, whatever its loss.

    The loss of a classifier says nothing about identities that are not in training. After each
    epoch, this callback scores pairs and adds `val_auc`, `val_equal_error_rate` and
    `val_best_threshold_accuracy`. Callbacks after it in the list can watch these figures, such as
    `keras.callbacks.EarlyStopping("val_auc", mode="max")`. The figures are NaN where scores are
    NaN or infinite.

    It measures the weights that the model has, as Keras's validation does. To measure and keep
    averages of an optimizer with `use_ema=True`, put `AveragedWeights` before it.

    Args:
        model: Model of the tower in training and of the head that scores the pairs.
        pairs: Validation pairs, genuine and impostor ones.

    Raises:
        TypeError: If `model` is not a `SiameseModel`, or `pairs` not a `PairDataset`.
        ValueError: If all pairs have the same label, the tower needs images of another shape, or
            `model` shares no weights with the model in training.

    Examples:
        >>> pairs = PairDataset.from_lfw(
        ...     "lfw/pairsDevTrain.txt", "lfw/lfw2", (16, 16), verbose=False
        ... )
        >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
        >>> evaluation = PairEvaluation(SiameseModel(tower, CosineHead()), pairs)
        >>> sorted(evaluation.measure())
        ['val_auc', 'val_best_threshold_accuracy', 'val_equal_error_rate']
    """

    def __init__(self, model: SiameseModel, pairs: PairDataset):
        super().__init__()
        if not isinstance(model, SiameseModel):
            raise TypeError(
                "PairEvaluation needs a SiameseModel, such as SiameseModel(tower, CosineHead()). "
                f"Received: model of {type(model).__name__}"
            )
        check_pair_dataset(pairs)
        if len(labels := set(pairs.labels.tolist())) < 2:
            raise ValueError(
                "PairEvaluation needs genuine pairs (label 1) and impostor pairs (label 0). "
                f"Received: {len(pairs.labels):,} pairs, with labels {labels or 'of none'}"
            )
        # This raises an error if the tower needs images of another shape.
        model.build(((None, *pairs.preprocessing.shape),) * 2)
        # The attribute `model` of a callback is the model in training.
        self.verification_model = model
        self.pairs = pairs

    @override
    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        trained = set(map(id, model.weights))
        if not any(id(weight) in trained for weight in self.verification_model.weights):
            raise ValueError(
                "PairEvaluation's model must be made of the tower that is being trained, but it "
                f"shares no weights with {shown(repr(model.name))}. "
                f"Received: model={shown(repr(self.verification_model.name))}"
            )

    @override
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs.update(self.measure())

    def measure(self) -> dict[str, float]:
        """Return the figures of the current weights."""
        scores = self.verification_model.score(self.pairs.images, self.pairs.indices)
        names = ("val_auc", "val_equal_error_rate", "val_best_threshold_accuracy")
        if not np.isfinite(scores).all():
            return dict.fromkeys(names, math.nan)
        report = evaluate_scores(scores, self.pairs.labels)
        figures = (report.roc.auc, report.eer, report.best_accuracy)
        return dict(zip(names, map(float, figures), strict=True))
