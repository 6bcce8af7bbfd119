"""`check_tower`: the rules of a tower."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from siamese_verify.testing.gradients import value_and_gradients
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

Reference = Callable[[Array], Array]


class _Case(NamedTuple):
    tower: keras.Model

    def images(self, n: int) -> Array:
        shape = (n, *self.tower.input_shape[1:])
        return np.random.default_rng(0).random(shape, np.float32)

    def embed(self, images: Array) -> Array:
        return to_numpy(self.tower(images, training=False))


def check_tower(tower: keras.Model, reference: Reference | None = None) -> None:
    """Test the rules of a tower: shapes, inference, precision, gradients, saving and loading.

    Args:
        tower: Built tower that knows its `input_shape`.
        reference: Function of images `(n, height, width, channels)`, float64, that returns the
            expected embeddings `(n, size)`. By default no embedding is compared.

    Raises:
        AssertionError: If a rule is broken. The message says the rule, the input and what was
            found.

    Examples:
        >>> from siamese_verify.testing import check_tower
        >>> check_tower(ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32))
    """
    rules = dict(RULES)
    if reference is not None:
        rules["The embedding equals the reference."] = functools.partial(_equals, reference)
    run(tower, rules, _Case(tower))


def _equals(reference: Reference, case: _Case) -> None:
    images = case.images(7)
    with given("7 random images"):
        expected = reference(images.astype(np.float64))
        require_close(case.embed(images), expected, rtol=1e-4, atol=1e-5)


def _batches(case: _Case) -> None:
    images = case.images(7)
    every = case.embed(images)
    for n in (1, 2, 7):
        with given(f"a batch of {n} images"):
            embeddings = case.embed(images[:n])
            shape = embeddings.shape
            require(len(shape) == 2 and len(embeddings) == n, f"embeddings of shape {shape}")
            require_close(embeddings, every[:n], rtol=1e-4, atol=1e-5)


def _uniform(case: _Case) -> None:
    for name, value in {"black": 0, "white": 1}.items():
        with given(f"2 {name} images"):
            embeddings = case.embed(0 * case.images(2) + np.float32(value))
            require(np.isfinite(embeddings), f"embedding {embeddings[0]}")


def _dependence(case: _Case) -> None:
    with given("7 random images"):
        embeddings = case.embed(case.images(7))
        require(embeddings.std(axis=0).max() > 0, f"the embedding {embeddings[0]} for each")


def _inference(case: _Case) -> None:
    images = case.images(7)
    before = [np.copy(weight) for weight in case.tower.get_weights()]
    with given("7 random images, embedded twice"):
        require_close(case.embed(images), case.embed(images), rtol=0, atol=0)
        for old, new, weight in zip(
            before, case.tower.get_weights(), case.tower.weights, strict=True
        ):
            require(np.array_equal(old, new), f"another value of {weight.path}")


def _gradients(case: _Case) -> None:
    for name, images in {"random": case.images(4), "black": 0 * case.images(4)}.items():
        with given(f"4 {name} images, outside of training"):
            slopes = value_and_gradients(case.tower, images, 1.0, training=False)[1:]
            names = ["the image", *(weight.path for weight in case.tower.trainable_weights)]
            for name_of, slope in zip(names, slopes, strict=True):
                require(np.isfinite(slope), f"a gradient to {name_of} that is not finite")


def _precision(case: _Case) -> None:
    if "dtype" not in case.tower.get_config():
        return
    images = case.images(7)
    expected = case.embed(images)
    for dtype in precisions():
        policy = dtype if dtype == "float64" else f"mixed_{dtype}"
        with given(f"a tower with dtype={policy!r}"):
            tower = with_dtype(case.tower, policy)
            tower.set_weights(case.tower.get_weights())
            embeddings = to_numpy(tower(images, training=False))
            scale = np.abs(expected).max() or 1.0
            require_close(embeddings / scale, expected / scale, rtol=0, atol=0.1)


def _saving(case: _Case) -> None:
    images = case.images(7)
    with given("the tower's configuration"):
        made_again(case.tower)
    with given("the tower, saved and loaded"):
        loaded = saved_and_loaded(case.tower)
        require(type(loaded) is type(case.tower), f"a {type(loaded).__name__}")
        require_close(to_numpy(loaded(images, training=False)), case.embed(images))


RULES: dict[str, Callable[[_Case], None]] = {
    "An embedding is one vector, and does not depend on the batch.": _batches,
    "An embedding is finite.": _uniform,
    "The embedding depends on the image.": _dependence,
    "Outside of training, embeddings repeat and weights stay.": _inference,
    "Each trainable weight has a finite gradient.": _gradients,
    "A saved tower loads and embeds as before.": _saving,
    "Embeddings are nearly the same in every precision.": _precision,
}
