"""Running of a tester's rules, and the report of a broken rule."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import keras
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Case = TypeVar("Case")
# Precisions other than float32 in which layers and losses are tested.
LOW_PRECISIONS = ("float16", "bfloat16")


class BrokenRuleError(Exception):
    """A broken rule: the input, and what was found."""

    def __init__(self, given: str, found: str):
        super().__init__(given, found)
        self.given, self.found = given, found


def run(subject: Any, rules: Mapping[str, Callable[[Case], None]], case: Case) -> None:
    """Run rules, each a sentence and the function that tests it.

    Raises:
        AssertionError: If a rule is broken.
    """
    for sentence, test in rules.items():
        try:
            test(case)
        except BrokenRuleError as broken:
            raise AssertionError(
                f"{type(subject).__name__} breaks a rule: {sentence} "
                f"Input: {broken.given}. Found: {broken.found}"
            ) from broken


@contextlib.contextmanager
def given(text: str) -> Iterator[None]:
    """Report each error within as a rule broken by the input that `text` describes."""
    try:
        yield
    except AssertionError as error:
        raise BrokenRuleError(text, str(error)) from error
    except Exception as error:
        raise BrokenRuleError(text, f"{type(error).__name__}: {error}") from error


def require(holds: Any, found: str) -> None:
    """Raise an `AssertionError` that says what was found, unless the condition holds."""
    if not np.all(holds):
        raise AssertionError(found)


def require_close(actual: Any, expected: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Raise an `AssertionError` unless both arrays have one shape and nearly the same values."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    require(actual.shape == expected.shape, f"shape {actual.shape}, not {expected.shape}")
    close = np.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=True)
    if not close.all():
        index = tuple(np.argwhere(~close)[0])
        where = f" at {tuple(map(int, index))}" if index else ""
        require(False, f"{actual[index]}{where}, not {expected[index]}")


def to_numpy(x: Any) -> Array:
    """Convert a tensor to NumPy, half precision to float32."""
    if keras.backend.standardize_dtype(x.dtype) in LOW_PRECISIONS:
        x = keras.ops.cast(x, "float32")
    return np.asarray(keras.ops.convert_to_numpy(x))


def precisions() -> tuple[str, ...]:
    """Return the backend's precisions. JAX has float64 only where it is enabled."""
    # An array, because JAX warns of a precision that it is asked for and does not have.
    dtype = keras.ops.convert_to_tensor(np.ones(1)).dtype
    has_double = keras.backend.standardize_dtype(dtype) == "float64"
    return (*LOW_PRECISIONS, "float64") if has_double else LOW_PRECISIONS
