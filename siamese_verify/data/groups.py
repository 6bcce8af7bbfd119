"""`Groups`: the name of each pair's group, kept as a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Groups:
    """Name of each pair's group.

    Attributes:
        distinct: Names of the groups, each once, an array of str.
        codes: Place of each pair's group among them, an int32 array `(n,)`.
    """

    distinct: npt.NDArray[np.str_]
    codes: npt.NDArray[np.int32]

    @classmethod
    def of(cls, names: npt.NDArray[Any]) -> Groups:
        """Make groups from the name of each pair's.

        Raises:
            ValueError: If there is not one text for each pair.
        """
        if names.ndim != 1 or not (
            names.dtype.kind == "U" or all(isinstance(name, str) for name in names)
        ):
            raise ValueError(
                "`groups` must hold one name for each pair, such as 'skilled', or '' for none. "
                f"Received: {names.dtype} array of shape {names.shape}"
            )
        distinct, codes = np.unique(names.astype(str), return_inverse=True)
        return cls(distinct, codes.astype(np.int32).reshape(-1))

    @classmethod
    def none(cls, n: int) -> Groups:
        """Return the groups of `n` pairs that have none."""
        return cls(np.array([""]), np.zeros(n, np.int32))

    def __len__(self) -> int:
        return len(self.codes)

    def names(self) -> npt.NDArray[np.str_]:
        """Return the name of each pair's group, an array of str `(n,)`."""
        return self.distinct[self.codes]

    def used(self) -> list[str]:
        """Return the names that pairs have, each once, sorted."""
        counts = np.bincount(self.codes, minlength=len(self.distinct))
        used: list[str] = self.distinct[counts > 0].tolist()
        return used

    def take(self, places: npt.NDArray[Any] | slice) -> Groups:
        """Return the groups of some pairs."""
        return Groups(self.distinct, self.codes[places])

    def joined(self, other: Groups) -> Groups:
        """Return the groups of these pairs and then of others."""
        distinct, codes = np.unique(np.r_[self.distinct, other.distinct], return_inverse=True)
        mine, others = np.split(codes.astype(np.int32).reshape(-1), [len(self.distinct)])
        return Groups(distinct, np.concatenate([mine[self.codes], others[other.codes]]))
