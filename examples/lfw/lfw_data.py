"""The images of a run: what is trained on, chosen by, and tested with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

import siamese_verify as sv

TRAIN_LIST, TEST_LIST = "pairsDevTrain.txt", "pairsDevTest.txt"
_VALIDATION_PAIRS = 2_000  # drawn where names may be used: more than the list has


class Data(NamedTuple):
    """Pairs for each purpose and, where names may be used, the images of training identities."""

    train: sv.PairDataset
    validation: sv.PairDataset
    test: sv.PairDataset
    identities: sv.IdentityDataset | None

    def size(self) -> dict[str, int]:
        """How many images, and of how many identities, are trained on."""
        if self.identities is not None:
            return {"images": len(self.identities), "identities": len(self.identities.identities)}
        pairs = self.train.pairs
        return {"images": len(pairs.samples), "identities": len(pairs.identities)}


def load_data(folder: Path, settings: argparse.Namespace) -> Data:
    """Reads a folder as LFW is laid out, and shows a table of the pairs."""
    size = (settings.image_size, settings.image_size)
    crop = (settings.crop, settings.crop) if settings.crop else None
    root, preprocessing = folder / "lfw2", sv.Preprocessing(size, center_crop=crop)

    def load(pairs: sv.PairList) -> sv.PairDataset:
        return sv.PairDataset(pairs, root, preprocessing, cache=settings.cache)

    development, test = (
        _limited(sv.PairList.from_lfw(folder / name), settings) for name in (TRAIN_LIST, TEST_LIST)
    )
    train, validation = load(development).split(
        settings.validation, seed=settings.seed, by=settings.split_by
    )
    identities = None
    if settings.labels == "names":
        validation = load(_sample(root, validation.pairs.identities, settings.seed))
        names = _training_identities(development, validation.pairs, settings)
        validation.training_identities = frozenset(names)
        identities = sv.IdentityDataset.from_folder(
            root, preprocessing, identities=names, cache=settings.cache
        )
    data = Data(train, validation, load(test), identities)
    _show(data)
    return data


def training_batches(
    data: Data, settings: argparse.Namespace, initial_epoch: int = 0
) -> tf.data.Dataset:
    """What `fit` is given: pairs, the images of pairs, or images with names."""
    options = {
        "seed": settings.seed,
        "augment": augmentation(settings),
        "initial_epoch": initial_epoch,
    }
    size = settings.batch_size
    if data.identities is not None:
        return data.identities.batches(size, True, per_identity=settings.per_identity, **options)
    if settings.loss == "binary_crossentropy":
        return data.train.batches(size, True, buffer=settings.shuffle_buffer, **options)
    return data.train.image_batches(size, **options)


def augmentation(settings: argparse.Namespace) -> sv.Augmentation | bool:
    if settings.augment == "none":
        return False
    if settings.augment == "koch2015":
        return sv.Augmentation()
    return sv.Augmentation(
        rotation=10.0,
        shear=0.1,
        scale=0.12,
        shift=0.03 * settings.image_size,
        probability=0.7,
        brightness=0.2,
        contrast=0.35,
        erasing=0.3,
    )


def _limited(pairs: sv.PairList, settings: argparse.Namespace) -> sv.PairList:
    if settings.limit and settings.limit < len(pairs):
        _, pairs = pairs.split(settings.limit / len(pairs), seed=settings.seed)
    return pairs


def _sample(root: Path, identities: tuple[str, ...], seed: int) -> sv.PairList:
    """Balanced pairs of validation identities."""
    every = sv.PairList.sample(root, identities=identities, seed=seed)
    size = min(len(every), _VALIDATION_PAIRS)
    return sv.PairList.sample(root, size, identities=identities, seed=seed)


def _training_identities(
    development: sv.PairList, validation: sv.PairList, settings: argparse.Namespace
) -> list[str]:
    names = sorted(set(development.identities) - set(validation.identities))
    rng = np.random.default_rng(settings.seed)
    return sorted(rng.permutation(names)[: round(settings.identities_share * len(names))].tolist())


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
            f"{len(known):,} of {len(validation.identities):,} validation identities are in training "
            "too, so validation figures are optimistic; --split-by identity keeps them apart."
        )
