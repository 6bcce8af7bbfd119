"""Checks of arguments that several layers have."""

from __future__ import annotations

import math


def check_dropout(dropout: float) -> None:
    """Raise a `ValueError` unless `dropout` is a share below 1."""
    if not 0 <= dropout < 1:
        raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")


def check_l2(l2: float) -> None:
    """Raise a `ValueError` unless `l2` is a finite penalty."""
    if not 0 <= l2 < math.inf:  # The comparison is false for NaN.
        raise ValueError(f"`l2` must be at least 0 and finite. Received: l2={l2}")
