"""Number of pairs that a low error rate needs."""

from __future__ import annotations

import math
from statistics import NormalDist

_Z_SQUARED = NormalDist().inv_cdf(0.975) ** 2  # of a 95% interval


def pairs_for_rate(rate: float) -> int:
    """Count the independent pairs from which the interval of this rate ends above 0.

    Examples:
        >>> pairs_for_rate(0.01), pairs_for_rate(0.001)
        (381, 3838)
    """
    return math.ceil(_Z_SQUARED * (1 - rate) / rate)


def lowest_rate(n_pairs: int) -> float:
    """Compute the lowest rate that this many independent pairs suffice for.

    Examples:
        >>> 0.000999 < lowest_rate(3838) < 0.001
        True
    """
    return _Z_SQUARED / (_Z_SQUARED + n_pairs)
