"""Checks of arguments that several layers have."""

from __future__ import annotations

import math
from typing import Any

from siamese_verify.checks import is_whole_number
from siamese_verify.messages import shown


def check_dropout(dropout: float) -> None:
    """Raise a `ValueError` unless `dropout` is a share below 1."""
    if not 0 <= dropout < 1:
        raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")


def check_l2(l2: float) -> None:
    """Raise a `ValueError` unless `l2` is a finite penalty."""
    if not 0 <= l2 < math.inf:  # The comparison is false for NaN.
        raise ValueError(f"`l2` must be at least 0 and finite. Received: l2={l2}")


def checked_image_size(image_size: Any) -> tuple[int, int]:
    """Return a height and a width, or raise a `ValueError`."""
    if not (
        isinstance(image_size, (tuple, list))
        and len(image_size) == 2
        and all(map(is_whole_number, image_size))
    ):
        raise ValueError(
            "`image_size` must be a height and a width of at least 1 pixel, whole numbers. "
            f"Received: image_size={shown(repr(image_size))}"
        )
    return int(image_size[0]), int(image_size[1])
