"""oneDNN: TensorFlow's fast kernels for CPUs, which are off by default on many CPUs.

TensorFlow reads the variable `TF_ENABLE_ONEDNN_OPTS` once, while it is imported, and offers no way
to turn oneDNN on later. So no call could work in either order of imports, and sorted imports put
Keras first. If importing a library set the variable, results would depend on the order of imports.
Child processes would inherit the variable too. So the choice is the user's: the variable is set
outside of Python, or before the first import. A program that trains without oneDNN and without a
choice is told what it loses.
"""

from __future__ import annotations

import os

import keras

from siamese_verify.backends import on_cpu
from siamese_verify.user_warnings import warn_user

_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


def warn_if_off() -> None:
    """Warn if TensorFlow trains on a CPU without oneDNN, and the user has not chosen so.

    Warns:
        UserWarning: If training would be faster with oneDNN.
    """
    if _VARIABLE in os.environ or keras.backend.backend() != "tensorflow" or _is_on():
        return
    if not on_cpu():
        return
    warn_user(
        "TensorFlow runs without oneDNN, so training on this CPU can take 1.5 times as long. Set "
        f"the environment variable {_VARIABLE} to 1 before Python starts, or to 0 to keep oneDNN "
        f"off without this warning. Received: no {_VARIABLE}"
    )


def _is_on() -> bool:
    try:
        from tensorflow.python.util._pywrap_util_port import IsMklEnabled
    except ImportError:
        return True  # This TensorFlow does not say, so a warning could be wrong.
    return bool(IsMklEnabled())
