"""`SampleList`: distinct samples in columns."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from itertools import chain, compress
from typing import overload

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from siamese_verify.data.samples import Sample, checked_sample
from siamese_verify.messages import images_of

Rows = npt.NDArray[np.int32]


class SampleList(Sequence[Sample]):
    """Distinct samples in columns, sorted by identity and path. A `Sample` is made on access.

    Attributes:
        paths: Path of each sample, a tuple of str.
        identities: Names of the identities, each once, sorted.
        identity_codes: Place of each sample's identity in `identities`, an int32 array `(m,)`.

    Examples:
        >>> samples, rows = SampleList.of([Sample("2.png", "Bob"), Sample("1.png", "Ada")])
        >>> samples.paths, samples.identities, samples.identity_codes.tolist(), rows.tolist()
        (('1.png', '2.png'), ('Ada', 'Bob'), [0, 1], [1, 0])
    """

    def __init__(self, paths: Sequence[str], identities: Sequence[str], identity_codes: Rows):
        self.paths = tuple(paths)
        self.identities = tuple(identities)
        self.identity_codes = identity_codes
        self.identity_codes.flags.writeable = False

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> tuple[SampleList, Rows]:
        """Sort samples, and keep each once.

        Returns:
            The list, and the row in it of each sample received, an int32 array `(n,)`.

        Raises:
            TypeError: If something other than a `Sample` is among `samples`.
        """
        if isinstance(samples, SampleList):
            return samples, np.arange(len(samples), dtype=np.int32)
        checked = [checked_sample(sample) for sample in samples]
        return cls.of_columns([s.path for s in checked], [s.identity for s in checked])

    @classmethod
    def of_columns(cls, paths: Sequence[str], identities: Sequence[str]) -> tuple[SampleList, Rows]:
        """Sort samples as `of` does, from the path and the normalized identity of each."""
        names, codes = ranks(identities)
        distinct_paths, places = ranks(paths)
        keys = codes.astype(np.int64) * len(distinct_paths) + places
        unique, rows = np.unique(keys, return_inverse=True)
        codes, places = np.divmod(unique, max(len(distinct_paths), 1))
        sorted_paths = [distinct_paths[place] for place in places.tolist()]
        return cls(sorted_paths, names, codes.astype(np.int32)), rows.astype(np.int32).reshape(-1)

    @classmethod
    def of_sorted(
        cls, paths: Sequence[str], names: Sequence[str], codes: Rows
    ) -> tuple[SampleList, Rows]:
        """Sort samples of distinct and sorted paths.

        Args:
            paths: The paths.
            names: Names of identities.
            codes: Place in `names` of each path's identity.

        Returns:
            The list, and the row in it of each path, an int32 array `(n,)`.
        """
        distinct, rank = ranks(names)
        codes = rank[codes].astype(np.int32)
        order = np.argsort(codes, kind="stable")
        rows = np.empty(len(order), np.int32)
        rows[order] = np.arange(len(order), dtype=np.int32)
        return cls([paths[i] for i in order.tolist()], distinct, codes[order]), rows

    def take(self, rows: Rows) -> SampleList:
        """Return the samples at some rows, which must be distinct and ascending."""
        used, codes = np.unique(self.identity_codes[rows], return_inverse=True)
        return SampleList(
            [self.paths[row] for row in rows.tolist()],
            [self.identities[code] for code in used.tolist()],
            codes.astype(np.int32).reshape(-1),
        )

    def merged(self, other: SampleList) -> tuple[SampleList, Rows, Rows]:
        """Return the samples of both lists, and the row in it of each sample of either."""
        if other is self:
            rows = np.arange(len(self), dtype=np.int32)
            return self, rows, rows
        names = [lst.identities[i] for lst in (self, other) for i in lst.identity_codes.tolist()]
        merged, rows = SampleList.of_columns(self.paths + other.paths, names)
        return merged, rows[: len(self)], rows[len(self) :]

    @override
    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Sample, ...]: ...
    @override
    def __getitem__(self, index: int | slice) -> Sample | tuple[Sample, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        return Sample(self.paths[index], self.identities[self.identity_codes[index]])

    @override
    def __eq__(self, other: object) -> bool:
        if isinstance(other, tuple):
            return tuple(self) == other
        if not isinstance(other, SampleList):
            return NotImplemented
        return self is other or (
            self.paths == other.paths
            and self.identities == other.identities
            and np.array_equal(self.identity_codes, other.identity_codes)
        )

    @override
    def __hash__(self) -> int:
        return hash(tuple(self))

    @override
    def __repr__(self) -> str:
        return f"SampleList({images_of(len(self), len(self.identities))})"


def ranks(values: Sequence[str]) -> tuple[list[str], Rows]:
    """Return the distinct values, sorted, and the place among them of each value."""
    order = sorted(range(len(values)), key=values.__getitem__)
    in_order = [values[i] for i in order]
    is_new = np.fromiter(map(operator.ne, in_order, chain([None], in_order)), bool, len(order))
    rank = np.empty(len(order), np.int32)
    rank[order] = np.cumsum(is_new) - 1
    return list(compress(in_order, is_new)), rank
