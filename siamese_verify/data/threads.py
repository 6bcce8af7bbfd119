"""Work on many items in threads, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_BLOCK = 1024  # A waiting item costs 1.6 KB.
_FEWEST = 8  # Starting threads for fewer items costs more than it saves.


def in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Apply a function to each item, on all cores.

    Args:
        function: Function that is safe to call from threads.
        items: Items, of which a block at a time is handed to the threads.

    Yields:
        The results, in the order of the items.

    Raises:
        Exception: The error of the first item for which `function` raises one.

    Examples:
        >>> list(in_threads(str.upper, ["a", "b"]))
        ['A', 'B']
    """
    if len(items) < _FEWEST:
        yield from map(function, items)
        return
    # More threads than cores would only wait for Python's lock, and take turns at it.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(items), _BLOCK):
            yield from pool.map(function, items[start : start + _BLOCK])
