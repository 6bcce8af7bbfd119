"""Checks of settings of preprocessing."""

from __future__ import annotations

from typing import Any

from siamese_verify.checks import is_whole_number
from siamese_verify.messages import shown


def checked_size(name: str, size: Any) -> tuple[int, int]:
    """Return a height and a width as ints of Python.

    Raises:
        ValueError: If they are not whole numbers of at least 1. The error calls them `name`.
    """
    if not (isinstance(size, (tuple, list)) and len(size) == 2 and all(map(is_whole_number, size))):
        raise ValueError(
            f"`{name}` must be a height and a width of at least 1 pixel, whole numbers. "
            f"Received: {name}={shown(repr(size))}"
        )
    return int(size[0]), int(size[1])


def checked_colour(name: str, colour: Any) -> tuple[int, int, int]:
    """Return red, green and blue as ints of Python.

    Raises:
        ValueError: If they are not whole numbers from 0 to 255. The error calls them `name`.
    """
    if not (
        isinstance(colour, (tuple, list))
        and len(colour) == 3
        and all(is_whole_number(level, 0) and level <= 255 for level in colour)
    ):
        raise ValueError(
            f"`{name}` must be red, green and blue, whole numbers from 0 to 255. "
            f"Received: {name}={shown(repr(colour))}"
        )
    red, green, blue = map(int, colour)
    return red, green, blue
