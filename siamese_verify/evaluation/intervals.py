"""Numbers with their 95% intervals. NumPy only."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from siamese_verify.checks import finite_number
from siamese_verify.messages import shown

Floats = npt.NDArray[np.float64]
Identities = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

Z = NormalDist().inv_cdf(0.975)  # standard deviations of a 95% interval


class Estimate(float):
    """A number that carries its 95% interval.

    Attributes:
        low: Lower end of the interval.
        high: Upper end of the interval.
        conservative: Whether the interval may hold the truth in more than 95% of cases, because
            few identities or few errors leave no narrower interval.

    Examples:
        >>> accuracy = wilson(0.9, 100)
        >>> accuracy, accuracy > 0.5
        (0.9000 [0.8256, 0.9448], True)
    """

    low: float
    high: float
    conservative: bool

    def __new__(cls, value: float, low: float, high: float, conservative: bool = False) -> Self:  # noqa: D102
        estimate = super().__new__(cls, value)
        estimate.low, estimate.high = float(low), float(high)
        estimate.conservative = bool(conservative)
        return estimate

    @override
    def __reduce__(self) -> tuple[type[Self], tuple[float, float, float, bool]]:
        return type(self), (float(self), self.low, self.high, self.conservative)

    def to_list(self) -> list[float]:
        """Return value, lower and upper end, for JSON."""
        return [float(self), self.low, self.high]

    @override
    def __repr__(self) -> str:
        return f"{float(self):.4f} [{self.low:.4f}, {self.high:.4f}]"


def check_rate(name: str, rate: Any) -> None:
    """Raise a `ValueError` unless a rate lies in its interval, and both in [0, 1]."""
    is_rate = isinstance(rate, Estimate) and 0 <= rate.low <= rate <= rate.high <= 1
    if not is_rate:
        raise ValueError(
            f"`{name}` must be a rate between 0 and 1, within its interval. "
            f"Received: {name}={shown(repr(rate))}"
        )


def rate_from_list(name: str, values: Any) -> Estimate:
    """Inverse of `Estimate.to_list`, for values from a file.

    Raises:
        TypeError, ValueError: If `values` are not three finite numbers.
    """
    value, low, high = (finite_number(name, number) for number in values)
    return Estimate(value, low, high)


def star(figure: Estimate) -> str:
    """Print an estimate, with a star if it is conservative."""
    return f"{figure} *" if figure.conservative else str(figure)


def wilson(rate: float, n: float, quantile: float = Z, *, conservative: bool = False) -> Estimate:
    """Estimate a rate among `n` independent cases, with Wilson's interval.

    Args:
        rate: The rate, in [0, 1].
        n: Number of independent cases, above 0. It need not be whole.
        quantile: Half the width of the interval in standard errors, see `student_quantile`.
        conservative: Whether the interval may be wider than needed.

    References:
        Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    low, high = (_wilson_end(rate, n, quantile * sign) for sign in (-1, 1))
    return Estimate(rate, low, high, conservative)


def wilson_of_dependent(
    rate: float,
    cases: Callable[[float], float],
    quantile: float,
    *,
    conservative: bool = False,
) -> Estimate:
    """Estimate a rate by Wilson's interval, whose number of cases depends on the true rate.

    Args:
        rate: The observed rate, in [0, 1].
        cases: Function from a true rate to the number of independent cases that tell as much.
        quantile: Half the width of the interval in standard errors.
        conservative: Whether the interval may be wider than needed.
    """
    low = high = rate
    for _ in range(_ITERATIONS):
        low = _wilson_end(rate, cases(low), -quantile)
        high = _wilson_end(rate, cases(high), quantile)
    return Estimate(rate, low, high, conservative)


def _wilson_end(rate: float, n: float, quantile: float) -> float:
    squared = quantile**2 / n
    centre = (rate + squared / 2) / (1 + squared)
    half = quantile / (1 + squared) * math.sqrt((rate * (1 - rate) + squared / 4) / n)
    # Rounding must not leave the rate outside its interval.
    return (
        max(rate, min(1.0, centre + half)) if quantile > 0 else min(rate, max(0.0, centre + half))
    )


def student_quantile(degrees: float) -> float:
    """Compute the 97.5% quantile of Student's t, for a whole number of degrees of freedom.

    References:
        Abramowitz, Stegun, "Handbook of Mathematical Functions", 1964, formula 26.7.5.
    """
    if degrees <= len(_STUDENT):
        return _STUDENT[max(int(degrees), 1) - 1]
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
    )
    return Z + sum(term / degrees**power for power, term in enumerate(terms, start=1))


def student_p_value(t: float, degrees: float) -> float:
    """Compute the two-sided p value of Student's t. Infinite degrees stand for the normal one.

    References:
        Abramowitz, Stegun, "Handbook of Mathematical Functions", 1964, formulas 26.7.3 and 26.7.4.
    """
    if math.isinf(degrees):
        return math.erfc(abs(t) / math.sqrt(2))
    angle, odd = math.atan2(abs(t), math.sqrt(degrees)), int(degrees) % 2
    j = np.arange(1, (int(degrees) - odd) // 2)
    factors = (2 * j / (2 * j + 1) if odd else (2 * j - 1) / (2 * j)) * math.cos(angle) ** 2
    series = math.sin(angle) * (1 + float(np.cumprod(factors).sum()))
    if odd:
        series = 2 / math.pi * (angle + (math.cos(angle) * series if degrees > 1 else 0.0))
    return min(max(1 - series, 0.0), 1.0)


STAR_NOTE = "* conservative: too few identities or errors for a narrower interval"
_ITERATIONS = 8  # The end settles to four digits in five.
_STUDENT = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706)
