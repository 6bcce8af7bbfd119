"""Standard error of the `siamese-verify` command: one line for each message."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TextIO

from siamese_verify.messages import shown

_LONGEST_LINE = 5_000
"""Number of characters of a line, which holds ten long paths."""


def one_line(message: object) -> str:
    """Make one bounded line of a message, whose names cannot forge another line."""
    return shown(" ".join(str(message).split()) or type(message).__name__, _LONGEST_LINE)


def one_line_each(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """List the text of each different warning, in one line."""
    return list(dict.fromkeys(one_line(warning.message) for warning in caught))


@contextlib.contextmanager
def quiet() -> Iterator[TextIO]:
    """Discard what TensorFlow writes on standard error, whatever its settings are.

    Yields:
        The true standard error, for the progress of long work.
    """
    if sys.stderr is None:  # It is closed, so nothing can be heard.
        with open(os.devnull, "w") as nowhere:
            yield nowhere
        return
    sys.stderr.flush()
    with open(os.dup(2), "w") as terminal:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            yield terminal
        finally:
            sys.stderr.flush()
            os.dup2(terminal.fileno(), 2)
