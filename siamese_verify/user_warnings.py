"""`warn_user`: a warning that points to the user's line, from any depth of the package."""

from __future__ import annotations

import sys
import warnings

_PACKAGE = __name__.partition(".")[0]


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the nearest line outside of this package.

    `stacklevel` alone cannot name that line: a function warns at one depth when a user calls it,
    and at another when the package does. (Python 3.12 has `skip_file_prefixes`.)

    Args:
        message: Text of the warning.
        category: Class of the warning.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
