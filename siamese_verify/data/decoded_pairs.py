"""`DecodedPairs`: pairs of images with their pixels."""

from __future__ import annotations

import copy
from typing import Literal, Self

import numpy as np

from siamese_verify.data.batching import Indices
from siamese_verify.data.folders import locate_files
from siamese_verify.data.pairs import PairList
from siamese_verify.data.preprocessing import Pixels, Preprocessing
from siamese_verify.data.samples import Sample
from siamese_verify.data.store import load_images
from siamese_verify.files import PathLike


class DecodedPairs:
    """Pairs of images with their pixels, each image decoded once.

    Args:
        pairs: Pair list, which states who is compared with whom.
        images_root: Folder that the samples' paths start from.
        preprocessing: Preprocessing of the images. By default 105 x 105 pixels, grey.
        cache: Folder in which the decoded pixels are kept for later runs (see `load_images`).
        verbose: Whether to show the progress of decoding.
    """

    def __init__(
        self,
        pairs: PairList,
        images_root: PathLike,
        preprocessing: Preprocessing | None = None,
        *,
        cache: PathLike | None = None,
        verbose: bool = True,
    ):
        if not isinstance(pairs, PairList):
            raise TypeError(f"`pairs` must be a PairList. Received: {type(pairs).__name__}")
        if not len(pairs):
            raise ValueError(f"`pairs` must hold at least one pair. Received: {pairs!r}")
        self.preprocessing = preprocessing or Preprocessing()
        located = locate_files(images_root, pairs.samples)
        # Two spellings of a path can lead to one file, which is one image.
        files = list(dict.fromkeys(located))
        row = {file: i for i, file in enumerate(files)}
        self._rows = {s: row[file] for s, file in zip(pairs.samples, located, strict=True)}
        self.images: Pixels = load_images(files, self.preprocessing, cache=cache, verbose=verbose)
        self.training_identities: frozenset[str] | None = None
        self._set_pairs(pairs)

    def _set_pairs(self, pairs: PairList) -> None:
        rows = self._rows
        self.pairs = pairs
        self.labels = pairs.labels
        self.indices: Indices = np.array([(rows[p.left], rows[p.right]) for p in pairs], np.int64)

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
        cache: PathLike | None = None,
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
            cache: Folder in which the decoded pixels are kept for later runs.
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
        return cls(pairs, images_root, preprocessing, cache=cache, verbose=verbose)

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
        """
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

    def distinct_images(self) -> tuple[Pixels, list[Sample]]:
        """Return the images of these pairs, each once: their pixels and their samples."""
        rows = np.unique(self.indices)
        samples = {row: sample for sample, row in self._rows.items()}
        return self.images[rows], [samples[row] for row in rows.tolist()]
