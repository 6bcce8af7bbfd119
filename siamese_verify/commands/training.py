"""Training from images of identities to a verifier, for the commands train and demo."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

import keras
import numpy as np

from siamese_verify.commands.inputs import Images
from siamese_verify.data.identity_dataset import IdentityDataset
from siamese_verify.data.pair_dataset import PairDataset
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.skipping import Skipped
from siamese_verify.files import read_regular_file, replacing
from siamese_verify.layers.backbone import BackboneTower, backbone
from siamese_verify.layers.heads.cosine import CosineHead
from siamese_verify.layers.tower import ConvTower
from siamese_verify.messages import shown
from siamese_verify.model import SiameseModel
from siamese_verify.training.backbone_adam import BackboneAdam
from siamese_verify.training.callbacks.pair_evaluation import PairEvaluation
from siamese_verify.training.callbacks.time_left import TimeLeft
from siamese_verify.training.losses.identities import SupervisedContrastiveLoss
from siamese_verify.training.resuming.resumable import Resumable
from siamese_verify.training.resuming.run_folder import RunFolderError
from siamese_verify.verification.verifier import Verifier

_SHARES = (0.7, 0.15, 0.15)
"""Shares of the identities for training, validation and test."""
_FEWEST_IDENTITIES = 14
_MOST_PAIRS = 2_000
_ROWS = 4_096
_BATCH, _PER_IDENTITY = 64, 2
_FEWEST_EPOCHS, _FEWEST_STEPS = 20, 400
_LEARNING_RATE, _RATE_FROZEN, _RATE_WHOLE = 2e-3, 1e-3, 3e-4
_FILTERS, _EMBEDDING = (16, 32, 64), 128


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Settings of a training.

    Attributes:
        image_size: Height and width of the images in pixels.
        channels: 1 for grey, 3 for colour.
        policy: Rule for the threshold.
        seed: Seed of the split, the weights and the batches.
        epochs: Number of epochs. None for 20, or more where identities are few.
        backbone: Name of a network, as `backbone` has them. None for a small residual network.
        weights: Weights of the backbone: "imagenet", "none" or a file.
    """

    image_size: int = 48
    channels: int = 1
    policy: str = "eer"
    seed: int = 0
    epochs: int | None = None
    backbone: str | None = None
    weights: str | None = None


class Parts(NamedTuple):
    """Data of a training. No identity is in two parts."""

    training: IdentityDataset
    validation: PairDataset
    test: PairDataset
    skipped: tuple[Skipped, ...]


def load_parts(images: Images, recipe: Recipe, cache: str | None, terminal: TextIO) -> Parts:
    """Decode images, divide them by identity, and draw pairs for validation and test.

    With a folder as `cache`, it keeps the decoded images, which may be larger than the memory.

    Raises:
        ValueError: If the identities are too few.

    Warns:
        UserWarning: If images are left out, because they cannot be read.
    """
    size = (recipe.image_size, recipe.image_size)
    with contextlib.redirect_stdout(terminal):
        every = IdentityDataset(
            images.samples,
            images.root,
            Preprocessing(size, recipe.channels),
            cache=cache,
            on_error="skip",
            verbose=terminal.isatty(),
        )
    if len(every.identities) < _FEWEST_IDENTITIES:
        raise ValueError(
            "Training, validation and test need identities of their own. Add images of others: a "
            f"hundred identities are a start, and {_FEWEST_IDENTITIES} are the fewest. Received: "
            f"{len(every.identities):,} identities"
        )
    training, validation, test = every.split(_SHARES, seed=recipe.seed)
    return Parts(
        training,
        _draw_pairs(validation, recipe.seed),
        _draw_pairs(test, recipe.seed),
        every.skipped,
    )


def _draw_pairs(part: IdentityDataset, seed: int) -> PairDataset:
    """Draw as many pairs as the images allow, up to a limit, half genuine and half impostor."""
    counts = np.bincount(part.labels).tolist()
    genuine = sum(math.comb(count, 2) for count in counts)
    impostor = math.comb(sum(counts), 2) - genuine
    if not genuine:
        raise ValueError(
            "The identities for validation or test have one image each, so no pair is genuine. "
            "Add images of them, or choose another --seed."
        )
    return part.pairs(min(2 * genuine, 2 * impostor, _MOST_PAIRS), seed=seed)


