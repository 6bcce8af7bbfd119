"""Standard error of the `siamese-verify` command: one line for each message."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from siamese_verify.messages import shown

_LONGEST_LINE = 5_000
"""Number of characters of a line, which holds ten long paths."""


# Things that `listed_in_lines` lists, each on an indented line, and whether a sentence follows.
_LIST = re.compile(r"(?<=:)((?:\n  [^\n]+)+)(\n?)")


def one_line(message: object) -> str:
    r"""Make one bounded line of a message, whose names cannot forge another line.

    Examples:
        >>> one_line("2 images are missing:\n  a.png\n  b.png\nCorrect the paths.")
        '2 images are missing: a.png, b.png. Correct the paths.'
    """
    text = _LIST.sub(_in_a_row, str(message))
    return shown(" ".join(text.split()) or type(message).__name__, _LONGEST_LINE)


def _in_a_row(found: re.Match[str]) -> str:
    """Separate the things of a list by commas, and end it before another sentence."""
    items, follows = found.groups()
    return " " + ", ".join(items.split("\n  ")[1:]) + (". " if follows else "")


def one_line_each(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """List the text of each different warning, in one line."""
    return list(dict.fromkeys(one_line(warning.message) for warning in caught))


def named_as_typed(message: str, flags: Mapping[str, str]) -> str:
    """Replace the names of parameters in a message by the flags that the user typed.

    Args:
        message: Error or warning of the library, on one line.
        flags: Flag of each parameter.

    Examples:
        >>> named_as_typed("`k` must be 1 or more. Received: k=0, a=1", {"k": "-k"})
        '-k must be 1 or more. Received: -k=0, a=1'
    """
    text, received, values = message.partition("Received: ")
    for name, flag in flags.items():
        text = text.replace(f"`{name}`", flag)
        values = re.sub(rf"(?:^|(?<=, )){name}=", f"{flag}=", values)
    return text + received + values


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
