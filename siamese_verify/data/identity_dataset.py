"""`IdentityDataset`: images labelled by identity, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from siamese_verify.checks import finite_number, is_whole_number, whole_number
from siamese_verify.data import arrays
from siamese_verify.data.augmentation import Augmentation
from siamese_verify.data.batching import Indices, Labels, stream
from siamese_verify.data.folders import samples_by_identity
from siamese_verify.data.loading import Skipped, load_samples, warn_of_skipped, write_skipped
from siamese_verify.data.pair_dataset import PairDataset
from siamese_verify.data.pairs import PairList
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.samples import Sample, group_by_identity
from siamese_verify.data.store import Cache, OnError
from siamese_verify.data.stored_images import Images, images_at
from siamese_verify.files import PathLike
from siamese_verify.messages import shown

_ROUNDING = 1e-9
"""Sums of fractions such as 0.7 + 0.15 + 0.15 may exceed 1 by less."""


class IdentityDataset:
    """Images labelled by identity, for losses on identities such as `MarginSoftmaxLoss`.

    Args:
        samples: The images and their identities. Each image comes once.
        images_root: Folder that the samples' paths start from. By default the paths are used as
            they are.
        preprocessing: Preprocessing of the images. By default 105 x 105 pixels, grey.
        cache: Folder or `ImageCache` that keeps the decoded images for later runs. The images may
            then be larger than the memory.
        on_error: `"raise"`, or `"skip"` to leave out images that are missing or cannot be read.
        verbose: Whether to show the progress of decoding.

    Attributes:
        samples: The samples, in the order received.
        identities: Names of all identities, each once, sorted.
        labels: Label of each image, an int32 array `(n,)`: its identity's place in `identities`.
        preprocessing: The `Preprocessing`.
        images: Pixels, a uint8 array `(n, height, width, channels)`, or with `cache` and after a
            split `StoredImages`, which are indexed alike.
        training_identities: Identities that a model is trained on, a frozenset, for the parts after
            the first that `split` returns. None otherwise.
        skipped: The images that were left out, a tuple of `Skipped(path, reason)`.

    Raises:
        TypeError: If something other than a `Sample` is among `samples`.
        ValueError: If there are fewer than two identities, two samples lead to the same file, or
            a path leads out of `images_root`.
        FileNotFoundError: If images are missing. Raised before any image is decoded.
        ImageError: If files cannot be decoded. Names the first ten.

    Warns:
        UserWarning: If images are left out. Tells how many.

    Examples:
        >>> dataset = IdentityDataset.from_folder("lfw/lfw2", verbose=False)
        >>> images, label = next(iter(dataset.batches(8, per_identity=2)))
        >>> images.shape, len(set(label.numpy().tolist()))
        (TensorShape([8, 105, 105, 1]), 4)
    """

    def __init__(
        self,
        samples: Iterable[Sample],
        images_root: PathLike | None = None,
        preprocessing: Preprocessing | None = None,
        *,
        cache: Cache | None = None,
        on_error: OnError = "raise",
        verbose: bool = True,
    ):
        samples, preprocessing = tuple(samples), preprocessing or Preprocessing()
        _check_identities(samples)
        images, rows, skipped = load_samples(
            samples, images_root, preprocessing, cache, on_error, verbose
        )
        warn_of_skipped(skipped, len(samples))
        kept = np.flatnonzero(rows >= 0)
        if repeated := len(kept) - len(images):
            raise ValueError(
                "The samples must hold each image once, or an image would be compared with itself. "
                f"Received: {repeated:,} other spellings of paths that lead to the same files"
            )
        # Each kept sample has the next row, since no two lead to one file.
        self._set([samples[i] for i in kept], images, preprocessing, skipped)

    def _set(
        self,
        samples: Sequence[Sample],
        images: Images,
        preprocessing: Preprocessing,
        skipped: tuple[Skipped, ...] = (),
        training_identities: frozenset[str] | None = None,
    ) -> None:
        self.samples = tuple(samples)
        self.identities = _check_identities(self.samples)
        number = {identity: i for i, identity in enumerate(self.identities)}
        self.labels: Labels = np.array([number[s.identity] for s in self.samples], np.int32)
        self.images, self.preprocessing, self.skipped = images, preprocessing, skipped
        self.training_identities = training_identities

    @classmethod
    def _of_images(cls, *args: Any, **kwargs: Any) -> Self:
        made = cls.__new__(cls)
        made._set(*args, **kwargs)
        return made

    @classmethod
    def from_arrays(
        cls,
        images: npt.ArrayLike,
        identities: Iterable[Any],
        *,
        preprocessing: Preprocessing | None = None,
    ) -> Self:
        """Label images that are in memory.

        Args:
            images: Images `(n, height, width, channels)` or `(n, height, width)`, uint8, or floats
                in [0, 1]. They are kept as uint8.
            identities: Name or number of the identity of each image.
            preprocessing: Preprocessing, which crops and resizes each image as `read_image` does.
                By default images keep their size.

        Raises:
            TypeError: If `identities` is one name.
            ValueError: If shapes, types, lengths or values do not fit, or there are fewer than two
                identities.

        Examples:
            >>> images = np.zeros((6, 16, 16), np.uint8)
            >>> IdentityDataset.from_arrays(images, ["Ada", "Bob", "Cyd"] * 2)
            IdentityDataset(6 images of 3 identities, image_size=(16, 16))
        """
        pixels, made = arrays.pixels_of(images, preprocessing)
        names = arrays.names_of(identities, len(pixels))
        samples = [Sample(str(row), name) for row, name in enumerate(names)]
        return cls._of_images(samples, pixels, made)

    @classmethod
    def from_folder(
        cls,
        images_root: PathLike,
        preprocessing: Preprocessing | None = None,
        *,
        identities: Iterable[str] | None = None,
        cache: Cache | None = None,
        on_error: OnError = "raise",
        verbose: bool = True,
    ) -> Self:
        """Decode all images below a folder that holds one folder for each identity.

        Args:
            images_root: Folder that holds the folders.
            preprocessing: Preprocessing of the images. By default 105 x 105 pixels, grey.
            identities: Names of the identities to keep, in any form of Unicode. By default all.
            cache: Folder or `ImageCache` that keeps the decoded images for later runs.
            on_error: `"raise"`, or `"skip"` (see the class).
            verbose: Whether to show the progress of decoding.

        Raises:
            TypeError: If `identities` is one name.
            FileNotFoundError: If the folder, or one of `identities`, has no image.
            ValueError, ImageError: See the class.

        Warns:
            FolderWarning: If files or folders are passed over. Tells how many of each kind.
        """
        found = samples_by_identity(images_root, identities)
        samples = [sample for samples in found.values() for sample in samples]
        return cls(
            samples, images_root, preprocessing, cache=cache, on_error=on_error, verbose=verbose
        )

    def split(self, fractions: Sequence[float], *, seed: int = 0) -> tuple[Self, ...]:
        """Divide the identities at random, so that no identity is in two parts.

        The parts share the pixels. Those after the first know the identities of the first, on which
        a model is trained.

        Args:
            fractions: Share of the identities in each part, such as `(0.7, 0.15, 0.15)`. If they
                sum to less than 1, the other identities are left out.
            seed: Seed of the draws. The same seed results in the same parts.

        Returns:
            One data set for each fraction.

        Raises:
            ValueError: If a fraction is not in (0, 1], their sum exceeds 1, or a part would have
                fewer than two identities.

        Examples:
            >>> images = np.zeros((20, 16, 16), np.uint8)
            >>> data = IdentityDataset.from_arrays(images, list(range(10)) * 2)
            >>> [len(part.identities) for part in data.split((0.6, 0.4))]
            [6, 4]
        """
        counts = _counts(fractions, len(self.identities))
        drawn = np.random.default_rng(seed).permutation(len(self.identities))
        part_of_identity = np.full(len(drawn), -1)
        part_of_identity[drawn[: sum(counts)]] = np.repeat(np.arange(len(counts)), counts)
        part_of_image = part_of_identity[self.labels]
        parts: list[Self] = []
        for number in range(len(counts)):
            rows = np.flatnonzero(part_of_image == number)
            training = parts[0].identities if parts else ()
            known = frozenset(training) | (self.training_identities or frozenset())
            parts.append(
                self._of_images(
                    [self.samples[row] for row in rows],
                    images_at(self.images, rows),
                    self.preprocessing,
                    training_identities=known or None,
                )
            )
        return tuple(parts)

    def pairs(self, size: int | None = None, *, seed: int = 0, **kwargs: Any) -> PairDataset:
        """Draw pairs of these images, as `PairList.sample` does. They share the pixels.

        Args:
            size: Number of pairs, as for `PairList.sample`.
            seed: Seed of the draws.
            **kwargs: Further arguments of `PairList.sample`.

        Returns:
            A `PairDataset`. It knows the `training_identities` of this data set.

        Raises:
            ValueError: If so many pairs are not possible.

        Examples:
            >>> images = np.zeros((20, 16, 16), np.uint8)
            >>> data = IdentityDataset.from_arrays(images, list(range(10)) * 2)
            >>> data.pairs(12)
            PairDataset(PairList(6 same, 6 different), image_size=(16, 16))
        """
        drawn = PairList.sample(self.samples, size, seed=seed, **kwargs)
        rows = {sample.path: row for row, sample in enumerate(self.samples)}
        return PairDataset.of_images(
            drawn,
            self.images,
            rows,
            self.preprocessing,
            training_identities=self.training_identities,
        )

    def write_skipped(self, path: PathLike) -> None:
        """Write the images that were left out as a CSV table with the columns path and reason."""
        write_skipped(self.skipped, path)

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        return (
            f"IdentityDataset({len(self):,} images of {len(self.identities):,} identities, "
            f"image_size={self.preprocessing.image_size})"
        )

    def batches(
        self,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        augment: bool | Augmentation = False,
        *,
        per_identity: int | None = None,
        initial_epoch: int = 0,
    ) -> tf.data.Dataset:
        """Return the images in batches, for `fit`.

        By default, an epoch holds each image once. With `per_identity`, an epoch holds each
        identity once, with `per_identity` images drawn at random. The images of an identity are
        together in a batch: the P x K batches that losses on a batch's embeddings need. An image
        is repeated only where its identity has too few.

        Args:
            batch_size: Number of images in a batch. The last batch may be smaller.
            shuffle: Whether each epoch has its own random order.
            seed: Seed of order, draws and augmentation. The same seed results in the same epochs.
            augment: True for `Augmentation()`, or an augmentation of your own, for training only.
                Repeated images are changed differently.
            per_identity: Number of images of each identity, at least 2, a divisor of `batch_size`.
            initial_epoch: Epoch of the first iteration, as in `fit`, so that a resumed run has the
                same batches. Each iteration counts as an epoch, even if it ends early. On JAX,
                Keras iterates once before `fit`.

        Returns:
            A `tf.data.Dataset` of `(images, label)`: float32 images in [0, 1] of shape
            `(batch, height, width, channels)` and int32 labels `(batch,)`.

        Raises:
            TypeError: If `augment` is of another type.
            ValueError: If an argument is out of range.

        Reference:
            Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification",
            2017, section 2 (P x K batches).
        """
        batch_size = whole_number("batch_size", batch_size)
        if per_identity is not None and (
            not is_whole_number(per_identity, 2) or batch_size % per_identity
        ):
            raise ValueError(
                "`per_identity` must be a whole number, at least 2, and divide `batch_size`. "
                f"Received: per_identity={per_identity}, batch_size={batch_size}"
            )

        # The rows of each identity, in their order.
        starts = np.cumsum(np.bincount(self.labels))[:-1]
        rows_of = np.split(np.argsort(self.labels, kind="stable"), starts)

        def order(rng: np.random.Generator) -> Indices:
            n = len(self) if per_identity is None else len(self.identities)
            drawn = rng.permutation(n) if shuffle else np.arange(n)
            if per_identity is None:
                return drawn
            return np.concatenate([_draw(rows_of[who], per_identity, rng) for who in drawn])

        return stream(
            self.images,
            order,
            lambda rows: (rows, self.labels[rows]),
            len(self) if per_identity is None else per_identity * len(self.identities),
            batch_size,
            seed=seed,
            augment=augment,
            initial_epoch=initial_epoch,
        )


def _draw(rows: Indices, count: int, rng: np.random.Generator) -> Indices:
    """Draw images of an identity, each equally often or once more than another."""
    repeats = -(-count // len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(repeats)])[:count]


def _check_identities(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Return the names of all identities, sorted, if there are two or more."""
    identities = tuple(group_by_identity(samples))
    if len(identities) < 2:
        raise ValueError(
            "The samples must show two identities or more, or there is nothing to tell apart. "
            f"Add samples. Received: {len(samples)} images of {len(identities)} identities"
        )
    return identities


def _counts(fractions: Sequence[float], n_identities: int) -> list[int]:
    """Return the number of identities in each part, within one of its share."""
    shares = [finite_number("fractions", share) for share in fractions]
    if not shares or min(shares) <= 0 or sum(shares) > 1 + _ROUNDING:
        raise ValueError(
            "`fractions` must be positive and sum to at most 1. "
            f"Received: fractions={shown(repr(fractions))}"
        )
    ends = np.round(np.cumsum(shares) * n_identities).astype(int)
    counts = np.diff(ends, prepend=0).tolist()
    if min(counts) < 2:
        raise ValueError(
            "Each part needs two identities or more, or there is nothing to tell apart. Use "
            f"larger fractions or fewer parts. Received: fractions={shown(repr(fractions))} of "
            f"{n_identities:,} identities, which are {counts}"
        )
    return counts
