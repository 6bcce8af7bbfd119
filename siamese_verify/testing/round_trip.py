"""Saving and loading of the layer, loss or metric under test."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, TypeVar

import keras

from siamese_verify.testing.rules import require

Serializable = TypeVar("Serializable")


def made_again(subject: Serializable) -> Serializable:
    """Return an object made from the configuration of `subject`.

    Raises:
        AssertionError: If the new object differs in type or configuration.
    """
    again: Any = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(subject))
    require(type(again) is type(subject), f"a {type(again).__name__}")
    before, after = subject.get_config(), again.get_config()  # type: ignore[attr-defined]
    changed = {key for key in before if before[key] != after.get(key)}
    require(not changed, f"a configuration that differs in {sorted(changed)}")
    return again


def saved_and_loaded(model: keras.Model) -> keras.Model:
    """Return a model as it comes back from a `.keras` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return keras.saving.load_model(path)


def with_dtype(layer: keras.layers.Layer, dtype: str) -> keras.layers.Layer:
    """Return a layer of the same configuration in another precision, not built."""
    return type(layer).from_config({**layer.get_config(), "dtype": dtype})
