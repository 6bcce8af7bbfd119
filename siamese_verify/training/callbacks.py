"""Callbacks for `fit`, beside Keras's own such as `EarlyStopping`."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from typing_extensions import override

from siamese_verify.checks import is_whole_number, whole_number
from siamese_verify.data.pair_dataset import PairDataset
from siamese_verify.data.samples import Sample
from siamese_verify.evaluation.report import evaluate_scores
from siamese_verify.model import SiameseModel
from siamese_verify.training.optimizers import averaged_weights, unwrapped_optimizer

Logs = dict[str, Any] | None


class EpochSeconds(keras.callbacks.Callback):
    """Adds `seconds`, the wall-clock time of each epoch with its validation, to logs and history.

    Examples:
        >>> EpochSeconds()  # doctest: +ELLIPSIS
        <siamese_verify.training.callbacks.EpochSeconds object at ...>
    """

    @override
    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._start = time.perf_counter()

    @override
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs["seconds"] = time.perf_counter() - self._start


class Koch2015Schedule(keras.callbacks.Callback):
    """The paper's schedule for SGD: learning rate down by 1% an epoch, momentum rising linearly.

    The learning rate is multiplied at the start of each epoch but the first, and kept in the
    optimizer, so that a resumed run goes on with it. The momentum follows from the epoch.

    Args:
        epochs: Number of epochs over which momentum rises; afterwards it stays.
        momentum: The momentum in the end, in (0, 1]. The paper chooses it for each layer.
        initial_momentum: The momentum in the first epoch, in (0, 1].
        decay: Factor on the learning rate, in (0, 1].

    Raises:
        ValueError: If an argument is out of range, or the optimizer is not SGD with a momentum
            and a constant learning rate.

    Examples:
        >>> schedule = Koch2015Schedule(epochs=20)
        >>> schedule.momentum_at(0), schedule.momentum_at(20)
        (0.5, 0.9)

    Reference:
        Koch, Zemel, Salakhutdinov, "Siamese Neural Networks for One-shot Image Recognition",
        2015, section 3.2 (learning schedule).
    """

    def __init__(
        self,
        epochs: int,
        momentum: float = 0.9,
        initial_momentum: float = 0.5,
        decay: float = 0.99,
    ):
        super().__init__()
        epochs = whole_number("epochs", epochs)
        if not 0 < initial_momentum <= 1 or not 0 < momentum <= 1:
            raise ValueError(
                "`initial_momentum` and `momentum` must be in (0, 1]. Received: "
                f"initial_momentum={initial_momentum}, momentum={momentum}"
            )
        if not 0 < decay <= 1:
            raise ValueError(f"`decay` must be in (0, 1]. Received: decay={decay}")
        self.epochs = epochs
        self.momentum = momentum
        self.initial_momentum = initial_momentum
        self.decay = decay

    def momentum_at(self, epoch: int) -> float:
        """The momentum in an epoch, counted from 0."""
        risen = min(epoch / self.epochs, 1.0)
        return self.initial_momentum + risen * (self.momentum - self.initial_momentum)

    @override
    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        optimizer = unwrapped_optimizer(model)
        config = optimizer.get_config()
        momentum, rate = config.get("momentum"), config["learning_rate"]
        scheduled = isinstance(rate, dict)  # a LearningRateSchedule, serialized
        if not isinstance(optimizer, keras.optimizers.SGD) or not momentum or scheduled:
            raise ValueError(
                "Koch2015Schedule needs keras.optimizers.SGD with a momentum above 0 and a number "
                "as learning rate, such as SGD(0.001, momentum=0.5). Received: "
                f"{type(optimizer).__name__} with momentum={momentum}, learning_rate={rate}"
            )

    @override
    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        optimizer = unwrapped_optimizer(self.model)
        if epoch > 0:
            optimizer.learning_rate = float(optimizer.learning_rate) * self.decay
        momentum = self.momentum_at(epoch)
        if momentum != optimizer.momentum:
            # Keras bakes the momentum into the compiled training step, which is made anew.
            optimizer.momentum = momentum
            self.model.make_train_function(force=True)

    @override
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            optimizer = unwrapped_optimizer(self.model)
            logs["learning_rate"] = float(optimizer.learning_rate)
            logs["momentum"] = float(optimizer.momentum)


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
            with averaged_weights(self.model):
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


class OneShotAccuracy(keras.callbacks.Callback):
    """Adds `val_one_shot_accuracy`: how often an identity is recognised among N from one image.

    In each trial, a probe is compared with one image of each of `n_way` identities, of whom one
    is the probe's; it counts if that one has the highest score, alone. The trials are the same in
    each epoch. The paper stops training on this signal, on identities not in training:
    `keras.callbacks.EarlyStopping("val_one_shot_accuracy", mode="max", patience=20)`, after this
    callback in the list.

    Args:
        images: Images `(n, height, width, channels)`, uint8, or floats in [0, 1], such as
            `validation.distinct_images()` gives.
        identities: Who is on each of them: names, or `Sample`s, as `images()` gives too.
        n_way: Number of identities in a trial, at least 2.
        trials: Number of trials.
        seed: Of the trials.

    Raises:
        ValueError: If an argument is out of range, there are fewer than `n_way` identities, or nobody
            has two images.

    Examples:
        >>> images, identities = np.zeros((6, 16, 16, 1), np.uint8), ["Ada", "Ada", "Bob"] * 2
        >>> one_shot = OneShotAccuracy(images, identities, n_way=2, trials=10)
        >>> one_shot.trials.shape  # of each trial the probe, its match, then the others
        (10, 3)

    Reference:
        Koch, Zemel, Salakhutdinov, "Siamese Neural Networks for One-shot Image Recognition",
        2015, sections 3.2 (320 trials for validation) and 4.3.
    """

    def __init__(
        self,
        images: npt.NDArray[Any],
        identities: Sequence[str | Sample],
        n_way: int = 20,
        trials: int = 320,
        seed: int = 0,
    ):
        super().__init__()
        if len(images) != len(identities):
            raise ValueError(
                "`identities` must name who is on each of `images`. "
                f"Received: {len(images)} images, {len(identities)} identities"
            )
        trials = whole_number("trials", trials)
        self.images = images
        names = [who.identity if isinstance(who, Sample) else who for who in identities]
        self.trials = _draw_trials(names, n_way, trials, np.random.default_rng(seed))

    @override
    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        if not isinstance(model, SiameseModel):
            raise TypeError(
                "OneShotAccuracy goes with the training of a SiameseModel. "
                f"Received: model of {type(model).__name__}"
            )

    @override
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            with averaged_weights(self.model):
                logs["val_one_shot_accuracy"] = self.accuracy(self.model)

    def accuracy(self, model: Any) -> float:
        """The one-shot accuracy of a `SiameseModel`, in [0, 1]."""
        embeddings = model.embed(self.images)
        probes, gallery = embeddings[self.trials[:, :1]], embeddings[self.trials[:, 1:]]
        scores = keras.ops.convert_to_numpy(model.head((probes, gallery)))[..., 0]
        return float(np.mean(scores[:, 0] > scores[:, 1:].max(axis=1)))


def _draw_trials(
    identities: Sequence[str], n_way: int, trials: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Rows of `[probe, match, other, other, ...]`, indices of images."""
    samples = {
        identity: np.flatnonzero(np.array(identities) == identity)
        for identity in sorted(set(identities))
    }
    several = [identity for identity, indices in samples.items() if len(indices) > 1]
    if not is_whole_number(n_way, 2) or n_way > len(samples) or not several:
        raise ValueError(
            "`n_way` must be a whole number, from 2 to the number of identities, of whom one or more "
            f"must have two images. Received: n_way={n_way}, {len(samples)} identities, "
            f"{len(several)} of them with two images or more."
        )
    rows = np.empty((trials, n_way + 1), np.int64)
    for row in rows:
        identity = several[rng.integers(len(several))]
        row[:2] = rng.choice(samples[identity], 2, replace=False)
        others = [other for other in samples if other != identity]
        chosen = rng.choice(len(others), n_way - 1, replace=False)
        row[2:] = [rng.choice(samples[others[i]]) for i in chosen]
    return rows
