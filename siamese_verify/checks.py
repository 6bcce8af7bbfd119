"""Checks that many arguments need."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any


def is_whole(value: Any, lowest: int = 1) -> bool:
    """Whether `value` is an integer of Python or NumPy, no bool, and not below `lowest`."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= lowest


def whole(name: str, value: Any, lowest: int = 1) -> int:
    """`value`, of Python or NumPy, as an int of Python: Keras takes no other.

    Raises:
        ValueError: If it is no whole number, or below `lowest`; `name` is the argument's.
    """
    if not is_whole(value, lowest):
        raise ValueError(
            f"`{name}` must be a whole number, at least {lowest}. Received: {name}={value!r}"
        )
    return int(value)


def check_names(names: Any) -> None:
    """Raises a `TypeError` if `names` is one name, whose letters would be taken for identities."""
    if isinstance(names, str):
        raise TypeError(
            f"Names of identities come in a list, also a single one. Received: {names!r}"
        )


def check_dropout(dropout: float) -> None:
    """Raises a `ValueError` unless `dropout` is a share that leaves something."""
    if not 0 <= dropout < 1:
        raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")


def check_l2(l2: float) -> None:
    """Raises a `ValueError` unless `l2` is a penalty."""
    if not 0 <= l2 < math.inf:  # written so that NaN fails
        raise ValueError(f"`l2` must be at least 0 and finite. Received: l2={l2}")
