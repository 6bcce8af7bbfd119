"""The images of a run: for training, for validation and for the test."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from download import download_lfw
from options import Options
from recipes import Recipe
from standin import write_standin

import siamese_verify as sv
from siamese_verify.data.samples import PairListWarning

TRAIN_LIST, TEST_LIST = "pairsDevTrain.txt", "pairsDevTest.txt"
_VALIDATION_PAIRS = 2_000  # With names, more validation pairs can be drawn than the list has.


DRAWN = """\
These faces are drawn, so that you can try everything in minutes. Their figures say nothing about
real faces. To train on Labeled Faces in the Wild (243 MB), fetch it or use your copy:
  python {script} --download --data lfw
  python {script} --data DIR  (lfw2/, pairsDevTrain.txt, pairsDevTest.txt)
"""


class Data(NamedTuple):
    """Data of a run.

    Attributes:
        train: Training pairs.
        validation: Validation pairs.
        test: Test pairs.
        identities: Images of the training identities. None for a loss on pairs.
    """

    train: sv.PairDataset
    validation: sv.PairDataset
    test: sv.PairDataset
    identities: sv.IdentityDataset | None

    @property
    def n_identities(self) -> int:
        """Number of identities that a classifier tells apart. 0 for a recipe without names."""
        return len(self.identities.identities) if self.identities is not None else 0

    def size(self) -> dict[str, int]:
        """Count the images that are trained on, and their identities."""
        if self.identities is not None:
            return {"images": len(self.identities), "identities": len(self.identities.identities)}
        pairs = self.train.pairs
        return {"images": len(pairs.samples), "identities": len(pairs.identities)}


def find_data(options: Options) -> Path:
    """Return the folder of images and pair lists, after drawing or fetching them if necessary."""
    if options.data is None:
        print(DRAWN.format(script=sys.argv[0]))
        return write_standin(Path("runs") / "drawn-faces")
    if options.download:
        download_lfw(options.data)
    return options.data


def load_data(folder: Path, recipe: Recipe, limit: int | None = None, seed: int = 0) -> Data:
    """Read a folder that is laid out as LFW, and show a table of the pairs."""
    size = (recipe.image_size, recipe.image_size)
    crop = (recipe.crop, recipe.crop) if recipe.crop else None
    root, preprocessing = folder / "lfw2", sv.Preprocessing(size, center_crop=crop)

    def load(pairs: sv.PairList) -> sv.PairDataset:
        return sv.PairDataset(pairs, root, preprocessing)

    development, test = (
        _limited(sv.PairList.from_lfw(folder / name), limit, seed)
        for name in (TRAIN_LIST, TEST_LIST)
    )
    with warnings.catch_warnings():
        if recipe.labels == "names":  # Pairs are then drawn again, by the names in each part.
            warnings.simplefilter("ignore", PairListWarning)
        train, validation = load(development).split(
            recipe.validation, seed=seed, by=recipe.split_by
        )
    identities = None
    if recipe.labels == "names":
        validation = load(_sample(root, validation.pairs.identities, seed))
        names = _training_identities(development, validation.pairs, recipe.identities_share, seed)
        validation.training_identities = frozenset(names)
        if recipe.loss == "binary_crossentropy":
            most = 2 * (len(development) // 2)
            train = load(_sample(root, tuple(names), seed, most))
        else:
            identities = sv.IdentityDataset.from_folder(root, preprocessing, identities=names)
    data = Data(train, validation, load(test), identities)
    _show(data)
    return data


def training_batches(data: Data, recipe: Recipe, seed: int) -> tf.data.Dataset:
    """Batches for `fit`: pairs, images of pairs, or images with names."""
    size, options = recipe.batch_size, {"seed": seed, "augment": augmentation(recipe)}
    if data.identities is not None:
        return data.identities.batches(size, True, per_identity=recipe.per_identity, **options)
    if recipe.loss == "binary_crossentropy":
        return data.train.batches(size, True, buffer=recipe.shuffle_buffer, **options)
    return data.train.image_batches(size, **options)


def augmentation(recipe: Recipe) -> sv.Augmentation | bool:
    """Random changes of training images. False for none."""
    if recipe.augment == "none":
        return False
    if recipe.augment == "koch2015":
        return sv.Augmentation()
    return sv.Augmentation(
        rotation=10.0,
        shear=0.1,
        scale=0.12,
        shift=0.03 * recipe.image_size,
        probability=0.7,
        brightness=0.2,
        contrast=0.35,
        erasing=0.3,
    )


def _limited(pairs: sv.PairList, limit: int | None, seed: int) -> sv.PairList:
    if limit is not None and limit < len(pairs):
        _, pairs = pairs.split(limit / len(pairs), seed=seed)
    return pairs


def _sample(
    root: Path, identities: tuple[str, ...], seed: int, most: int = _VALIDATION_PAIRS
) -> sv.PairList:
    """Draw balanced pairs of identities."""
    every = sv.PairList.sample(root, identities=identities, seed=seed)
    size = min(len(every), most)
    return sv.PairList.sample(root, size, identities=identities, seed=seed)


def _training_identities(
    development: sv.PairList, validation: sv.PairList, share: float, seed: int
) -> list[str]:
    names = sorted(set(development.identities) - set(validation.identities))
    chosen = np.random.default_rng(seed).permutation(names)[: round(share * len(names))]
    return sorted(chosen.tolist())


def _show(data: Data) -> None:
    train, validation = data.train.pairs, data.validation.pairs
    table = {"training": train, "validation": validation, "test": data.test.pairs}
    table["all"] = train + validation + data.test.pairs
    print(f"\n{'':<12}" + "".join(f"{field:>12}" for field in train.summary()._fields))
    for name, pairs in table.items():
        print(f"{name:<12}" + "".join(f"{count:>12,}" for count in pairs.summary()))
    if data.identities is not None:
        print(f"Trained on, by name: {data.identities!r}")
    known = set(train.identities) & set(validation.identities)
    if known and data.identities is None:
        print(
            f"{len(known):,} of {len(validation.identities):,} validation identities are in "
            "training too, so validation figures are optimistic. The recipes restricted and "
            "unrestricted split by identity, which keeps them apart."
        )
