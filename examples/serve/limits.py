"""Limits of the service."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Self


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of one request, and of all requests together.

    Args:
        n_bytes: Largest number of bytes of a request, with both images.
        pixels: Largest number of pixels of an image.
        seconds: Longest time in which a request must arrive, and then be answered.
        waiting: Largest number of requests that arrive, wait or are answered at a time.
        threads: Number of requests that are answered at a time.
    """

    n_bytes: int = 10 * 2**20
    pixels: int = 20_000_000
    seconds: float = 10.0
    waiting: int = 32
    threads: int = os.cpu_count() or 1

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Self:
        """Read limits from variables such as LIMIT_WAITING. The others stay."""
        given = {
            field.name: type(field.default)(variables[name])
            for field in dataclasses.fields(cls)
            if (name := f"LIMIT_{field.name.upper()}") in variables
        }
        return cls(**given)
