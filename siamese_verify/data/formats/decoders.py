"""The choice of a decoder: TensorFlow or Pillow, which decode the same pixels.

Each has a module with a function for each format. TensorFlow takes seconds to import and hundreds
of megabytes, so it decodes only where the process has imported it, or where Pillow is missing.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def tensorflow_is_imported() -> bool:
    """Tell whether the process has imported TensorFlow."""
    return sys.modules.get("tensorflow") is not None


def decoder() -> ModuleType:
    """Return the module `by_tensorflow` or `by_pillow`.

    Raises:
        ImportError: If neither TensorFlow nor Pillow is installed.
    """
    if tensorflow_is_imported() or not _is_installed("PIL"):
        if not _is_installed("tensorflow"):
            raise ImportError(
                "Images are decoded by TensorFlow or Pillow, and neither is installed. Install "
                'Pillow: pip install "siamese-verify[runtime]"'
            )
        from siamese_verify.data.formats import by_tensorflow

        return by_tensorflow
    from siamese_verify.data.formats import by_pillow

    return by_pillow


def _is_installed(package: str) -> bool:
    return package in sys.modules or importlib.util.find_spec(package) is not None
