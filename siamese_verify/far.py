"""Number of impostor pairs that a false accept rate (FAR) needs."""

from __future__ import annotations

import math
from statistics import NormalDist

_Z_SQUARED = NormalDist().inv_cdf(0.975) ** 2  # of a 95% interval


def pairs_for_far(far: float) -> int:
    """Count the independent impostor pairs from which the interval of this rate ends above 0.

    Examples:
        >>> pairs_for_far(0.01), pairs_for_far(0.001)
        (381, 3838)
    """
    return math.ceil(_Z_SQUARED * (1 - far) / far)


def lowest_far(n_pairs: int) -> float:
    """Compute the lowest rate that this many independent impostor pairs suffice for.

    Examples:
        >>> 0.000999 < lowest_far(3838) < 0.001
        True
    """
    return _Z_SQUARED / (_Z_SQUARED + n_pairs)
