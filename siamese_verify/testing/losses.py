"""`check_loss`: the rules of a loss."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from siamese_verify.testing.gradients import gradients
from siamese_verify.testing.round_trip import made_again
from siamese_verify.testing.rules import (
    Array,
    BrokenRuleError,
    given,
    precisions,
    require,
    require_close,
    run,
    to_numpy,
)

Reference = Callable[[Array, Array], Array]


class _Case(NamedTuple):
    loss: keras.losses.Loss
    y_true: Array
    y_pred: Array

    def with_options(self, **options: Any) -> keras.losses.Loss:
        return type(self.loss).from_config({**self.loss.get_config(), **options})

    def each(self, y_true: Any = None, y_pred: Any = None) -> Array:
        """Return the loss of each row."""
        y_true = self.y_true if y_true is None else y_true
        y_pred = self.y_pred if y_pred is None else y_pred
        return to_numpy(self.with_options(reduction="none")(y_true, y_pred))


def check_loss(
    loss: keras.losses.Loss, y_true: Any, y_pred: Any, reference: Reference | None = None
) -> None:
    """Test the rules of a loss: shapes, reductions, weights, wrong labels, precision, saving.

    Args:
        loss: Loss to test.
        y_true: Labels or classes `(n,)`, integers. In a loss on classes, each class has two rows
            at least.
        y_pred: Scores `(n, 1)`, or an output `(n, size)`, floats.
        reference: Function of both arrays, the predictions in float64, that returns the expected
            loss of each row, `(n,)`. By default no loss is compared.

    Raises:
        AssertionError: If a rule is broken. The message says the rule, the input and what was
            found.

    Examples:
        >>> from siamese_verify.testing import check_loss
        >>> check_loss(ContrastiveLoss(), [1, 0, 1, 0], [[-0.1], [-0.2], [-0.7], [-3.0]])
    """
    rules = dict(RULES)
    if reference is not None:
        rules["The loss equals the reference."] = functools.partial(_equals, reference)
    run(loss, rules, _Case(loss, np.asarray(y_true), np.asarray(y_pred, np.float32)))


def _equals(reference: Reference, case: _Case) -> None:
    with given(f"the {len(case.y_true)} rows"):
        expected = reference(case.y_true, case.y_pred.astype(np.float64))
        require_close(case.each(), expected, rtol=1e-4, atol=1e-5)


def _rows(case: _Case) -> None:
    n = len(case.y_true)
    with given("reduction='none'"):
        values = case.each()
        require(values.shape == (n,), f"shape {values.shape}, not {(n,)}")
        require(np.isfinite(values), f"{values}")
    order = np.random.default_rng(0).permutation(n)
    with given(f"the rows in the order {order}"):
        require_close(case.each(case.y_true[order], case.y_pred[order]), values[order])
    for few in (1, 2):
        with given(f"a batch of {few}"):
            values = case.each(case.y_true[:few], case.y_pred[:few])
            require(np.isfinite(values) & (values.shape == (few,)), f"{values}")


def _labels(case: _Case) -> None:
    expected = case.each()
    binary = set(case.y_true.tolist()) <= {0, 1}
    for dtype in ("int32", "int64", "float32", *(("bool",) if binary else ())):
        for shape in ((-1,), (-1, 1)):
            with given(f"labels in {dtype}, reshaped to {shape}"):
                require_close(case.each(case.y_true.astype(dtype).reshape(shape)), expected)
    if case.y_pred.shape[1:] == (1,):
        with given("scores of shape (n,)"):
            require_close(case.each(y_pred=case.y_pred[:, 0]), expected)


def _one_label_each(case: _Case) -> None:
    for n in (1, len(case.y_true) - 1):
        inputs = f"{n} labels for {len(case.y_pred)} rows of predictions"
        try:
            value = case.each(case.y_true[:n])
        except Exception:
            continue
        raise BrokenRuleError(inputs, f"no error, but {value}")


def _reductions(case: _Case) -> None:
    values = case.each()
    for reduction, expected in {
        "sum": values.sum(),
        "mean": values.mean(),
        "sum_over_batch_size": values.mean(),
    }.items():
        with given(f"reduction={reduction!r}"):
            loss = case.with_options(reduction=reduction)
            require_close(to_numpy(loss(case.y_true, case.y_pred)), expected, rtol=1e-4)


def _weights(case: _Case) -> None:
    weights = np.arange(len(case.y_true), dtype=np.float32) % 3
    with given(f"reduction='sum', sample_weight={weights}"):
        value = case.with_options(reduction="sum")(case.y_true, case.y_pred, weights)
        require_close(to_numpy(value), case.each() @ weights, rtol=1e-4)


def _wrong_labels(case: _Case) -> None:
    for label in (np.nan, -1.0):
        wrong = case.y_true.astype(np.float32)
        wrong[0] = label
        with given(f"labels {wrong}"):
            value = case.each(wrong)[0]
            require(np.isnan(value), f"the loss {value}")


def _precision(case: _Case) -> None:
    expected = case.each()
    for dtype in precisions():
        with given(f"predictions in {dtype}"):
            values = case.each(y_pred=keras.ops.cast(case.y_pred, dtype))
            scale = np.abs(expected).max() or 1.0
            require_close(values / scale, expected / scale, rtol=0, atol=0.05)


def _gradient(case: _Case) -> None:
    with given("the rows, outside of a model"):
        (slope,) = gradients(lambda y: case.loss(case.y_true, y), case.y_pred)
        require(np.isfinite(slope), f"gradient {slope}")
        require(np.any(slope), "a gradient of zeros")


def _in_a_model(case: _Case) -> None:
    model = keras.Sequential([keras.Input(case.y_pred.shape[1:]), keras.layers.Identity()])
    model.compile(loss=case.loss)
    with given("`evaluate` of a compiled model in one batch"):
        n = len(case.y_true)
        value = model.evaluate(case.y_pred, case.y_true, batch_size=n, verbose=0)
        expected = to_numpy(case.loss(case.y_true, case.y_pred))
        require_close(np.float32(value), expected, rtol=1e-4)


def _saving(case: _Case) -> None:
    with given("the loss's configuration"):
        again = made_again(case.loss)
        expected = to_numpy(case.loss(case.y_true, case.y_pred))
        require_close(to_numpy(again(case.y_true, case.y_pred)), expected)


RULES: dict[str, Callable[[_Case], None]] = {
    "Each row has a finite loss, in any order and batch.": _rows,
    "Labels may be vectors or columns, of any number type.": _labels,
    "Each row of predictions needs its label.": _one_label_each,
    "A reduction is the sum or the mean of the rows' losses.": _reductions,
    "A sample weight is a factor of its row's loss.": _weights,
    "A wrong label has the loss NaN.": _wrong_labels,
    "Losses are nearly the same for predictions in every precision.": _precision,
    "The gradient is finite and not zero.": _gradient,
    "A compiled model reports the same loss.": _in_a_model,
    "A loss made from its configuration has the same values.": _saving,
}
