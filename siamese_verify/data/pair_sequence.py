"""`PairSequence`: what every list of pairs holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self, overload

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from siamese_verify.checks import whole_number
from siamese_verify.data.folders import path_below
from siamese_verify.data.samples import Pair, Sample
from siamese_verify.data.summary import PairSummary
from siamese_verify.files import PathLike
from siamese_verify.messages import shown


class PairSequence(Sequence[Pair]):
    """An immutable sequence of pairs, which knows their labels, identities and images."""

    def __init__(self, pairs: Iterable[Pair], folds: Iterable[int] | None = None):
        self._pairs = tuple(pairs)
        for pair in self._pairs:
            if not isinstance(pair, Pair):
                raise TypeError(f"`pairs` must hold only `Pair`s. Received: {shown(repr(pair))}")
            if pair.label not in (0, 1):
                raise ValueError(
                    f"A label must be 1 (same) or 0 (different). Received: {shown(pair)}"
                )
        self.folds: npt.NDArray[np.int32] | None = None
        if folds is not None:
            self.folds = np.array([whole_number("folds", fold, 0) for fold in folds], np.int32)
            if len(self.folds) != len(self._pairs):
                raise ValueError(
                    "`folds` must hold one fold for each pair. "
                    f"Received: {len(self._pairs)} pairs, {len(self.folds)} folds"
                )

    @override
    def __len__(self) -> int:
        return len(self._pairs)

    @override
    def __iter__(self) -> Iterator[Pair]:
        return iter(self._pairs)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    @override
    def __getitem__(self, index: int | slice) -> Pair | Self:
        return type(self)(self._pairs[index]) if isinstance(index, slice) else self._pairs[index]

    def __add__(self, other: PairSequence) -> Self:
        if not isinstance(other, PairSequence):
            return NotImplemented
        return type(self)(self._pairs + other._pairs)

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PairSequence):
            return NotImplemented
        folds, other_folds = (None if x.folds is None else x.folds.tolist() for x in (self, other))
        return self._pairs == other._pairs and folds == other_folds

    @override
    def __hash__(self) -> int:
        return hash(self._pairs)

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.same):,} same, {len(self.different):,} different)"

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """Label of each pair: int32 array `(n,)`, 1 = same, 0 = different."""
        return np.array([pair.label for pair in self], np.int32)

    @property
    def same(self) -> Self:
        """The genuine pairs, whose images show one identity, in order."""
        return type(self)(pair for pair in self if pair.label == 1)

    @property
    def different(self) -> Self:
        """The impostor pairs, in order."""
        return type(self)(pair for pair in self if pair.label == 0)

    @property
    def identities(self) -> tuple[str, ...]:
        """Names of all identities, each once, sorted."""
        return tuple(sorted({sample.identity for pair in self for sample in pair[:2]}))

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Samples of all pairs, each once, sorted by identity and path."""
        distinct = {sample for pair in self for sample in pair[:2]}
        return tuple(sorted(distinct, key=lambda sample: (sample.identity, sample.path)))

    def paths(self, images_root: PathLike) -> list[tuple[Path, Path]]:
        """Return the two paths of each pair below `images_root`, in order.

        Raises:
            ValueError: If a sample's path leads out of `images_root`.
        """
        return [
            (path_below(images_root, pair.left), path_below(images_root, pair.right))
            for pair in self
        ]

    def summary(self) -> PairSummary:
        """Count pairs, same and different, identities and images."""
        same = int(self.labels.sum())
        identities, images = len(self.identities), len(self.samples)
        return PairSummary(len(self), same, len(self) - same, identities, images)
