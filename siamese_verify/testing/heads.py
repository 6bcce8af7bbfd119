"""`check_head`: the rules of a head."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple, get_args

import keras
import numpy as np

from siamese_verify.layers.score_kinds import ScoreKind
from siamese_verify.testing.gradients import gradients
from siamese_verify.testing.round_trip import made_again, saved_and_loaded, with_dtype
from siamese_verify.testing.rules import (
    Array,
    given,
    precisions,
    require,
    require_close,
    run,
    to_numpy,
)

Reference = Callable[[Array, Array], Array]
_RANGES = {"probability": (0, 1), "negative distance": (-np.inf, 0), "cosine": (-1, 1)}


class _Case(NamedTuple):
    head: keras.layers.Layer
    size: int

    def embeddings(self, *shape: int, seed: int = 0) -> Array:
        values = np.random.default_rng(seed).normal(size=(*shape, self.size))
        return values.astype(np.float32)

    def scores(self, left: Array, right: Array) -> Array:
        return to_numpy(self.head((left, right)))


def check_head(
    head: keras.layers.Layer, reference: Reference | None = None, *, size: int = 8
) -> None:
    """Test the rules of a head: shapes, symmetry, precision, gradients, saving and loading.

    Args:
        head: Head with the weights to test. A head that is not built yet is built.
        reference: Function of two float64 arrays `(n, size)` that returns the expected scores
            `(n, 1)`. By default no score is compared.
        size: Size of an embedding.

    Raises:
        AssertionError: If a rule is broken. The message says the rule, the input and what was
            found.

    Examples:
        >>> from siamese_verify.testing import check_head
        >>> def distance(left, right):
        ...     return -np.linalg.norm(left - right, axis=-1, keepdims=True)
        >>> check_head(EuclideanHead(), distance)
    """
    if not head.built:
        head.build(((None, size), (None, size)))
    rules = dict(RULES)
    if reference is not None:
        rules["The score equals the reference."] = functools.partial(_equals, reference)
    run(head, rules, _Case(head, size))


def _equals(reference: Reference, case: _Case) -> None:
    left, right = case.embeddings(7), case.embeddings(7, seed=1)
    with given("7 pairs of random embeddings"):
        expected = reference(left.astype(np.float64), right.astype(np.float64))
        require_close(case.scores(left, right), expected, rtol=2e-5, atol=2e-6)


def _batches(case: _Case) -> None:
    left, right = case.embeddings(7), case.embeddings(7, seed=1)
    every = case.scores(left, right)
    for n in (1, 2, 7):
        with given(f"a batch of {n} pairs"):
            scores = case.scores(left[:n], right[:n])
            require(scores.shape == (n, 1), f"scores of shape {scores.shape}, not {(n, 1)}")
            require(np.isfinite(scores), f"scores {scores.ravel()}")
            require_close(scores, every[:n])


def _broadcasting(case: _Case) -> None:
    left, right = case.embeddings(3), case.embeddings(4, seed=1)
    with given("left embeddings (3, 1, size) and right embeddings (1, 4, size)"):
        each = [case.scores(np.stack([one] * 4), right) for one in left]
        require_close(case.scores(left[:, None], right[None]), np.stack(each))


def _symmetry(case: _Case) -> None:
    left, right = case.embeddings(7), case.embeddings(7, seed=1)
    with given("7 pairs of random embeddings, then left and right exchanged"):
        require_close(case.scores(left, right), case.scores(right, left))


def _itself(case: _Case) -> None:
    left = case.embeddings(20)
    steps = np.geomspace(1e-3, 1, 20, dtype=np.float32)[:, None]
    others = left[:, None] + steps * case.embeddings(20, 20, seed=1)
    with given("20 embeddings, each compared with itself and with 20 others, near and far"):
        itself, other = case.scores(left, left), case.scores(left[:, None], others)[..., 0]
        rounding = 1e-6 * np.abs(itself)
        require(other <= itself + rounding, f"{other.max()} for another, {itself.min()} for itself")


def _direction(case: _Case) -> None:
    left, right = case.embeddings(50), case.embeddings(50, seed=1)
    with given("50 embeddings, each compared with a near one and with a far one"):
        near, far = case.scores(left, left + 0.1 * right), case.scores(left, right)
        require(near.mean() > far.mean(), f"means {near.mean()} (near) and {far.mean()} (far)")


def _precision(case: _Case) -> None:
    left, right = case.embeddings(7), case.embeddings(7, seed=1)
    expected = case.scores(left, right)
    for dtype in precisions():
        for policy in (dtype, f"mixed_{dtype}") if dtype != "float64" else (dtype,):
            with given(f"embeddings in {dtype}, the head with dtype={policy!r}"):
                head = with_dtype(case.head, policy)
                head.build((left.shape, right.shape))
                head.set_weights(case.head.get_weights())
                scores = head([keras.ops.cast(x, dtype) for x in (left, right)])
                found = keras.backend.standardize_dtype(scores.dtype)
                require(found in ("float32", "float64"), f"scores in {found}")
                require_close(to_numpy(scores), expected, rtol=0.05, atol=0.05)


def _gradients(case: _Case) -> None:
    left = case.embeddings(3)
    others = {"random": case.embeddings(3, seed=1), "equal": left, "all zeros": 0 * left}
    for name, right in others.items():
        with given(f"random left embeddings, right embeddings {name}"):
            for slope in gradients(lambda x, y: case.head((x, y)), left, right):
                require(np.isfinite(slope), f"gradient {slope[0]}")


def _not_a_number(case: _Case) -> None:
    left = case.embeddings(2)
    left[0, 0] = np.nan
    with given("2 pairs, an embedding of the first with a NaN"):
        scores = case.scores(left, case.embeddings(2, seed=1)).ravel()
        require(np.isnan(scores) == [True, False], f"scores {scores}")


def _kind(case: _Case) -> None:
    kind = getattr(case.head, "score_kind", None)
    if kind is None:
        return
    with given(f"score_kind={kind!r}, and random embeddings"):
        require(kind in get_args(ScoreKind), f"not one of {get_args(ScoreKind)}")
        scores = case.scores(case.embeddings(50), case.embeddings(50, seed=1))
        low, high = _RANGES[kind]
        require((scores >= low) & (scores <= high), f"{scores.min()} to {scores.max()}")


def _saving(case: _Case) -> None:
    left, right = case.embeddings(7), case.embeddings(7, seed=1)
    with given("the head's configuration"):
        made_again(case.head)
    with given("a model of the head, saved and loaded"):
        inputs = keras.Input((case.size,)), keras.Input((case.size,))
        loaded = saved_and_loaded(keras.Model(inputs, case.head(inputs)))
        require_close(to_numpy(loaded((left, right))), case.scores(left, right))


RULES: dict[str, Callable[[_Case], None]] = {
    "Scores are (n, 1), and a score does not depend on the batch.": _batches,
    "Dimensions before the last are broadcast.": _broadcasting,
    "Exchanging left and right does not change the score.": _symmetry,
    "An embedding compared with itself scores highest.": _itself,
    "A higher score is more alike.": _direction,
    "Scores are float32 at least, and nearly the same in every precision.": _precision,
    "The gradient is finite.": _gradients,
    "An embedding with a NaN has the score NaN.": _not_a_number,
    "The scores are in the range of `score_kind`.": _kind,
    "A saved head loads and scores as before.": _saving,
}
