"""`check_metric`: the rules of a metric of pairs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import keras
import numpy as np

from siamese_verify.testing.replicas import evaluate_on_two_replicas
from siamese_verify.testing.round_trip import made_again
from siamese_verify.testing.rules import (
    Array,
    given,
    precisions,
    require,
    require_close,
    run,
    to_numpy,
)

Reference = Callable[[Array, Array, Array], float]


class _Case(NamedTuple):
    metric: keras.metrics.Metric
    labels: Array
    scores: Array

    def value(self, *batches: tuple[Any, ...]) -> Array:
        """Return the metric of batches, each labels, scores and perhaps weights."""
        self.metric.reset_state()
        for batch in batches:
            self.metric.update_state(*batch)
        return to_numpy(self.metric.result())

    def expected(self) -> Array:
        return self.value((self.labels, self.scores))

    def in_parts(self, parts: Iterable[Array]) -> Array:
        return self.value(*((self.labels[part], self.scores[part]) for part in parts))


def check_metric(
    metric: keras.metrics.Metric, reference: Reference | None = None, *, replicas: bool = False
) -> None:
    """Test the rules of a metric of pairs: batches, order, weights, wrong values, saving.

    The metric is updated with labels, 1 = genuine and 0 = impostor, and with scores in [0, 1].

    Args:
        metric: Metric to test. Its state is reset.
        reference: Function of labels, float64 scores and weights, each `(n,)`, that returns the
            expected result. By default no result is compared.
        replicas: Whether two replicas of `tf.distribute.MirroredStrategy` are tested too. They run
            in a process of their own, which imports the metric's module. On other backends than
            TensorFlow there are none.

    Raises:
        AssertionError: If a rule is broken. The message says the rule, the input and what was
            found.

    Examples:
        >>> from siamese_verify.testing import check_metric
        >>> check_metric(EqualErrorRate())
    """
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 23)
    # Many scores are equal, and half precision holds each of them.
    scores = np.round(rng.beta(2 + 2 * labels, 4 - 2 * labels) * 64).astype(np.float32) / 64
    rules = dict(RULES)
    if reference is not None:
        rules["The result equals the reference."] = functools.partial(_equals, reference)
    if replicas and keras.backend.backend() == "tensorflow":
        rules["Two replicas find the same."] = _replicas
    run(metric, rules, _Case(metric, labels, scores))


def _equals(reference: Reference, case: _Case) -> None:
    scores = case.scores.astype(np.float64)
    for name, weights in {
        "no weights": np.ones(len(scores)),
        "weights of 0, 1 and 2": np.arange(len(scores)) % 3.0,
    }.items():
        with given(f"{len(scores)} pairs, {name}"):
            expected = np.asarray(reference(case.labels, scores, weights))
            actual = case.value((case.labels, case.scores, weights.astype(np.float32)))
            require_close(actual, expected)


def _batches(case: _Case) -> None:
    n = len(case.labels)
    with given(f"{n} pairs in one batch"):
        expected = case.expected()
        require(expected.shape == (), f"a result of shape {expected.shape}")
        require(np.isfinite(expected), f"{expected}")
    for size in (1, 10):
        with given(f"{n} pairs in batches of {size}"):
            parts = np.split(np.arange(n), np.arange(size, n, size))
            require_close(case.in_parts(parts), expected)
    with given(f"{n} pairs in another order"):
        require_close(case.in_parts([np.random.default_rng(1).permutation(n)]), expected)


def _reset(case: _Case) -> None:
    expected = case.expected()
    with given("1 pair with label 1 and score 0, a reset, then all pairs"):
        case.value((np.ones(1), np.zeros(1)))
        require_close(case.expected(), expected)


def _types(case: _Case) -> None:
    expected = case.expected()
    for dtype in ("bool", "int32", "float32"):
        for shape in ((-1,), (-1, 1)):
            with given(f"labels in {dtype}, labels and scores reshaped to {shape}"):
                labels = case.labels.astype(dtype).reshape(shape)
                require_close(case.value((labels, case.scores.reshape(shape))), expected)
    for dtype in precisions():
        with given(f"scores in {dtype}"):
            scores = keras.ops.cast(case.scores, dtype)
            require_close(case.value((case.labels, scores)), expected)


def _weights(case: _Case) -> None:
    weights = np.arange(len(case.labels)) % 3
    with given("weights of 0, 1 and 2, compared with pairs that come 0, 1 and 2 times"):
        weighted = case.value((case.labels, case.scores, weights.astype(np.float32)))
        repeated = np.repeat(np.arange(len(weights)), weights)
        require_close(weighted, case.in_parts([repeated]))


def _wrong_values(case: _Case) -> None:
    for name, position, value in (
        ("a score NaN", 1, np.nan),
        ("a label NaN", 0, np.nan),
        ("a label 2", 0, 2),
    ):
        with given(f"{len(case.labels)} pairs, {name}"):
            pairs = [case.labels.astype(np.float32), case.scores.copy()]
            pairs[position][0] = value
            result = case.value(tuple(pairs))
            require(np.isnan(result), f"the result {result}")


def _in_a_model(case: _Case) -> None:
    expected = case.expected()
    with given("`evaluate` of a compiled model in batches of 10"):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
        model.compile(loss="mse", metrics=[made_again(case.metric)])
        found = model.evaluate(case.scores[:, None], case.labels, batch_size=10, verbose=0)
        require_close(np.float32(found[-1]), expected)


def _saving(case: _Case) -> None:
    with given("the metric's configuration"):
        expected = case.expected()
        require_close(case._replace(metric=made_again(case.metric)).expected(), expected)


def _replicas(case: _Case) -> None:
    with given(f"{len(case.labels)} pairs, in batches of 10 on two replicas"):
        found = evaluate_on_two_replicas(case.metric, case.labels, case.scores)
        require_close(np.float32(found), case.expected())


RULES: dict[str, Callable[[_Case], None]] = {
    "A reset forgets all pairs.": _reset,
    "The result is one finite number, for any batches and order.": _batches,
    "Labels and scores may be vectors or columns, of any number type.": _types,
    "A pair of weight w counts as w pairs.": _weights,
    "A score or label that is not a number, or a label 2, makes the result NaN.": _wrong_values,
    "A compiled model reports the same result.": _in_a_model,
    "A metric made from its configuration has the same result.": _saving,
}
