"""Texts of users in messages: short, and on one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
_MOST_LISTED = 10
_LONGEST = 200
"""Largest number of characters of one text in a message."""


def shown(value: object, longest: int = _LONGEST) -> str:
    r"""Make a name, a path or a line fit for a message: bounded, and without control characters.

    A name with a line break could otherwise forge a line of output, and a damaged file fill the
    screen.

    Args:
        value: Text, bytes, path or anything else, which is shown as `str` shows it.
        longest: Number of characters to keep.

    Returns:
        Text on one line. A longer text is cut, and its number of characters follows.

    Examples:
        >>> shown("Ada\nno problems")
        'Ada\\nno problems'
        >>> shown("a" * 1_000, longest=3)
        'aaa... (1,000 characters)'
    """
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, (bytes, bytearray)):
        start, length = value[:longest].decode("utf-8", "backslashreplace"), len(value)
    else:
        text = str(value)
        start, length = text[:longest], len(text)
    escaped = "".join(c if c.isprintable() else repr(c)[1:-1] for c in start)
    return escaped if length <= longest else f"{escaped}... ({length:,} characters)"


def images_of(n_images: int, n_identities: int) -> str:
    """Say how many images there are, of how many identities.

    Examples:
        >>> images_of(1_000, 1)
        '1,000 images of 1 identity'
    """
    images = "image" if n_images == 1 else "images"
    return f"{n_images:,} {images} of {n_identities:,} identit{'y' if n_identities == 1 else 'ies'}"


def shown_repr(value: object) -> str:
    """Make the `repr` of any value fit for a message.

    Examples:
        >>> shown_repr(10**5000)
        'int without a text'
    """
    try:
        return shown(repr(value))
    except ValueError:  # Python writes no whole number of more than 4,300 digits.
        return f"{type(value).__name__} without a text"


def listed(
    items: Collection[Item], show: Callable[[Item], str] = shown, separator: str = ", "
) -> str:
    """List the first ten of many things for a message, and the number of the others.

    Args:
        items: Things to list.
        show: Function that makes each fit for a message.
        separator: Text before each but the first.

    Examples:
        >>> listed(range(12))
        '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more'
    """
    texts = [show(item) for item in islice(items, _MOST_LISTED)]
    if len(items) > len(texts):
        texts.append(f"and {len(items) - len(texts):,} more")
    return separator.join(texts)


def listed_in_lines(items: Collection[Item], show: Callable[[Item], str] = shown) -> str:
    """List things as `listed` does, each on an indented line of its own."""
    line = "\n  "
    return line + listed(items, show, line)
