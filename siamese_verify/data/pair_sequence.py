"""`PairSequence`: what every list of pairs holds, in columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from siamese_verify.data.folders import path_below
from siamese_verify.data.groups import Groups
from siamese_verify.data.pair_checks import check_columns, checked_folds, checked_pair
from siamese_verify.data.sample_list import Rows, SampleList
from siamese_verify.data.samples import Pair, Sample
from siamese_verify.data.summary import PairSummary
from siamese_verify.files import PathLike

_BLOCK = 65_536
"""Number of pairs that are made at once while a list is iterated."""


class PairSequence(Sequence[Pair]):
    """An immutable sequence of pairs in columns. A `Pair` is made on access."""

    def __init__(self, pairs: Iterable[Pair], folds: Iterable[int] | None = None):
        if isinstance(pairs, PairSequence):
            self._set(pairs._shared, pairs._rows, pairs.labels, folds, pairs._groups)
            return
        checked = [checked_pair(pair) for pair in pairs]
        samples, rows = SampleList.of(chain.from_iterable(pair[:2] for pair in checked))
        labels = np.array([pair.label for pair in checked], np.int32)
        self._set(samples, rows.reshape(-1, 2), labels, folds)

    @classmethod
    def from_columns(
        cls,
        samples: Iterable[Sample],
        indices: npt.ArrayLike,
        labels: npt.ArrayLike,
        folds: Iterable[int] | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> Self:
        """Make a list from its columns, without an object for each pair.

        Args:
            samples: The samples. It is shared, not copied, if it is another list's `samples`.
            indices: Numbers `(n, 2)` of the left and the right sample of each pair.
            labels: Labels `(n,)`: 1 = genuine, 0 = impostor.
            folds: Fold of each pair, counted from 0. By default the list has no folds.
            groups: Name of the group of each pair, such as "skilled", or "" for none. By default
                the list has no groups.

        Raises:
            TypeError: If something other than a `Sample` is among `samples`.
            ValueError: If the columns have different lengths, or a value is out of range.

        Examples:
            >>> samples = [Sample("1.png", "Ada"), Sample("2.png", "Ada"), Sample("3.png", "Bob")]
            >>> PairList.from_columns(samples, [(0, 1), (0, 2)], [1, 0])[1]
            Pair(left=Sample(path='1.png', identity='Ada'), right=Sample(path='3.png', \
identity='Bob'), label=0)
        """
        shared, rows = SampleList.of(samples)
        indices, labels = np.asarray(indices), np.asarray(labels)
        check_columns(indices, labels, len(rows))
        made = cls.__new__(cls)
        kept = None if groups is None else Groups.of(np.asarray(groups))
        made._set(
            shared,
            rows[indices.astype(np.int64).reshape(-1, 2)],
            labels.astype(np.int32),
            folds,
            kept,
        )
        return made

    def _set(
        self,
        shared: SampleList,
        rows: Rows,
        labels: npt.NDArray[np.int32],
        folds: Iterable[int] | None = None,
        groups: Groups | None = None,
    ) -> None:
        # Slices and parts share the samples of the whole list.
        self._shared, self._rows, self._groups = shared, rows, groups
        self.labels: npt.NDArray[np.int32] = labels
        """Label of each pair: int32 array `(n,)`, 1 = same, 0 = different."""
        self.folds: npt.NDArray[np.int32] | None = None if folds is None else checked_folds(folds)
        for array in (rows, labels):
            array.flags.writeable = False
        for name, column in (("folds", self.folds), ("groups", groups)):
            if column is not None and len(column) != len(labels):
                raise ValueError(
                    f"`{name}` must hold one {name[:-1]} for each pair. "
                    f"Received: {len(labels)} pairs, {len(column)} {name}"
                )

    def _take(self, places: npt.NDArray[Any] | slice, folds: Iterable[int] | None = None) -> Self:
        """Return the pairs at some places, which keep their groups."""
        taken = type(self).__new__(type(self))
        groups = None if self._groups is None else self._groups.take(places)
        taken._set(self._shared, self._rows[places], self.labels[places], folds, groups)
        return taken

    @override
    def __len__(self) -> int:
        return len(self.labels)

    @override
    def __iter__(self) -> Iterator[Pair]:
        samples = list(self.samples)
        for start in range(0, len(self), _BLOCK):
            block = slice(start, start + _BLOCK)
            indices, labels = self.indices[block].tolist(), self.labels[block].tolist()
            for (left, right), label in zip(indices, labels, strict=True):
                yield Pair(samples[left], samples[right], label)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    @override
    def __getitem__(self, index: int | slice) -> Pair | Self:
        if isinstance(index, slice):
            return self._take(index)
        left, right = self._rows[index].tolist()
        return Pair(self._shared[left], self._shared[right], int(self.labels[index]))

    def __add__(self, other: PairSequence) -> Self:
        if not isinstance(other, PairSequence):
            return NotImplemented
        samples, mine, others = self._shared.merged(other._shared)
        groups = None
        if self._groups is not None or other._groups is not None:
            groups, others_groups = (x._groups or Groups.none(len(x)) for x in (self, other))
            groups = groups.joined(others_groups)
        joined = type(self).__new__(type(self))
        joined._set(
            samples,
            np.concatenate([mine[self._rows], others[other._rows]]),
            np.concatenate([self.labels, other.labels]),
            groups=groups,
        )
        return joined

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PairSequence):
            return NotImplemented
        columns = ("indices", "labels", "folds", "groups")
        return self.samples == other.samples and all(
            np.array_equal(getattr(self, column), getattr(other, column)) for column in columns
        )

    @override
    def __hash__(self) -> int:
        return hash((self.indices.tobytes(), self.labels.tobytes()))

    @override
    def __repr__(self) -> str:
        same = int(self.labels.sum())
        return f"{type(self).__name__}({same:,} same, {len(self) - same:,} different)"

    @cached_property
    def _used(self) -> tuple[SampleList, Rows]:
        """The samples of these pairs, and their rows in them."""
        used = np.zeros(len(self._shared), bool)
        used[self._rows] = True
        if used.all():
            return self._shared, self._rows
        rows = np.flatnonzero(used).astype(np.int32)
        row_of = np.empty(len(used), np.int32)
        row_of[rows] = np.arange(len(rows), dtype=np.int32)
        indices = row_of[self._rows]
        indices.flags.writeable = False
        return self._shared.take(rows), indices

    @property
    def samples(self) -> SampleList:
        """Samples of all pairs, each once, sorted by identity and path."""
        return self._used[0]

    @property
    def indices(self) -> Rows:
        """Rows of `samples`, an int32 array `(n, 2)`: the left and the right one of each pair."""
        return self._used[1]

    @property
    def shared(self) -> tuple[SampleList, Rows]:
        """Samples that all parts of one list share, and the rows of each pair in them, `(n, 2)`."""
        return self._shared, self._rows

    @property
    def identities(self) -> tuple[str, ...]:
        """Names of all identities, each once, sorted."""
        return self.samples.identities

    @property
    def identity_codes(self) -> Rows:
        """Places in `identities`, an int32 array `(n, 2)`: of the left and the right sample."""
        return self.samples.identity_codes[self.indices]

    @property
    def groups(self) -> npt.NDArray[np.str_] | None:
        """Name of each pair's group, an array of str `(n,)` with "" for none, or None."""
        return None if self._groups is None else self._groups.names()

    @property
    def group_names(self) -> tuple[str, ...]:
        """Names of the groups of these pairs, each once, sorted. Empty without groups."""
        return () if self._groups is None else tuple(self._groups.used())

    @property
    def same(self) -> Self:
        """The genuine pairs, whose images show one identity, in order."""
        return self._take(np.flatnonzero(self.labels == 1))

    @property
    def different(self) -> Self:
        """The impostor pairs, in order."""
        return self._take(np.flatnonzero(self.labels == 0))

    def paths(self, images_root: PathLike) -> list[tuple[Path, Path]]:
        """Return the two paths of each pair below `images_root`, in order.

        Raises:
            ValueError: If a sample's path leads out of `images_root`.
        """
        below = [path_below(images_root, sample) for sample in self.samples]
        return [(below[left], below[right]) for left, right in self.indices.tolist()]

    def summary(self) -> PairSummary:
        """Count pairs, same and different, identities and images."""
        same = int(self.labels.sum())
        identities, images = len(self.identities), len(self.samples)
        return PairSummary(len(self), same, len(self) - same, identities, images)
