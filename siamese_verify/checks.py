"""Checks that many arguments need."""

from __future__ import annotations

from typing import Any


def whole(name: str, value: Any, lowest: int = 1) -> int:
    """The number `value` as an int, of NumPy's too, as Keras takes no other.

    Raises:
        ValueError: If it is no whole number, or below `lowest`; `name` is the argument's.
    """
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or number != value or number < lowest:
        raise ValueError(
            f"`{name}` must be a whole number, at least {lowest}. Received: {name}={value!r}"
        )
    return number
