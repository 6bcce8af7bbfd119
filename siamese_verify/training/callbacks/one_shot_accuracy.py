"""`OneShotAccuracy`: share of probes recognized among N identities, after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from typing_extensions import override

from siamese_verify.checks import is_whole_number, whole_number
from siamese_verify.data.samples import Sample
from siamese_verify.model import SiameseModel
from siamese_verify.training.logs import Logs


class OneShotAccuracy(keras.callbacks.Callback):
    """Callback that adds the share of probes recognized among N identities, from one image each.

    In each trial, a probe is compared with one image of each of `n_way` identities. One of them is
    the identity of the probe. The trial succeeds if this identity alone has the highest score. The
    trials are the same in each epoch, and their share of successes is `val_one_shot_accuracy`.

    The paper stops training on this figure, for identities that are not in training:
    `keras.callbacks.EarlyStopping("val_one_shot_accuracy", mode="max", patience=20)`, after this
    callback in the list.

    It measures the weights that the model has. To measure averages of an optimizer with
    `use_ema=True`, put `AveragedWeights` before it.

    Args:
        images: Images `(n, height, width, channels)`, uint8 or floats in [0, 1], such as from
            `validation.distinct_images()`.
        identities: Identity of each image, as names or `Sample`s.
        n_way: Number of identities in a trial, at least 2.
        trials: Number of trials.
        seed: Seed of the trials.

    Raises:
        TypeError: If the model in training is not a `SiameseModel`.
        ValueError: If an argument is out of range, if there are fewer than `n_way` identities, or
            if no identity has two images.

    Examples:
        >>> images, identities = np.zeros((6, 16, 16, 1), np.uint8), ["Ada", "Ada", "Bob"] * 2
        >>> one_shot = OneShotAccuracy(images, identities, n_way=2, trials=10)
        >>> one_shot.trials.shape  # the probe, its match, then an image of another identity
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
                "`identities` must name the identity of each of `images`. "
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
                "OneShotAccuracy measures a SiameseModel in training, not another model. "
                f"Received: model of {type(model).__name__}"
            )

    @override
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs["val_one_shot_accuracy"] = self.accuracy(self.model)

    def accuracy(self, model: Any) -> float:
        """Return the one-shot accuracy of a `SiameseModel`, in [0, 1]."""
        embeddings = model.embed(self.images)
        probes, gallery = embeddings[self.trials[:, :1]], embeddings[self.trials[:, 1:]]
        scores = keras.ops.convert_to_numpy(model.head((probes, gallery)))[..., 0]
        return float(np.mean(scores[:, 0] > scores[:, 1:].max(axis=1)))


def _draw_trials(
    identities: Sequence[str], n_way: int, trials: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return rows of `[probe, match, other, other, ...]`, as indices of images."""
    samples = {
        identity: np.flatnonzero(np.array(identities) == identity)
        for identity in sorted(set(identities))
    }
    several = [identity for identity, indices in samples.items() if len(indices) > 1]
    if not is_whole_number(n_way, 2) or n_way > len(samples) or not several:
        raise ValueError(
            "`n_way` must be a whole number from 2 to the number of identities, and at least one "
            f"identity must have two images. Received: n_way={n_way}, {len(samples)} identities, "
            f"{len(several)} of them with two images or more"
        )
    rows = np.empty((trials, n_way + 1), np.int64)
    for row in rows:
        identity = several[rng.integers(len(several))]
        row[:2] = rng.choice(samples[identity], 2, replace=False)
        others = [other for other in samples if other != identity]
        chosen = rng.choice(len(others), n_way - 1, replace=False)
        row[2:] = [rng.choice(samples[others[i]]) for i in chosen]
    return rows
