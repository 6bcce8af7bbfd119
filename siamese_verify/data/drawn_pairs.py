"""`DrawnPairs`: the ways to choose pairs of given images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from siamese_verify.data import hard_pairs, sampling
from siamese_verify.data.folders import samples_by_identity
from siamese_verify.data.pair_sequence import PairSequence
from siamese_verify.data.sample_list import SampleList
from siamese_verify.data.samples import Sample
from siamese_verify.data.tables import is_table, read_samples


class DrawnPairs(PairSequence):
    """Pairs that are drawn at random, or chosen, among images."""

    @classmethod
    def sample(
        cls,
        source: Any,
        size: int | None = None,
        *,
        same: int | None = None,
        different: int | None = None,
        far: float | None = None,
        identities: Iterable[str] | None = None,
        n_folds: int | None = None,
        seed: int = 0,
    ) -> Self:
        """Draw pairs at random from images, none twice. By default half are same.

        The same pairs are spread over the identities as evenly as their images allow. The two
        identities of each different pair are drawn at random, whatever their numbers of images.

        Args:
            source: Folder that holds one folder of images for each identity, or the samples. Also
                a table with the columns `path` and `identity`: a file, a DataFrame or a mapping.
            size: Number of pairs, even: half same, half different. By default as many as possible,
                but at most two pairs for each image.
            same: Number of same pairs, in place of `size`. By default as many as different pairs,
                or all that there are.
            different: Number of different pairs, in place of `size`. By default as many as same
                pairs, or all that there are.
            far: False accept rate to measure, in place of `different`. Draws as many different
                pairs as it needs, each of two other identities: 7,676 pairs for 0.001. These are
                twice as many as if pairs that share an identity were independent.
            identities: Names of the identities to draw from, in any form of Unicode. By default
                all.
            n_folds: Number of folds, for `evaluate_folds`. Each identity is in one fold only, and
                each fold has equally many pairs. By default the list has no folds.
            seed: Seed of the draws. The same seed and images result in the same pairs.

        Returns:
            The same pairs, then the different pairs, of one fold after another.

        Raises:
            ValueError: If the images do not allow as many pairs. Tells how many they allow, or how
                many identities `far` needs. Also if two samples have the same path.
            TypeError: If `identities` is one name, or `source` holds something other than samples.
            FileNotFoundError: If the folder, or one of `identities`, has no image.
            TableError: If the table is not as described. Names the row and the column.

        Warns:
            FolderWarning: If files or folders are passed over. Tells how many of each kind.

        Examples:
            >>> samples = [Sample(f"scans/{i}.png", f"writer {i % 8}") for i in range(24)]
            >>> pairs = PairList.sample(samples, 16, n_folds=4)
            >>> pairs, pairs.folds.tolist()
            (PairList(8 same, 8 different), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])
            >>> PairList.sample(samples, same=10, different=100)
            PairList(10 same, 100 different)
            >>> PairList.sample(samples, far=0.3)
            PairList(18 same, 18 different)
        """
        found = _Images(source, identities)
        request = sampling.Request(size, same, different, far)
        return cls.from_columns(found.samples, *sampling.draw(found.counts, request, n_folds, seed))

    @classmethod
    def all_pairs(cls, source: Any, *, identities: Iterable[str] | None = None) -> Self:
        """List all pairs of some images, each once.

        The list holds at most 100 million pairs: all pairs of 14,142 images. Each pair needs 12
        bytes, and 26 bytes while the list is made.

        Args:
            source: Folder, table or samples, as in `sample`.
            identities: Names of the identities to use, in any form of Unicode. By default all.

        Returns:
            The pairs of each image with those after it, in the order of identities.

        Raises:
            ValueError: If there are too many pairs, or fewer than two images. Tells how many. Also
                if two samples have the same path.
            TypeError, FileNotFoundError, TableError: See `sample`.

        Warns:
            FolderWarning: If files or folders are passed over. Tells how many of each kind.

        Examples:
            >>> samples = [Sample(f"{i}.png", identity) for i, identity in enumerate("AABB")]
            >>> PairList.all_pairs(samples)
            PairList(2 same, 4 different)
        """
        found = _Images(source, identities)
        return cls.from_columns(found.samples, *sampling.all_pairs(found.counts))

    @classmethod
    def hardest(
        cls,
        samples: Iterable[Sample],
        embeddings: npt.ArrayLike,
        size: int | None = None,
        *,
        same: int | None = None,
        different: int | None = None,
    ) -> Self:
        """List the hardest pairs for a model: the least alike same, the most alike different pairs.

        Images are alike by the cosine of their embeddings. Each image is compared with each other,
        so the time grows with the square of their number. The memory does not: see `hard_pairs`.

        Args:
            samples: The images, such as `IdentityDataset.samples`.
            embeddings: Embedding of each image `(m, dims)`, in the same order.
            size: Number of pairs, even: half same, half different. By default as in `sample`.
            same: Number of same pairs, in place of `size`. By default as in `sample`.
            different: Number of different pairs, in place of `size`. By default as in `sample`.

        Returns:
            The same pairs, then the different pairs, the hardest of each kind first.

        Raises:
            ValueError: If the images do not allow as many pairs. Also if `embeddings` are not one
                vector of finite numbers for each sample, or a vector is zero.
            TypeError: If something other than a `Sample` is among `samples`.

        Examples:
            >>> samples = [Sample(f"{i}.png", identity) for i, identity in enumerate("AABB")]
            >>> pairs = PairList.hardest(samples, [[1, 0], [4, 3], [3, 4], [0, 1]], 2)
            >>> [(pair.left.path, pair.right.path) for pair in pairs]
            [('0.png', '1.png'), ('1.png', '2.png')]
        """
        samples = tuple(samples)
        found = _Images(samples)
        vectors = hard_pairs.check_embeddings(embeddings, len(samples))
        place = {sample.path: row for row, sample in enumerate(samples)}
        rows = np.array([place[sample.path] for sample in found.samples])
        request = sampling.Request(size, same, different)
        n_same, n_different = sampling.choose_counts(found.counts, request)
        indices = hard_pairs.find(vectors, rows, found.counts, n_same, n_different)
        return cls.from_columns(found.samples, indices, np.repeat([1, 0], [n_same, n_different]))


class _Images:
    """Images that are sorted by identity.

    Attributes:
        samples: The samples.
        counts: Number of images of each identity, an int64 array `(k,)`.
    """

    def __init__(self, source: Any, identities: Iterable[str] | None = None):
        if is_table(source):
            source = read_samples(source)
        self.samples: Sequence[Sample]
        # A list in columns needs no object for each image, unless it is to be changed.
        if (
            isinstance(source, SampleList)
            and identities is None
            and len(set(source.paths)) == len(source)
        ):
            self.samples, self.counts = source, np.bincount(source.identity_codes)
        else:
            found = samples_by_identity(source, identities)
            self.samples = list(chain.from_iterable(found.values()))
            self.counts = np.array([len(samples) for samples in found.values()], np.int64)
