"""`Sample` and `Pair`: what pair lists and data sets are made of."""

from __future__ import annotations

from typing import NamedTuple


class PairListWarning(UserWarning):
    """A pair list that can be used, but has entries that need a look."""


class Sample(NamedTuple):
    """An image file, and the identity that it shows.

    Examples:
        >>> Sample("scans/0017.png", identity="Ada").identity
        'Ada'
    """

    path: str
    """Path below the images' root, with `/` between its parts. Any folder may hold it."""
    identity: str
    """Whom or what the image shows: an identity, a writer, a product."""


class Pair(NamedTuple):
    """Two samples and their label.

    Examples:
        >>> pair = Pair(Sample("1.png", "Ada"), Sample("2.png", "Bob"), label=0)
        >>> pair.left.path
        '1.png'
    """

    left: Sample
    right: Sample
    label: int
    """1 = genuine (the same identity), 0 = impostor."""
