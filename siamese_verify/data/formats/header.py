"""`Header`: what must be known of an image file before it is decoded."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Header:
    """Header of an image file.

    Args:
        width: Width in pixels, as stored.
        height: Height in pixels, as stored.
        orientation: Value of the tag Orientation, 1 (upright) to 8.
        has_alpha: Whether pixels can be transparent.
    """

    width: int
    height: int
    orientation: int = 1
    has_alpha: bool = False
