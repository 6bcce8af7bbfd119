"""`Share`: the part of each batch that one process reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Share(NamedTuple):
    """A part of each batch. By default it is the whole batch.

    Attributes:
        number: Number of the part, from 0.
        parts: Number of parts.
        divisor: Number of entries by which a batch must be divisible to have parts. It is a
            multiple of `parts`. Any other batch is read whole.
    """

    number: int = 0
    parts: int = 1
    divisor: int = 1

    def divides(self, n: int) -> bool:
        """Tell whether a batch of so many entries has parts."""
        return n % self.divisor == 0

    def of(self, n: int) -> slice:
        """Return the entries of this part, among the entries of a batch."""
        if not self.divides(n):
            return slice(0, n)
        size = n // self.parts
        return slice(self.number * size, (self.number + 1) * size)

    def rows(self, n_rows: int, n: int) -> npt.NDArray[np.int32]:
        """Return the rows of this part, of a batch of `n` entries with one row or more each.

        The first rows of all entries come first, as the left images of a batch of pairs do.
        """
        return np.arange(n_rows, dtype=np.int32).reshape(-1, n)[:, self.of(n)].ravel()


WHOLE = Share()
