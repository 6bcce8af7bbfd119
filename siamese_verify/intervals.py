"""Numbers with their 95% intervals, also where pairs share people. NumPy only.

Every interval is Wilson's, of as many independent cases as have the variance of the estimate. That
variance is the sum of squares of each pair's influence on the estimate; pairs that share a person
add the products of theirs.

References:
    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    Aronow, Samii, Assenova, "Cluster-robust variance estimation for dyadic data", 2015, equation 4.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
from typing_extensions import override

Floats = npt.NDArray[np.float64]
People = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

Z = 1.959963984540054  # standard deviations of a 95% interval


class Estimate(float):
    """A number that carries its 95% interval.

    Attributes:
        low: The lower end.
        high: The upper end.

    Example:
        >>> accuracy = wilson(0.9, 100)
        >>> accuracy, accuracy > 0.5
        (0.9000 [0.8256, 0.9448], True)
    """

    low: float
    high: float

    def __new__(cls, value: float, low: float, high: float) -> Self:  # noqa: D102
        estimate = super().__new__(cls, value)
        estimate.low, estimate.high = float(low), float(high)
        return estimate

    @override
    def __reduce__(self) -> tuple[type[Self], tuple[float, float, float]]:
        return type(self), (float(self), self.low, self.high)

    def to_list(self) -> list[float]:
        """Value, lower and upper end, for JSON."""
        return [float(self), self.low, self.high]

    @override
    def __repr__(self) -> str:
        return f"{float(self):.4f} [{self.low:.4f}, {self.high:.4f}]"


def wilson(rate: float, n: float) -> Estimate:
    """A rate in [0, 1] among `n` independent cases, with Wilson's interval."""
    centre = (rate + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    return Estimate(rate, max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half)))


def from_variance(rate: float, variance: float, n: float) -> Estimate:
    """A rate with Wilson's interval for as many cases as have this variance, at most `n`."""
    spread = rate * (1 - rate)
    return wilson(rate, min(n, spread / variance) if spread > 0 and variance > 0 else n)


def variance(influence: Floats, people: People | None) -> float:
    """That of an estimate, from each pair's influence on it.

    Args:
        influence: `(n,)`, of mean 0.
        people: The two people of each pair `(n, 2)`, the same one twice for a same pair; None for
            independent pairs.
    """
    independent = float(np.sum(influence**2))
    if people is None:
        return independent

    def squares(codes: npt.NDArray[np.int64], values: Floats) -> float:
        return float(np.sum(np.bincount(codes, weights=values) ** 2))

    differ = people[:, 0] != people[:, 1]
    # Each pair counts for both of its people, so that pairs of the same two count twice.
    each = np.concatenate([people[:, 0], people[differ, 1]])
    by_person = squares(each, np.concatenate([influence, influence[differ]]))
    a, b = np.sort(people[differ], axis=1).T
    _, both = np.unique(a * (people.max(initial=0) + 1) + b, return_inverse=True)
    shared = squares(both, influence[differ]) if differ.any() else 0.0
    return max(independent, by_person - shared)
