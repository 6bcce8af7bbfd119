"""Who is compared with whom: lists of pairs, read, written, split, sampled and summarised."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, overload

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from siamese_verify.checks import whole
from siamese_verify.data import folders, lfw, sampling, splitting
from siamese_verify.data.samples import Pair, PairListWarning, Sample
from siamese_verify.files import PathLike, replacing


class PairSummary(NamedTuple):
    """Counts of a pair list; prints as a table."""

    pairs: int
    same: int
    different: int
    identities: int
    images: int

    @override
    def __str__(self) -> str:
        return "\n".join(f"{name:<12}{count:>9,}" for name, count in self._asdict().items())


class PairList(Sequence[Pair]):
    """An immutable list of pairs of images.

    Lists are joined with `+`; a slice is a list too. Both are without folds, which are of a whole.

    Args:
        pairs: The pairs, in order.
        folds: For a list in folds (LFW View 2), the fold of each pair, counted from 0.

    Attributes:
        folds: int32 array `(n,)`, or None for a list without folds.

    Raises:
        ValueError: If a label is not 0 or 1, `folds` and `pairs` differ in length, or a fold is no
            whole number.
        TypeError: If something else than a `Pair` is among `pairs`.

    Examples:
        >>> pairs = PairList([
        ...     Pair(Sample("Ada/1.jpg", "Ada"), Sample("Ada/2.jpg", "Ada"), 1),
        ...     Pair(Sample("Ada/1.jpg", "Ada"), Sample("Bob/1.jpg", "Bob"), 0),
        ... ])
        >>> pairs.identities, pairs.labels.tolist()
        (('Ada', 'Bob'), [1, 0])
        >>> print(pairs.summary())
        pairs               2
        same                1
        different           1
        identities              2
        images         3

    Reference:
        Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", 2007: View 1, View 2.
    """

    def __init__(self, pairs: Iterable[Pair], folds: Iterable[int] | None = None):
        self._pairs = tuple(pairs)
        self.folds = (
            None
            if folds is None
            else np.array([whole("folds", fold, 0) for fold in folds], np.int32)
        )
        if self.folds is not None and len(self.folds) != len(self._pairs):
            raise ValueError(
                "`folds` must give one fold for each pair. "
                f"Received: {len(self._pairs)} pairs, {len(self.folds)} folds."
            )
        for pair in self._pairs:
            if not isinstance(pair, Pair):
                raise TypeError(f"A PairList is made of Pairs. Received: {pair!r}")
            if pair.label not in (0, 1):
                raise ValueError(f"A label is 1 (same) or 0 (different). Received: {pair}")

    @override
    def __len__(self) -> int:
        return len(self._pairs)

    @override
    def __iter__(self) -> Iterator[Pair]:
        return iter(self._pairs)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> PairList: ...
    @override
    def __getitem__(self, index: int | slice) -> Pair | PairList:
        return PairList(self._pairs[index]) if isinstance(index, slice) else self._pairs[index]

    def __add__(self, other: PairList) -> PairList:
        if not isinstance(other, PairList):
            return NotImplemented
        return PairList(self._pairs + other._pairs)

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PairList):
            return NotImplemented
        folds, other_folds = (None if x.folds is None else x.folds.tolist() for x in (self, other))
        return self._pairs == other._pairs and folds == other_folds

    @override
    def __hash__(self) -> int:
        return hash(self._pairs)

    @override
    def __repr__(self) -> str:
        return f"PairList({len(self.same):,} same, {len(self.different):,} different)"

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """int32 array `(n,)`: 1 = same, 0 = different."""
        return np.array([pair.label for pair in self], np.int32)

    @property
    def same(self) -> PairList:
        """The pairs of one identity each (genuine pairs), in order."""
        return PairList(pair for pair in self if pair.label == 1)

    @property
    def different(self) -> PairList:
        """The pairs of two identities each (impostor pairs), in order."""
        return PairList(pair for pair in self if pair.label == 0)

    @property
    def identities(self) -> tuple[str, ...]:
        """The names of all identities, each once, sorted."""
        return tuple(sorted({sample.identity for sample in self.samples}))

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The images of all pairs, each once, sorted."""
        distinct = {sample for pair in self for sample in pair[:2]}
        return tuple(sorted(distinct, key=lambda sample: (sample.identity, sample.path)))

    def paths(self, images_root: PathLike) -> list[tuple[Path, Path]]:
        """The two paths of each pair below `images_root`, in order."""
        root = Path(images_root)
        return [(root / pair.left.path, root / pair.right.path) for pair in self]

    def summary(self) -> PairSummary:
        """How many pairs, same and different, of how many identities and images."""
        same = int(self.labels.sum())
        identities, images = len(self.identities), len(self.samples)
        return PairSummary(len(self), same, len(self) - same, identities, images)

    @classmethod
    def from_lfw(cls, path: PathLike) -> PairList:
        r"""Reads a pair file in one of LFW's formats.

        View 1 (`pairsDevTrain.txt`): the number N of same pairs, then N lines `NAME i j` and N
        lines `NAME i NAME j`. View 2 (`pairs.txt`): `FOLDS N`, then as many lines for each fold.
        Either also without that first line. Fields are separated by tabs or spaces, lines end in
        LF or CRLF, names are UTF-8. Blank lines are passed over.

        Args:
            path: The file.

        Returns:
            The pairs in the file's order, with the folds of a View 2 file.

        Raises:
            PairFileError: If the file is empty or not in this format, or a name could lead out
                of the folder of images. Tells the file, the line and what was expected.

        Warns:
            PairListWarning: If a pair is listed twice, or as same and as different, or is of one
                image with itself, or is listed as different under one name.

        Examples:
            >>> _ = Path("pairs.txt").write_text("1\nAda\t1\t2\nAda\t1\tBob\t1\n")
            >>> PairList.from_lfw("pairs.txt")
            PairList(1 same, 1 different)
        """
        return cls(*lfw.read_pairs(path))

    def to_lfw(self, path: PathLike) -> None:
        """Writes the list in LFW's format, so that `from_lfw` reads an equal list.

        A list with folds becomes a View 2 file, one with as many same as different pairs a View 1
        file; any other has no count line, since LFW's counts cannot express it.

        Args:
            path: The file; replaced only when the new one is complete.

        Raises:
            ValueError: If the list is empty, an image is not named as in LFW, a name cannot
                stand in such a file, or the folds are not alike.
        """
        text = lfw.format_pairs(self, self.folds)
        with replacing(path) as unfinished:
            unfinished.write_bytes(text.encode())

    @classmethod
    def sample(
        cls,
        images_root: PathLike,
        size: int | None = None,
        *,
        identities: Iterable[str] | None = None,
        seed: int = 0,
    ) -> PairList:
        """Draws pairs from a folder that holds one folder of images for each identity.

        Half of the pairs are same, half different, and no pair is drawn twice. The same pairs are
        spread over the identities as evenly as their images allow; each different pair is of two
        identities drawn at random. So nobody stands out for having many images.

        Args:
            images_root: The folder. What has no image file's ending (`.jpg`, `.jpeg`, `.png`,
                `.bmp`, `.gif`) is passed over.
            size: Number of pairs, even. By default as many as are possible, but at most two for
                each image.
            identities: The names of the identities to draw from; by default all.
            seed: The same seed and folder give the same pairs.

        Returns:
            The same pairs, then the different pairs.

        Raises:
            ValueError: If `size` is not a positive even number, or more than the folder allows.
            TypeError: If `identities` is one name.
            FileNotFoundError: If the folder holds no images, or none of an identity in `identities`.
        """
        found = folders.find_samples(images_root, identities)
        same, different = sampling.sample_pairs(found, size, np.random.default_rng(seed))
        return cls(
            Pair(left, right, label)
            for label, drawn in ((1, same), (0, different))
            for left, right in drawn
        )

    def split(
        self, fraction: float, *, seed: int = 0, by: Literal["pair", "identity"] = "pair"
    ) -> tuple[PairList, PairList]:
        """Splits off a part, such as the validation pairs.

        By pair, the part holds `fraction` of the same and of the different pairs, drawn at
        random; identities of one side may stand on the other too. By identity, nobody stands on both
        sides: pairs of one identity from each side are left out, and a warning says how many. Identities
        whom pairs connect stay together as far as possible, so that few pairs are cut apart, and
        are chosen such that the part holds about `fraction` of the same and of the different pairs.

        Args:
            fraction: Share of the pairs to split off, in (0, 1).
            seed: The same seed gives the same split.
            by: `"pair"` or `"identity"`.

        Returns:
            The rest and the part, each in the order of this list and without folds.

        Raises:
            ValueError: If an argument is out of range, or a side would be empty.

        Warns:
            PairListWarning: By identity, if pairs are left out: how many, and what each side holds.

        Examples:
            >>> pair = Pair(Sample("Ada/1.jpg", "Ada"), Sample("Ada/2.jpg", "Ada"), 1)
            >>> train, validation = PairList([pair] * 20).split(0.15)
            >>> len(train), len(validation)
            (17, 3)
        """
        if not 0 < fraction < 1:
            raise ValueError(f"`fraction` must be between 0 and 1. Received: fraction={fraction}")
        if by not in ("pair", "identity"):
            raise ValueError(f"`by` must be 'pair' or 'identity'. Received: by={by!r}")
        choose = splitting.sides_by_pair if by == "pair" else splitting.sides_by_identity
        sides = choose(self, fraction, np.random.default_rng(seed))
        rest = PairList(pair for pair, side in zip(self, sides, strict=True) if side == 0)
        part = PairList(pair for pair, side in zip(self, sides, strict=True) if side == 1)
        if not rest or not part:
            raise ValueError(
                f"This split leaves a side empty: {len(rest)} and {len(part)} pairs. Use another "
                f"fraction or more pairs. Received: fraction={fraction}, by={by!r}, {self!r}"
            )
        if left_out := len(self) - len(rest) - len(part):
            warnings.warn(
                f"{left_out:,} of {len(self):,} pairs straddle the cut between identities and are left "
                f"out; kept are {len(rest.same):,} same and {len(rest.different):,} different on "
                f"one side, {len(part.same):,} same and {len(part.different):,} different on the "
                "other.",
                PairListWarning,
                stacklevel=2,
            )
        return rest, part
