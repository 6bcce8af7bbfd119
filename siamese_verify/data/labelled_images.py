"""`LabelledImages`: images with their identities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.data import arrays
from siamese_verify.data.batching import Labels
from siamese_verify.data.folders import samples_by_identity
from siamese_verify.data.loading import check_distinct_files, load_samples
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.samples import Sample, group_by_identity
from siamese_verify.data.skipping import OnError, Skipped, warn_of_skipped, write_skipped
from siamese_verify.data.splitting import identities_in_parts
from siamese_verify.data.store import Cache
from siamese_verify.data.stored_images import Images, images_at
from siamese_verify.data.tables import read_samples
from siamese_verify.files import PathLike
from siamese_verify.messages import images_of


class LabelledImages:
    """Images with their identities, from a folder, a table, or arrays. See `IdentityDataset`."""

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
        check_distinct_files(len(kept), len(images))
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
    def from_table(
        cls,
        source: Any,
        paths: str = "path",
        identities: str = "identity",
        images_root: PathLike | None = None,
        preprocessing: Preprocessing | None = None,
        *,
        cache: Cache | None = None,
        on_error: OnError = "raise",
        verbose: bool = True,
    ) -> Self:
        """Decode the images that a table lists with their identities.

        Args:
            source: Path of a .csv, .tsv, .jsonl or .parquet file, a DataFrame of pandas or polars,
                or a mapping from names to columns.
            paths: Name of the column of paths.
            identities: Name of the column of identities.
            images_root: Folder that the paths start from. By default they are used as they are.
            preprocessing: Preprocessing of the images. By default 105 x 105 pixels, grey.
            cache: Folder or `ImageCache` that keeps the decoded images for later runs.
            on_error: `"raise"`, or `"skip"` (see the class).
            verbose: Whether to show the progress of decoding.

        Raises:
            TableError: If the table is not as described. Names the row and the column.
            ValueError, FileNotFoundError, ImageError: See the class.

        Examples:
            >>> table = {"path": ["a.jpg", "b.jpg"], "identity": ["Ada", "Bob"]}
            >>> IdentityDataset.from_table(table, verbose=False)
            IdentityDataset(2 images of 2 identities, image_size=(105, 105))
        """
        samples = read_samples(source, path=paths, identity=identities)
        return cls(
            samples, images_root, preprocessing, cache=cache, on_error=on_error, verbose=verbose
        )

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

        The parts share the pixels. The first part is for training, and the others know its
        identities.

        Args:
            fractions: Share of the identities in each part, such as `(0.7, 0.15, 0.15)`. If they
                sum to less than 1, the other identities are left out.
            seed: Seed of the draws. The same seed results in the same parts.

        Returns:
            One data set for each fraction.

        Raises:
            TypeError: If `fractions` is one number.
            ValueError: If a fraction is not in (0, 1], their sum exceeds 1, or a part would have
                fewer than two identities.

        Examples:
            >>> images = np.zeros((20, 16, 16), np.uint8)
            >>> data = IdentityDataset.from_arrays(images, list(range(10)) * 2)
            >>> [len(part.identities) for part in data.split((0.6, 0.4))]
            [6, 4]
        """
        counts = identities_in_parts(fractions, len(self.identities))
        rng = np.random.default_rng(whole_number("seed", seed, 0))
        drawn = rng.permutation(len(self.identities))
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

    def write_skipped(self, path: PathLike) -> None:
        """Write the images that were left out as a CSV table with the columns path and reason."""
        write_skipped(self.skipped, path)

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({images_of(len(self), len(self.identities))}, "
            f"image_size={self.preprocessing.image_size})"
        )


def _check_identities(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Return the names of all identities, sorted, if there are two or more."""
    identities = tuple(group_by_identity(samples))
    if len(identities) < 2:
        raise ValueError(
            "The samples must show two identities or more, or there is nothing to tell apart. "
            f"Add samples. Received: {images_of(len(samples), len(identities))}"
        )
    return identities
