"""Names of identities and files in one form of Unicode."""

from __future__ import annotations

import unicodedata


def normalized(name: str) -> str:
    r"""Return a name in Unicode's composed form (NFC), so that the same letters are equal.

    Unicode writes "é" as one character or as two. Lists mostly hold the first form, while macOS
    names files in the second.

    Examples:
        >>> normalized("Jose\u0301") == normalized("Jos\u00e9") == "Jos\u00e9"
        True
    """
    return unicodedata.normalize("NFC", name)
