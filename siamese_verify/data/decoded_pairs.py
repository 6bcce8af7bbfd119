"""`DecodedPairs`: pairs of images with their pixels."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from siamese_verify.data import arrays
from siamese_verify.data.loading import load_samples
from siamese_verify.data.pairs import PairList
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.sample_list import Rows
from siamese_verify.data.samples import Sample
from siamese_verify.data.skipping import OnError, Skipped, without_skipped, write_skipped
from siamese_verify.data.store import Cache
from siamese_verify.data.stored_images import Images, StoredImages
from siamese_verify.files import PathLike


class DecodedPairs:
    """Pairs of images with their pixels, each image decoded once. See `PairDataset`."""

    def __init__(
        self,
        pairs: PairList,
        images_root: PathLike | None = None,
        preprocessing: Preprocessing | None = None,
        *,
        cache: Cache | None = None,
        on_error: OnError = "raise",
        verbose: bool = True,
    ):
        check_pair_list(pairs)
        preprocessing = preprocessing or Preprocessing()
        images, rows, skipped = load_samples(
            pairs.samples, images_root, preprocessing, cache, on_error, verbose
        )
        self._set(pairs, images, rows, preprocessing, skipped)

    def _set(
        self,
        pairs: PairList,
        images: Images,
        rows: npt.ArrayLike,
        preprocessing: Preprocessing,
        skipped: tuple[Skipped, ...] = (),
        training_identities: frozenset[str] | None = None,
        has_identities: bool = True,
    ) -> None:
        self.images, self.preprocessing, self.skipped = images, preprocessing, skipped
        self.training_identities = training_identities
        self._has_identities = has_identities
        # All parts of the list share these samples, so that one array finds the images of each.
        shared, places = pairs.shared
        self._row_of = np.full(len(shared), -1, np.int32)
        self._row_of[places] = np.asarray(rows, np.int32)[pairs.indices]
        if skipped:
            pairs = without_skipped(pairs, self._row_of[places] >= 0, skipped)
        self._set_pairs(pairs)

    def _set_pairs(self, pairs: PairList) -> None:
        self.pairs = pairs
        self.labels = pairs.labels
        self.indices: Rows = self._row_of[pairs.shared[1]]

    @classmethod
    def of_images(
        cls,
        pairs: PairList,
        images: Images,
        rows: npt.ArrayLike,
        preprocessing: Preprocessing,
        *,
        training_identities: frozenset[str] | None = None,
        has_identities: bool = True,
    ) -> Self:
        """Make pairs of images that are decoded already. Each of their samples has its row."""
        made = cls.__new__(cls)
        made._set(
            pairs,
            images,
            rows,
            preprocessing,
            training_identities=training_identities,
            has_identities=has_identities,
        )
        return made

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        labels: npt.ArrayLike | None = None,
        *,
        indices: npt.ArrayLike | None = None,
        identities: Any = None,
        folds: Iterable[int] | None = None,
        groups: Sequence[str] | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> Self:
        """Make pairs of images that are in memory.

        Images are uint8, or floats in [0, 1], of the shape `(n, height, width, channels)` or
        `(n, height, width)`. They are kept as uint8.

        Args:
            images: One array of images with `indices`. Or the left and the right images, a tuple
                of two arrays. Or a `tf.data.Dataset` of `((left, right), label)`, batched or not,
                which is read to its end.
            labels: Label of each pair, 1 = same, 0 = different. A `tf.data.Dataset` has its own.
            indices: Rows of the left and the right image of each pair, `(n, 2)`.
            identities: Name of the identity of each image: a sequence, or a tuple of two for left
                and right images. By default they are not known, and `split(by="identity")` raises
                an error. Images that same pairs link then count as one identity.
            folds: Fold of each pair, for `evaluate_folds`.
            groups: Name of the group of each pair, for figures by group.
            preprocessing: Preprocessing, which crops and resizes each image as `read_image` does.
                By default images keep their size.

        Raises:
            TypeError: If `images` is something else.
            ValueError: If shapes, types, lengths or values do not fit.

        Examples:
            >>> left, right = np.zeros((2, 4, 16, 16), np.uint8)
            >>> PairDataset.from_arrays((left, right), labels=[1, 0, 1, 0])
            PairDataset(PairList(2 same, 2 different), image_size=(16, 16))
        """
        pixels, made, chosen, all_labels, names = arrays.pairs_of(
            images, labels, indices, identities, preprocessing
        )
        samples = [Sample(str(row), name) for row, name in enumerate(names)]
        pairs = PairList.from_columns(samples, chosen, all_labels, folds, groups)
        rows = [int(path) for path in pairs.samples.paths]
        return cls.of_images(pairs, pixels, rows, made, has_identities=identities is not None)

    @classmethod
    def from_lfw(
        cls,
        pairs_file: PathLike,
        images_root: PathLike,
        image_size: tuple[int, int] = (105, 105),
        *,
        channels: int = 1,
        center_crop: tuple[int, int] | None = None,
        max_pixels: int = Preprocessing.max_pixels,
        cache: Cache | None = None,
        on_error: OnError = "raise",
        verbose: bool = True,
    ) -> Self:
        """Read a pair file in LFW's format and decode the images that it names.

        Args:
            pairs_file: Path of the pair file (see `PairList.from_lfw`).
            images_root: Folder that holds one folder of images for each identity.
            image_size: Height and width of the result (see `Preprocessing`).
            channels: 1 (grey) or 3 (RGB).
            center_crop: Height and width of the middle part to keep. By default all is kept.
            max_pixels: Largest number of pixels that a file may hold.
            cache: Folder or `ImageCache` that keeps the decoded images for later runs.
            on_error: `"raise"`, or `"skip"` to leave out pairs (see the class).
            verbose: Whether to show the progress of decoding.

        Returns:
            The pairs in the order of the file.

        Raises:
            PairFileError: If the pair file cannot be read.
            ValueError, FileNotFoundError, ImageError: See the class.

        Examples:
            >>> files = "lfw/pairsDevTest.txt", "lfw/lfw2"
            >>> data = PairDataset.from_lfw(*files, image_size=(9, 8), verbose=False)
            >>> data.images.shape[1:]
            (9, 8, 1)
        """
        preprocessing = Preprocessing(image_size, channels, center_crop, max_pixels)
        pairs = PairList.from_lfw(pairs_file)
        return cls(
            pairs, images_root, preprocessing, cache=cache, on_error=on_error, verbose=verbose
        )

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pairs!r}, image_size={self.preprocessing.image_size})"

    def split(
        self, fraction: float, *, seed: int = 0, by: Literal["pair", "identity"] = "pair"
    ) -> tuple[Self, Self]:
        """Split off a part of the pairs, such as the validation pairs, without decoding again.

        Args:
            fraction: Share of the pairs to split off.
            seed: Seed of the draws. The same seed results in the same split.
            by: `"pair"` or `"identity"` (see `PairList.split`).

        Returns:
            The rest and the part.

        Raises:
            ValueError: If an argument is out of range, a part would be empty, or the identities
                are not known.
        """
        if by == "identity" and not self._has_identities:
            raise ValueError(
                "The identities of these images are not known, so that they cannot be kept apart. "
                "Pass `identities` to from_arrays, or use split(by='pair'). Received: by='identity'"
            )
        rest, part = self.pairs.split(fraction, seed=seed, by=by)
        kept, split_off = self._with_pairs(rest), self._with_pairs(part)
        # A part of a part still knows the identities that the first split trains on.
        split_off.training_identities = frozenset(rest.identities) | (
            self.training_identities or frozenset()
        )
        return kept, split_off

    def _with_pairs(self, pairs: PairList) -> Self:
        other = copy.copy(self)
        other._set_pairs(pairs)
        return other

    def distinct_images(self) -> tuple[Images, list[Sample]]:
        """Return the images of these pairs, each once: their pixels and their samples."""
        images, samples = self.images, self.pairs.samples
        row_of = np.empty(len(samples), np.int32)
        row_of[self.pairs.indices] = self.indices
        # Two spellings of a path can lead to one image.
        rows, places = np.unique(row_of, return_index=True)
        if len(rows) < len(images):
            images = images.take(rows) if isinstance(images, StoredImages) else images[rows]
        return images, [samples[place] for place in places.tolist()]

    def write_skipped(self, path: PathLike) -> None:
        """Write the images that were left out as a CSV table with the columns path and reason."""
        write_skipped(self.skipped, path)


def check_pair_list(pairs: PairList) -> None:
    """Raise an error unless `pairs` is a `PairList` of at least one pair."""
    if not isinstance(pairs, PairList):
        raise TypeError(f"`pairs` must be a PairList. Received: {type(pairs).__name__}")
    if not len(pairs):
        raise ValueError(f"`pairs` must hold at least one pair. Received: {pairs!r}")