def make_tower(recipe: Recipe) -> keras.Model:
    """Make the network that is trained: a small residual one, or a backbone.

    Raises:
        ValueError, ImportError, OSError: See `backbone`.
    """
    keras.utils.set_random_seed(recipe.seed)
    side, channels = recipe.image_size, recipe.channels
    if recipe.backbone is None:
        return ConvTower.residual((side, side, channels), filters=_FILTERS)
    return backbone(
        recipe.backbone,
        weights=None if recipe.weights == "none" else recipe.weights,
        image_size=(side, side),
        channels=channels,
        embedding_size=_EMBEDDING,
    )


def train(
    tower: keras.Model, parts: Parts, recipe: Recipe, folder: Path, terminal: TextIO
) -> Verifier:
    """Train a tower on identities, and calibrate a verifier.

    A pretrained network trains twice: its new embedding, then the whole. After an interruption, a
    call with the same arguments continues from the last finished epoch.

    Args:
        tower: Tower that `make_tower` made.
        parts: Data.
        recipe: Settings.
        folder: Folder of the run.
        terminal: Text file for the progress.

    Raises:
        RunFolderError: If the folder holds the run of other data or settings.
    """
    model = SiameseModel(tower, CosineHead())
    # A random batch holds several images of each identity where identities are few.
    many = len(parts.training.identities) * _PER_IDENTITY > _BATCH
    per_identity = _PER_IDENTITY if many else None
    n = len(parts.training.identities) * _PER_IDENTITY if many else len(parts.training)
    epochs = recipe.epochs or max(_FEWEST_EPOCHS, math.ceil(_FEWEST_STEPS / -(-n // _BATCH)))
    _begin(folder, parts, dataclasses.replace(recipe, epochs=epochs))
    for stage in _stages(tower, recipe, folder, epochs):
        batches = parts.training.batches(
            _BATCH, shuffle=True, seed=recipe.seed, augment=True, per_identity=per_identity
        )
        learner = keras.Model(tower.inputs, tower.outputs)
        rate = keras.optimizers.schedules.CosineDecay(
            stage.rate, stage.epochs * int(batches.cardinality())
        )
        learner.compile(BackboneAdam(rate), loss=SupervisedContrastiveLoss(0.1), jit_compile=False)
        run = Resumable(stage.folder, [PairEvaluation(model, parts.validation)])
        progress = [TimeLeft(terminal)] if terminal.isatty() else []
        callbacks = [run, *progress]
        learner.fit(batches, epochs=stage.epochs, shuffle=False, verbose=0, callbacks=callbacks)
    verifier = Verifier(model, parts.test.preprocessing)
    return verifier.calibrate(parts.validation, recipe.policy)


class _Stage(NamedTuple):
    folder: Path
    rate: float
    epochs: int


def _stages(tower: keras.Model, recipe: Recipe, folder: Path, epochs: int) -> Iterator[_Stage]:
    """Yield the stages of a training, each when its weights are free to learn."""
    if not isinstance(tower, BackboneTower) or recipe.weights == "none":
        yield _Stage(folder, _LEARNING_RATE, epochs)
        return
    # The first, large errors of a new embedding would spoil pretrained features.
    frozen = -(-epochs // 3)
    tower.freeze()
    yield _Stage(folder / "frozen", _RATE_FROZEN, frozen)
    if epochs > frozen:
        tower.unfreeze()
        yield _Stage(folder / "whole", _RATE_WHOLE, epochs - frozen)


def _begin(folder: Path, parts: Parts, recipe: Recipe) -> None:
    """Write the settings of a run, or raise an error if the folder holds another run."""
    digest = hashlib.sha256()
    for data in (parts.training, parts.validation, parts.test):
        for start in range(0, len(data.images), _ROWS):
            digest.update(data.images[start : start + _ROWS].tobytes())
    settings = {**dataclasses.asdict(recipe), "images": digest.hexdigest()}
    path = folder / "settings.json"
    if path.exists():
        try:
            before = json.loads(read_regular_file(path, 100_000))
            changed = [name for name, value in settings.items() if before.get(name) != value]
        except (ValueError, AttributeError) as error:
            raise RunFolderError(f"{shown(path)} is damaged. Remove {shown(folder)}.") from error
        if changed:
            raise RunFolderError(
                f"{shown(folder)} holds a run with other settings: {', '.join(changed)}. Give its "
                "own command again to continue it. Otherwise remove the folder, or choose another "
                "output."
            )
    folder.mkdir(exist_ok=True)
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(settings, indent=2))
