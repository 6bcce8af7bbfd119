"""One digest of everything that scores depend on, computed again only where it has changed.

A fingerprint binds a threshold and a gallery to the weights that made them. It covers the weights,
the classes of tower and head, the head's arguments, and the preprocessing. It is the same on every
backend. It leaves out how Keras describes layers, which changes with its version, and arguments
that have their default, so that an argument which a later version adds changes no fingerprint.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.model import SiameseModel

Value = Any
# Reads after which TensorFlow gets a function that reads all weights in one call. To build it pays
# off only where the model is asked again and again.
_MANY = 10


class State(NamedTuple):
    """What a model is at one moment."""

    fingerprint: str
    """SHA-256, as 64 hexadecimal digits."""
    not_finite: tuple[str, ...]
    """Paths of the weights that hold NaN or infinity."""

    def explain(self) -> str:
        """A sentence about the weights that are not finite, without its end."""
        first, others = self.not_finite[0], len(self.not_finite) - 1
        return f"The weights of {first!r}{f' and {others} others' if others else ''} are not finite"


class FingerprintReader:
    """Reads the fingerprint of a model again and again, for the price of looking at its weights.

    The check is exact. It keeps the value of each weight as it was last read, and hashes only
    weights whose value is another now. Safe to call from threads.

    Args:
        model: A built model.
        preprocessing: What is done to its images.

    Examples:
        >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
        >>> reader = FingerprintReader(SiameseModel(tower, CosineHead()), Preprocessing((16, 16)))
        >>> before = reader.read().fingerprint
        >>> tower.set_weights([2 * weights for weights in tower.get_weights()])
        >>> reader.read().fingerprint == before
        False
    """

    def __init__(self, model: SiameseModel, preprocessing: Preprocessing):
        self._model, self._preprocessing = model, preprocessing
        self._lock = threading.Lock()
        self._weights: list[_Weight] = []
        self._reads = 0
        self._values: Callable[[], list[Value]] = list

    def read(self) -> State:
        """The fingerprint now, and which weights are not finite."""
        with self._lock:
            variables = [*self._model.tower.weights, *self._model.head.weights]
            if [id(weight.variable) for weight in self._weights] != [*map(id, variables)]:
                self._weights = [_Weight(variable) for variable in variables]
                self._values = functools.partial(_values, variables)
                self._reads = 0
            self._reads += 1
            if self._reads == _MANY and keras.backend.backend() == "tensorflow":
                self._values = tf.function(self._values, autograph=False)
            for weight, value in zip(self._weights, self._values(), strict=True):
                weight.update(value)
            digest = hashlib.sha256(_description(self._model, self._preprocessing).encode())
            for weight in self._weights:
                digest.update(weight.digest)
            not_finite = tuple(w.variable.path for w in self._weights if not w.is_finite)
        return State(digest.hexdigest(), not_finite)

    def read_finite(self) -> str:
        """The fingerprint now.

        Raises:
            RuntimeError: If weights are not finite; names one.
        """
        state = self.read()
        if state.not_finite:
            raise RuntimeError(
                f"{state.explain()}, so scores mean nothing. Train the model again with a lower "
                "learning rate, or load an earlier file."
            )
        return state.fingerprint

    def check_still(self, fingerprint: str) -> None:
        """Raises a `RuntimeError` if the fingerprint is another now."""
        if self.read().fingerprint != fingerprint:
            raise RuntimeError(
                "The weights have changed during this call, so that its embeddings are of two "
                "models and were dropped. Wait until training is over, and call it again."
            )


class _Weight:
    """A variable, its value as last read, and what was found out about that value."""

    def __init__(self, variable: keras.Variable):
        self.variable = variable
        self.value: Value = None
        self.digest, self.is_finite = b"", True

    def update(self, value: Value) -> None:
        if self.value is None or not _is_same(value, self.value):
            self.digest, self.is_finite = _examine(np.asarray(value))
        self.value = value


def _values(variables: list[keras.Variable]) -> list[Value]:
    """The values of variables, which nothing changes afterwards."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return [tf.convert_to_tensor(variable.value) for variable in variables]
    if backend == "jax":
        return [variable.value for variable in variables]
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _is_same(value: Value, held: Value) -> bool:
    """Whether two values of one variable, of which `held` was read before, are the same."""
    if isinstance(value, np.ndarray):
        return bool(value.tobytes() == held.tobytes())
    if not isinstance(value, tf.Tensor):
        # JAX makes a new array for each change. An array in use is never freed, so that no other
        # can be taken for it. What escapes is a NumPy array that was assigned to a variable and is
        # then written in place: JAX may share its memory, and forbids that.
        return value is held
    # TensorFlow writes into a variable's memory only while nothing else holds it, and copies it
    # otherwise. What `held` holds can be neither changed nor freed, so that a value at the same
    # address is the same value.
    if "CPU" in value.backing_device and _address(value) == _address(held):
        return True
    return bool(tf.reduce_all(_bits(value) == _bits(held)))


def _address(tensor: tf.Tensor) -> int:
    try:
        view = memoryview(tensor)
    except ValueError:  # A type that NumPy itself does not have, such as bfloat16.
        view = memoryview(_bits(tensor))
    address: int = np.asarray(view).__array_interface__["data"][0]
    return address


def _bits(tensor: tf.Tensor) -> tf.Tensor:
    """The same memory as integers, in which NaN equals itself and -0 is not 0."""
    return tensor if tensor.dtype == tf.bool else tf.bitcast(tensor, tf.uint8)


def _examine(value: npt.NDArray[Any]) -> tuple[bytes, bool]:
    """The digest of a weight, and whether all of it is finite."""
    digest = hashlib.sha256(f"{value.shape} {value.dtype.name}".encode())
    digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    is_float = keras.backend.is_float_dtype(value.dtype.name)
    return digest.digest(), not is_float or bool(np.isfinite(value).all())


def _description(model: SiameseModel, preprocessing: Preprocessing) -> str:
    fields = {field.name: field.default for field in dataclasses.fields(preprocessing)}
    del fields["max_pixels"]  # It changes no pixels.
    description = {
        "tower": type(model.tower).__name__,
        "head": [type(model.head).__name__, _own_arguments(model.head)],
        "preprocessing": _changed({n: getattr(preprocessing, n) for n in fields}, fields),
    }
    return json.dumps(description, sort_keys=True)


def _own_arguments(head: keras.layers.Layer) -> dict[str, Any]:
    """The arguments of a head that differ from their default, without Keras's own."""
    try:
        config = keras.saving.serialize_keras_object(head)["config"]
    except (NotImplementedError, TypeError, ValueError):
        # Keras cannot describe such a head, nor save it: only its weights can be compared.
        return {}
    parameters = inspect.signature(type(head).__init__).parameters
    defaults = {
        name: parameter.default
        for name, parameter in parameters.items()
        if name in config and name not in ("name", "dtype", "trainable")
    }
    return _changed({name: config[name] for name in defaults}, defaults)


def _changed(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The values that differ from their default, as JSON has them."""

    def as_json(value: Any) -> str:
        return json.dumps(value, sort_keys=True, default=str)

    return {
        name: value for name, value in values.items() if as_json(value) != as_json(defaults[name])
    }


def first_gallery_digest(model: SiameseModel, preprocessing: Preprocessing) -> str:
    """The digest in galleries of format 1, which were written before there were fingerprints."""
    digest = hashlib.sha256(repr((preprocessing.shape, preprocessing.center_crop)).encode())
    for variable in model.tower.weights:
        value = keras.ops.convert_to_numpy(variable)
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
