"""TensorFlow, imported when it is first used.

On JAX and torch, models, losses, metrics and verifiers work where TensorFlow is not installed. Only
what `tf.data` feeds, and what TensorFlow reads or writes, needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["tf"]


class _LazyTensorFlow:
    """Stand-in for the module `tensorflow` that imports it for each name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python's own tools look for such names.
            raise AttributeError(name)
        try:
            return getattr(importlib.import_module("tensorflow"), name)
        except ModuleNotFoundError as error:
            raise ImportError(
                "TensorFlow is not installed. It feeds the batches of PairDataset and "
                "IdentityDataset, augments them, and reads and writes shards and image files. "
                "Install it with `pip install tensorflow`, or pass NumPy arrays to `fit`, `embed`, "
                f"`PairDataset.from_arrays` and `Verifier`. Received: use of tf.{name}",
                name="tensorflow",
            ) from error


if TYPE_CHECKING:
    import tensorflow as tf
else:
    tf = _LazyTensorFlow()
