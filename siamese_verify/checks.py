"""Checks that many arguments need."""

from __future__ import annotations

from numbers import Integral
from typing import Any


def whole(name: str, value: Any, lowest: int = 1) -> int:
    """`value`, of Python or NumPy, as an int of Python: Keras takes no other.

    Raises:
        ValueError: If it is no whole number, or below `lowest`; `name` is the argument's.
    """
    if not isinstance(value, Integral) or int(value) < lowest:
        raise ValueError(
            f"`{name}` must be a whole number, at least {lowest}. Received: {name}={value!r}"
        )
    return int(value)
