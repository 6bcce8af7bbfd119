"""`PairEvaluation`: how well a tower verifies, after each epoch."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from typing_extensions import override

from siamese_verify.data.pair_dataset import PairDataset
from siamese_verify.evaluation.report import evaluate_scores
from siamese_verify.model import SiameseModel

Logs = dict[str, Any] | None


class PairEvaluation(keras.callbacks.Callback):
    """Adds to the logs how well a tower verifies, whatever it is being trained with.

    A classifier of identities says nothing of identities it does not know. After each epoch, this scores
    pairs, with the averaged weights if the optimizer keeps them, and adds `val_auc`,
    `val_equal_error_rate` and `val_best_threshold_accuracy`. Other callbacks can watch these, after
    this one in the list, such as `keras.callbacks.EarlyStopping("val_auc", mode="max")`. Where
    weights have become NaN or infinite, so are these.

    Args:
        model: The tower that is being trained, with the head by which pairs are to be scored.
        pairs: Validation pairs, both same and different ones.

    Raises:
        TypeError: If `model` is not a `SiameseModel`.
        ValueError: If all pairs are same or all are different, the tower takes images of another
            shape, or `model` has no weights of the model that is being trained.

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
                "PairEvaluation scores pairs with a SiameseModel, such as "
                f"SiameseModel(tower, CosineHead()). Received: model of {type(model).__name__}"
            )
        if len(labels := set(pairs.labels.tolist())) < 2:
            raise ValueError(
                "PairEvaluation needs same pairs (label 1) and different ones (label 0). "
                f"Received: {len(pairs.labels):,} pairs, with labels {labels or 'of none'}"
            )
        model.build(((None, *pairs.preprocessing.shape),) * 2)  # Fails where they do not fit.
        # Keras's callbacks have an attribute `model`, which is the one in training.
        self.verification_model = model
        self.pairs = pairs

    @override
    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        trained = set(map(id, model.weights))
        if not any(id(weight) in trained for weight in self.verification_model.weights):
            raise ValueError(
                "PairEvaluation's model must be made of the tower that is being trained: it has "
                f"no weights of {model.name!r}. Received: model={self.verification_model.name!r}"
            )

    @override
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs.update(self.measure())

    def measure(self) -> dict[str, float]:
        """The figures, with the weights as they are."""
        scores = self.verification_model.score(self.pairs.images, self.pairs.indices)
        names = ("val_auc", "val_equal_error_rate", "val_best_threshold_accuracy")
        if not np.isfinite(scores).all():
            return dict.fromkeys(names, math.nan)
        report = evaluate_scores(scores, self.pairs.labels)
        figures = (report.roc.auc, report.eer, report.best_accuracy)
        return dict(zip(names, map(float, figures), strict=True))
