"""Alignment: a user's function that finds and straightens what an image shows.

A file of a verifier holds the function's name, never its code. A list of this process maps the name
to the function, so that loading runs only code that this process has registered. Where Keras is
imported, the objects that are registered with it are known too.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from siamese_verify.data.decoding import Colours, ImageError
from siamese_verify.messages import shown

Align: TypeAlias = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]
"""Function from RGB pixels `(height, width, 3)` to RGB pixels of any size."""
_registered: dict[str, Align] = {}


class UnknownAlignError(ValueError):
    """Error for settings that name a function which this process has not registered."""


def name_of(align: Align) -> str:
    """Return the registered name of a callable. A function of a module is registered by this.

    Raises:
        TypeError: If it is not callable.
        ValueError: If no other process could find it by a name.
    """
    if not callable(align):
        raise TypeError(f"`align` must be a function. Received: align={shown(repr(align))}")
    for name, known in _known().items():
        if known is align:
            return str(name)
    module, path = getattr(align, "__module__", None), getattr(align, "__qualname__", None)
    if not (isinstance(module, str) and isinstance(path, str)) or _at(module, path) is not align:
        raise ValueError(
            "`align` must have a name under which another process finds it, because a saved "
            "verifier names it. A lambda, a local function, a method or an object has none. Write "
            "a function at the top of a module, or register it: "
            "keras.saving.get_custom_objects()['package>name'] = align. "
            f"Received: align={shown(repr(align))}"
        )
    register(f"{module}>{path}", align)
    return f"{module}>{path}"


def register(name: str, align: Align) -> None:
    """Let files name a function by this name."""
    _registered[name] = align


def _known() -> dict[str, Any]:
    """Return all objects that a file can name."""
    keras = sys.modules.get("keras")
    return {**_registered, **keras.saving.get_custom_objects()} if keras else _registered


def by_name(name: Any) -> Align:
    """Find a callable among the objects that Keras knows in this process.

    Raises:
        UnknownAlignError: If none has this name.
    """
    found = _known().get(name) if isinstance(name, str) else None
    if not callable(found) or isinstance(found, type):
        package, _, function = shown(name).rpartition(">")
        raise UnknownAlignError(
            f"The images were aligned by {shown(repr(name))}, which this process does not know. "
            "A file holds only the name. Import the function, and register it before loading: "
            f"keras.saving.register_keras_serializable({package!r}, {function!r})(function)"
        )
    align: Align = found
    return align


def aligned(align: Align, colours: Colours, image: str, max_pixels: int) -> Colours:
    """Call `align` with a copy of the pixels, and check the result.

    Raises:
        ImageError: If it fails, or returns something else than an RGB image. Names the image.
    """
    name = shown(name_of(align))
    try:
        result = align(np.array(colours))
    except MemoryError:
        raise
    except Exception as error:  # A function of a user can raise anything.
        raise ImageError(
            f"{shown(image)} cannot be aligned: {name} raised "
            f"{type(error).__name__}: {shown(error)}"
        ) from error
    if not (
        isinstance(result, np.ndarray)
        and result.dtype == np.uint8
        and result.ndim == 3
        and result.shape[2] == 3
        and 0 < result.size <= 3 * max_pixels
    ):
        what = (
            f"{result.dtype} array of shape {result.shape}"
            if isinstance(result, np.ndarray)
            else type(result).__name__
        )
        raise ImageError(
            f"{shown(image)} cannot be aligned: {name} must return a uint8 array (height, width, "
            f"3) of at most max_pixels={max_pixels:,} pixels. Received: {what}"
        )
    return result


def _at(module: str, path: str) -> Any:
    """Follow a path in a module that has been imported, or return None."""
    try:
        return functools.reduce(getattr, path.split("."), sys.modules.get(module))
    except AttributeError:
        return None
