"""`IdentityDataset`: photographs and whose they are, handed out in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
import tensorflow as tf

from siamese_verify.augmentation import Augmentation
from siamese_verify.batching import Indices, Labels, stream
from siamese_verify.checks import is_whole, whole
from siamese_verify.files import PathLike
from siamese_verify.images import load_images
from siamese_verify.pairs import Photo
from siamese_verify.photographs import find_people, find_photographs
from siamese_verify.preprocessing import Pixels, Preprocessing


class IdentityDataset:
    """Photographs labelled by person, for losses on people such as `MarginSoftmaxLoss`.

    Args:
        photos: The photographs, each once.
        images_root: The folder that holds a folder of photographs for each person.
        preprocessing: How photographs are decoded; by default the report's 105 x 105, grey.
        cache: Folder in which the decoded pixels are kept for later runs; see `load_images`.
        verbose: Whether to show the progress of decoding.

    Attributes:
        photos: The photographs.
        people: The names of all people, each once, sorted.
        labels: int32 array `(n,)`: which of `people` is on each photograph.
        preprocessing: The `Preprocessing`.
        images: uint8 array `(n, height, width, channels)`.

    Raises:
        TypeError: If `photos` are no `Photo`s.
        ValueError: If there are fewer than two people, or a photograph is there twice.
        FileNotFoundError: If photographs are missing; names them, before any is decoded.
        ImageError: If a file cannot be decoded; names it.

    Example:
        >>> photographs = IdentityDataset.from_folder("lfw/lfw2", verbose=False)
        >>> images, label = next(iter(photographs.batches(8, per_person=2)))
        >>> images.shape, len(set(label.numpy().tolist()))
        (TensorShape([8, 105, 105, 1]), 4)
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        images_root: PathLike,
        preprocessing: Preprocessing | None = None,
        *,
        cache: PathLike | None = None,
        verbose: bool = True,
    ):
        self.photos = tuple(photos)
        for photo in self.photos:
            if not isinstance(photo, Photo):
                raise TypeError(
                    "`photos` must be `Photo`s, or see `from_folder`. "
                    f"Received: {photo!r} among them"
                )
        self.people = tuple(sorted({photo.person for photo in self.photos}))
        if len(self.people) < 2:
            raise ValueError(
                "There must be photographs of two people or more to tell apart. "
                f"Received: {len(self.photos)} photographs of {len(self.people)} people"
            )
        twice = [photo for photo, count in Counter(self.photos).items() if count > 1]
        if twice:
            raise ValueError(
                f"`photos` must hold each photograph once. Received: {len(twice)} several times, "
                f"such as {twice[0].path}"
            )
        number = {person: i for i, person in enumerate(self.people)}
        self.labels: Labels = np.array([number[p.person] for p in self.photos], np.int32)
        self.preprocessing = preprocessing or Preprocessing()
        paths = find_photographs(images_root, self.photos)
        self.images: Pixels = load_images(paths, self.preprocessing, cache=cache, verbose=verbose)

    @classmethod
    def from_folder(
        cls,
        images_root: PathLike,
        preprocessing: Preprocessing | None = None,
        *,
        people: Iterable[str] | None = None,
        cache: PathLike | None = None,
        verbose: bool = True,
    ) -> Self:
        """All photographs in a folder that holds a folder for each person.

        Args:
            images_root: The folder.
            preprocessing: How photographs are decoded.
            people: The names of those to take; by default all.
            cache: Folder in which the decoded pixels are kept for later runs.
            verbose: Whether to show the progress of decoding.

        Raises:
            TypeError: If `people` is one name.
            FileNotFoundError: If the folder holds no photographs, or none of a person in `people`.
            ValueError, ImageError: See the class.
        """
        found = find_people(images_root, people)
        photos = [Photo(person, file) for person, files in found.items() for file in files]
        return cls(photos, images_root, preprocessing, cache=cache, verbose=verbose)

    def __len__(self) -> int:
        return len(self.photos)

    def __repr__(self) -> str:
        return (
            f"IdentityDataset({len(self):,} photographs of {len(self.people):,} people, "
            f"image_size={self.preprocessing.image_size})"
        )

    def batches(
        self,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        augment: bool | Augmentation = False,
        *,
        per_person: int | None = None,
        initial_epoch: int = 0,
    ) -> tf.data.Dataset:
        """The photographs in batches, for `fit`.

        By default, an epoch holds each photograph once. With `per_person`, it holds each person
        once, with so many photographs drawn at random, and people are together in a batch: the
        P x K batches that losses on the embeddings of a batch need. Of a person with fewer, some
        come several times, which with `augment` are not alike.

        Args:
            batch_size: Photographs in a batch; the last one may be smaller.
            shuffle: Whether each epoch has its own random order.
            seed: Of order, choice and augmentation; the same seed gives the same epochs.
            augment: For training only: True for `Augmentation()`, or one of your own.
            per_person: Photographs of each person, at least 2; a divisor of `batch_size`.
            initial_epoch: The epoch with which the first iteration starts, as in `fit`, so that a
                resumed run sees the batches that an uninterrupted one would. Each iteration counts,
                also one for a look at a batch, and the one that Keras makes on JAX before `fit`.

        Returns:
            A `tf.data.Dataset` of `(images, label)`: float32 images in [0, 1] of shape
            `(batch, height, width, channels)` and int32 labels `(batch,)`.

        Raises:
            ValueError: If an argument is out of range.

        Reference:
            Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification",
            2017, section 2 (P x K batches).
        """
        batch_size = whole("batch_size", batch_size)
        if per_person is not None and (not is_whole(per_person, 2) or batch_size % per_person):
            raise ValueError(
                "`per_person` must be a whole number, at least 2, and divide `batch_size`. "
                f"Received: per_person={per_person}, batch_size={batch_size}"
            )

        def order(rng: np.random.Generator) -> Indices:
            n = len(self) if per_person is None else len(self.people)
            drawn = rng.permutation(n) if shuffle else np.arange(n)
            if per_person is None:
                return drawn
            return np.concatenate([self._draw(who, per_person, rng) for who in drawn])

        return stream(
            self.images,
            order,
            lambda rows: (rows, self.labels[rows]),
            len(self) if per_person is None else per_person * len(self.people),
            batch_size,
            seed=seed,
            augment=augment,
            initial_epoch=initial_epoch,
        )

    def _draw(self, person: int, count: int, rng: np.random.Generator) -> Indices:
        """Photographs of a person, each as often as any other, but for one time."""
        (rows,) = np.nonzero(self.labels == person)
        repeats = -(-count // len(rows))
        return np.concatenate([rng.permutation(rows) for _ in range(repeats)])[:count]
