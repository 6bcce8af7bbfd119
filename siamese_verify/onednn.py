"""oneDNN: TensorFlow's fast kernels for CPUs, which are off by default on many CPUs."""

from __future__ import annotations

import os
import sys
import warnings

_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


def enable() -> None:
    """Turn oneDNN on unless the user has chosen, or warn that it is too late.

    TensorFlow reads the choice once, when it is imported. Without a choice, it uses oneDNN only
    on CPUs with the newest instructions, although other CPUs gain as much.

    Warns:
        RuntimeWarning: If TensorFlow was imported before and runs without oneDNN.
    """
    if _VARIABLE in os.environ:
        return
    if "tensorflow" not in sys.modules:
        os.environ[_VARIABLE] = "1"
    elif not _is_on():
        warnings.warn(
            "TensorFlow was imported before siamese_verify and runs without oneDNN, which makes "
            f"convolutions slower. Import siamese_verify first, or set {_VARIABLE}=1 in the "
            "environment (0 to keep it off without this warning).",
            RuntimeWarning,
            stacklevel=3,
        )


def _is_on() -> bool:
    try:
        from tensorflow.python.util._pywrap_util_port import IsMklEnabled
    except ImportError:
        return True  # This TensorFlow does not say, so a warning could be wrong.
    return bool(IsMklEnabled())
