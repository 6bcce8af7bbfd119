"""Checks that many arguments need."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from siamese_verify.messages import shown


def is_whole_number(value: Any, lowest: int = 1) -> bool:
    """Tell whether `value` is an integer of Python or NumPy, not a bool, and at least `lowest`."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= lowest


def whole_number(name: str, value: Any, lowest: int = 1) -> int:
    """Return `value` as an int of Python, since Keras does not accept NumPy's.

    Raises:
        ValueError: If it is not a whole number, or is below `lowest`. The error calls it `name`.
    """
    if not is_whole_number(value, lowest):
        raise ValueError(
            f"`{name}` must be a whole number, at least {lowest}. "
            f"Received: {name}={shown(repr(value))}"
        )
    return int(value)


def finite_number(name: str, value: Any) -> float:
    """Return `value` as a float of Python, if it is a number and neither NaN nor infinite.

    Raises:
        ValueError: Otherwise. The error calls it `name`.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    try:
        number = float(value) if is_number else math.nan
    except OverflowError:  # A whole number can be too large for a float.
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be a finite number. Received: {name}={shown(repr(value))}")
    return number


def is_missing(value: Any) -> bool:
    """Tell whether a value of a column is None, NaN, or a missing value of pandas."""
    # Whether the missing value of pandas differs from itself is missing too.
    is_of_pandas = type(value).__name__ in ("NAType", "NaTType")
    return value is None or is_of_pandas or (isinstance(value, Real) and value != value)


def check_name_list(names: Any) -> None:
    """Raise a `TypeError` if `names` is a single name, whose letters would count as identities."""
    if isinstance(names, str):
        raise TypeError(
            "Names of identities must be in a list, even a single name: write "
            f"[{shown(repr(names))}]. Received: {shown(repr(names))}"
        )
