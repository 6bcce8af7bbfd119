"""Groups of pairs that share identities. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.evaluation.intervals import Bools, Floats, Identities
from siamese_verify.names import normalized


def identity_codes(names: npt.NDArray[Any]) -> Identities:
    """Return a number from 0 for each identity, the same in either form of Unicode.

    Args:
        names: Names or numbers of the two identities of each pair `(n, 2)`.

    Returns:
        Array of codes `(n, 2)`, in the order of the names.
    """
    distinct, codes = np.unique(names, return_inverse=True)
    if distinct.dtype.kind in "OU":
        forms = np.array([normalized(n) if isinstance(n, str) else n for n in distinct], object)
        codes = np.unique(forms, return_inverse=True)[1][codes]
    return codes.reshape(-1, 2)


def checked_codes(identities: npt.ArrayLike, n: int) -> Identities:
    """Return a number for each identity, as `identity_codes` does, for `n` pairs.

    Raises:
        ValueError: If there are not two identities for each pair.
    """
    shape = np.shape(identities)
    if shape != (n, 2) or np.ma.isMaskedArray(identities):
        raise ValueError(
            "`identities` must name two identities for each score. "
            f"Received: shape {shape} for {n} scores"
        )
    return identity_codes(np.asarray(identities))


class Clusters:
    """Groups of pairs that share identities.

    Args:
        n: Number of pairs.
        identities: Codes of the two identities of each pair `(n, 2)`, from 0. A genuine pair or a
            forgery has the same code twice. None if no identity is in two pairs.
    """

    def __init__(self, n: int, identities: Identities | None):
        self.codes = np.arange(n)
        self._ends: list[npt.NDArray[np.int64]] | None = None
        if identities is not None:
            codes = np.unique(identities, return_inverse=True)[1].reshape(-1, 2)
            low, high = np.sort(codes, axis=1).T
            both = low * (int(codes.max(initial=0)) + 1) + high
            self.codes = np.unique(both, return_inverse=True)[1].ravel()
            self._ends = [low, high]
            self._differ = low != high

    @property
    def are_known(self) -> bool:
        """Whether identities are known at all."""
        return self._ends is not None

    def sum_same(self, x: Floats, y: Floats) -> float:
        """Sum `x[i] y[j]` over all pairs `i`, `j` of the same two identities."""
        return _sum_of_products(self.codes, x, y)

    def sum_sharing(self, x: Floats, y: Floats) -> float:
        """Sum `x[i] y[j]` over all pairs `i`, `j` that share an identity."""
        if self._ends is None:
            return self.sum_same(x, y)
        low, high = self._ends
        differ = self._differ
        each = np.concatenate([low, high[differ]])
        total = _sum_of_products(each, np.append(x, x[differ]), np.append(y, y[differ]))
        # Pairs of the same two identities were counted once for each of the two.
        return total - _sum_of_products(self.codes[differ], x[differ], y[differ])

    def count(self, chosen: Bools) -> int:
        """Count the distinct pairs of identities among the chosen pairs."""
        return int(np.count_nonzero(np.bincount(self.codes[chosen])))

    def count_identities(self, chosen: Bools) -> int | None:
        """Count the identities in the chosen pairs. None if identities are not known."""
        if self._ends is None:
            return None
        return int(np.count_nonzero(np.bincount(np.concatenate([x[chosen] for x in self._ends]))))


def _sum_of_products(codes: npt.NDArray[np.int64], x: Floats, y: Floats) -> float:
    if not len(codes):
        return 0.0
    sums = np.bincount(codes, weights=x)
    return float(sums @ (sums if y is x else np.bincount(codes, weights=y)))
