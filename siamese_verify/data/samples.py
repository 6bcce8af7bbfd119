"""`Sample` and `Pair`: what pair lists and data sets are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from typing_extensions import override

from siamese_verify.messages import shown
from siamese_verify.names import normalized


class PairListWarning(UserWarning):
    """A warning about a pair list that can be used, but that has questionable entries."""


class _Sample(NamedTuple):
    path: str
    identity: str


class Sample(_Sample):
    r"""An image file and the identity that it shows: a named tuple.

    Attributes:
        path: Path below the images' root, with `/` between its parts. Any folder may hold it.
        identity: Name of the identity that the image shows: a person, a writer, a product. It is
            kept in Unicode's composed form (NFC), so that both spellings of "é" are one name.

    Examples:
        >>> Sample("scans/0017.png", identity="Ada").identity
        'Ada'
        >>> Sample("1.png", "Jose\u0301").identity == Sample("2.png", "Jos\u00e9").identity
        True
    """

    __slots__ = ()

    def __new__(cls, path: str, identity: str) -> Self:
        """Make a sample of which the identity is normalized."""
        return super().__new__(cls, path, normalized(identity))

    @classmethod
    @override
    def _make(cls, iterable: Iterable[Any]) -> Self:  # type: ignore[override]
        # `_replace` makes its sample here.
        return cls(*iterable)


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


def checked_sample(value: object) -> Sample:
    """Return `value` if it is a `Sample`, and raise a `TypeError` otherwise."""
    if not isinstance(value, Sample):
        raise TypeError(
            "`samples` must hold only `Sample`s, such as Sample('Ada/1.png', 'Ada'). "
            f"Received: {shown(repr(value))}"
        )
    return value


SamplesByIdentity = dict[str, list[Sample]]


def group_by_identity(samples: Iterable[Sample]) -> SamplesByIdentity:
    """Group samples by identity: identities sorted, the samples of each in the order received.

    Raises:
        TypeError: If something other than a `Sample` is among `samples`.
        ValueError: If two samples have the same path.

    Examples:
        >>> group_by_identity([Sample("1.png", "Bob"), Sample("2.png", "Ada")])["Ada"]
        [Sample(path='2.png', identity='Ada')]
    """
    found: SamplesByIdentity = {}
    paths: set[str] = set()
    repeated: list[str] = []
    for sample in map(checked_sample, samples):
        if sample.path in paths:
            repeated.append(sample.path)
        paths.add(sample.path)
        found.setdefault(sample.identity, []).append(sample)
    if repeated:
        raise ValueError(
            "`samples` must hold each image once, or an image would be compared with itself. "
            f"Received: {len(repeated):,} repeated paths, such as {shown(repr(repeated[0]))}"
        )
    return dict(sorted(found.items()))
