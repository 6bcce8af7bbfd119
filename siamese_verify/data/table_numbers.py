"""Numbers of distinct texts, which NumPy finds without a Python object for each text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[Any]
Words = npt.NDArray[np.uint64]

PADDING = bytes(8)
_FIRST_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)
# Random factors keep anybody from making a table whose texts collide.
_FACTORS = np.random.default_rng().integers(2**62, 2**63, 4, np.uint64) | np.uint64(1)


class Texts(NamedTuple):
    """Texts, as places in bytes of UTF-8."""

    data: npt.NDArray[np.uint8]
    """The bytes, and `PADDING` after them."""
    starts: Integers
    lengths: Integers

    @classmethod
    def of(cls, values: Sequence[str]) -> Texts:
        """Make texts from Python's."""
        encoded = [value.encode("utf-8", "surrogatepass") for value in values]
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        data = np.frombuffer(b"".join(encoded) + PADDING, np.uint8)
        return cls(data, np.cumsum(lengths) - lengths, lengths)

    def decoded(self, places: Integers | slice) -> list[str]:
        """Return the texts at some places."""
        spans = zip(self.starts[places].tolist(), self.lengths[places].tolist(), strict=True)
        data = self.data.data
        return [str(data[i : i + n], "utf-8", "surrogatepass") for i, n in spans]


class TextNumbers:
    """Numbers of distinct texts, in the order of their first occurrence.

    A text is known by a digest of 128 bits. The digests are in a hash table, which is searched for
    many texts at once. This is faster than a `dict`, which waits for memory at each text.
    """

    def __init__(self) -> None:
        self._n = 0
        # Two halves of a digest, and the number of its text plus 1. An empty row holds 0.
        self._table = np.zeros((2**8, 3), np.uint64)

    def number(self, texts: Texts) -> tuple[npt.NDArray[np.int32], Integers]:
        """Return the number of each text, and which texts are new.

        Returns:
            The number of each text, and the places of the first occurrences of new texts.
        """
        digests = _digests(texts)
        numbers = self._find(digests)
        unknown = np.flatnonzero(numbers < 0)
        if not len(unknown):
            return numbers, unknown
        new = unknown[_first_of_each(digests[unknown])]
        self._add(digests[new])
        numbers[unknown] = self._find(digests[unknown])
        return numbers, new

    def _find(self, digests: Words) -> npt.NDArray[np.int32]:
        """Return the number of each digest, or -1 if it is unknown."""
        numbers, rows = np.empty(len(digests), np.int32), None
        slots = self._first_slots(digests)
        while len(digests):
            found = self._table.take(slots, axis=0, mode="clip")
            is_same = (found[:, 0] == digests[:, 0]) & (found[:, 1] == digests[:, 1])
            number = found[:, 2].astype(np.int32) - 1
            if rows is None:
                numbers[:], rows = number, np.arange(len(digests))
            else:
                numbers[rows] = number
            others = np.flatnonzero(~is_same & (number >= 0))
            rows, digests = rows[others], digests[others]
            slots = self._next_slots(slots[others])
        return numbers

    def _add(self, digests: Words) -> None:
        """Keep distinct digests that are not known yet, and give them the next numbers."""
        numbers = np.arange(self._n, self._n + len(digests), dtype=np.uint64)
        added = np.column_stack((digests, numbers + np.uint64(1)))
        self._n += len(digests)
        if 2 * self._n > len(self._table):
            added = np.concatenate([self._table[self._table[:, 2] > 0], added])
            self._table = np.zeros((1 << (2 * self._n).bit_length(), 3), np.uint64)
        slots = self._first_slots(added)
        while len(added):
            # Where several rows want one slot, the last one is written.
            is_free = self._table[slots, 2] == 0
            self._table[slots[is_free]] = added[is_free]
            is_left = self._table[slots, 2] != added[:, 2]
            added, slots = added[is_left], self._next_slots(slots[is_left])

    def _first_slots(self, digests: Words) -> Integers:
        return (digests[:, 0] & np.uint64(len(self._table) - 1)).astype(np.int64)

    def _next_slots(self, slots: Integers) -> Integers:
        return (slots + 1) & (len(self._table) - 1)


def _digests(texts: Texts) -> Words:
    """Return a digest of each text, `(n, 2)`, from its words of 8 bytes and its length."""
    data, starts, lengths = texts
    words = np.ndarray(len(data) - 7, "<u8", data, strides=(1,))
    digests = lengths.astype(np.uint64)[:, None] * _FACTORS[:2]
    halves = [np.ascontiguousarray(half) for half in digests.T]
    shortest, longest = (int(lengths.min()), int(lengths.max())) if len(lengths) else (0, 0)
    rows: Any = slice(None)
    for place in range(0, longest, 8):
        if shortest <= place:
            rows = np.flatnonzero(lengths > place)
        word = words[starts[rows] + place]
        if shortest < place + 8:
            word &= _FIRST_BYTES[np.minimum(lengths[rows] - place, 8)]
        for half, factor in zip(halves, _FACTORS[2:], strict=True):
            mixed = (half[rows] ^ word) * factor
            mixed ^= mixed >> np.uint64(29)
            half[rows] = mixed
    return np.column_stack(halves)


def _first_of_each(digests: Words) -> Integers:
    """Return the places of the first occurrences of distinct digests, in order."""
    order = np.lexsort(digests.T)
    in_order = digests[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    return np.sort(np.minimum.reduceat(order, np.flatnonzero(is_first)))


class RowNumbers:
    """Number of each row of a table: its line in a text file, from 1."""

    def __init__(self, parts: Iterable[Sequence[int] | Integers]):
        self._parts = list(parts)
        self._ends = np.cumsum([len(part) for part in self._parts])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, row: int) -> int:
        part = int(np.searchsorted(self._ends, row, side="right"))
        return int(self._parts[part][row - int(self._ends[part])])
