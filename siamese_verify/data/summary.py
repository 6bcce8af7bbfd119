"""`PairSummary`: counts of a pair list."""

from __future__ import annotations

from typing import NamedTuple

from typing_extensions import override


class PairSummary(NamedTuple):
    """Counts of a pair list, which print as a table.

    Examples:
        >>> print(PairSummary(pairs=1000, same=500, different=500, identities=963, images=1549))
        pairs           1,000
        same              500
        different         500
        identities        963
        images          1,549
    """

    pairs: int
    """Number of pairs."""
    same: int
    """Number of genuine pairs."""
    different: int
    """Number of impostor pairs."""
    identities: int
    """Number of identities."""
    images: int
    """Number of images, each counted once."""

    @override
    def __str__(self) -> str:
        return "\n".join(f"{name:<12}{count:>9,}" for name, count in self._asdict().items())
