"""The fingerprint: one digest of everything that scores depend on.

A fingerprint binds a threshold and a gallery to the weights that made them. It covers the weights,
the classes of tower and head, the head's arguments, and the preprocessing. It is the same on every
backend. It leaves out how Keras describes layers, because that changes with Keras's version. It
leaves out arguments at their default too, so that a new argument of a later version changes no
fingerprint.
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

from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.lazy_tensorflow import tf
from siamese_verify.messages import shown
from siamese_verify.model import SiameseModel

Value = Any  # A tensor of TensorFlow, an array of JAX, or, for torch, one of NumPy.
# Number of reads after which TensorFlow gets a function that reads all weights in one call.
# Building it pays off only for a model that is read many times.
_MANY_READS = 10


class ModelState(NamedTuple):
    """Fingerprint of a model at one moment, and its weights that are not finite."""

    fingerprint: str
    """SHA-256, as 64 hexadecimal digits."""
    not_finite: tuple[str, ...]
    """Paths of the weights that hold NaN or infinity."""

    def explain(self) -> str:
        """Say which weights are not finite, as a sentence without its end."""
        first, others = self.not_finite[0], len(self.not_finite) - 1
        more = f" and {others} others" if others else ""
        return f"The weights of {shown(repr(first))}{more} are not finite"


class FingerprintReader:
    """Reader of a model's fingerprint that hashes only weights that have changed.

    It keeps the value of each weight as it was last read, and compares it exactly with the present
    value. Safe to call from threads.

    Args:
        model: Built model.
        preprocessing: Preprocessing of its images.

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

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._model, self._preprocessing)  # A lock cannot be copied.

    def read(self) -> ModelState:
        """Read the present fingerprint, and which weights are not finite."""
        with self._lock:
            variables = [*self._model.tower.weights, *self._model.head.weights]
            if [id(weight.variable) for weight in self._weights] != [*map(id, variables)]:
                self._weights = [_Weight(variable) for variable in variables]
                self._values = functools.partial(_values, variables)
                self._reads = 0
            self._reads += 1
            if self._reads == _MANY_READS and keras.backend.backend() == "tensorflow":
                self._values = tf.function(self._values, autograph=False)
            for weight, value in zip(self._weights, self._values(), strict=True):
                weight.update(value)
            digest = hashlib.sha256(_describe(self._model, self._preprocessing).encode())
            for weight in self._weights:
                digest.update(weight.digest)
            not_finite = tuple(w.variable.path for w in self._weights if not w.is_finite)
        return ModelState(digest.hexdigest(), not_finite)

    def read_finite(self) -> str:
        """Read the present fingerprint.

        Raises:
            RuntimeError: If weights are not finite. The error names one of them.
        """
        state = self.read()
        if state.not_finite:
            raise RuntimeError(
                f"{state.explain()}, so scores mean nothing. Train the model again with a lower "
                "learning rate, or load an earlier file."
            )
        return state.fingerprint

    def check_unchanged(self, fingerprint: str) -> None:
        """Raise a `RuntimeError` if the fingerprint has changed."""
        if self.read().fingerprint != fingerprint:
            raise RuntimeError(
                "The weights have changed during this call, so its embeddings belong to two models "
                "and were dropped. Wait until training is over, and call the method again."
            )


class _Weight:
    """Variable, its value as last read, and the digest of that value."""

    def __init__(self, variable: keras.Variable):
        self.variable = variable
        self.value: Value = None
        self.digest, self.is_finite = b"", True

    def update(self, value: Value) -> None:
        """Hash the value if it differs from the last one."""
        if self.value is None or not _is_same(value, self.value):
            self.digest, self.is_finite = _examine(np.asarray(value))
        self.value = value


def _values(variables: list[keras.Variable]) -> list[Value]:
    """Read the values of variables, such that nothing changes them afterwards."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return [tf.convert_to_tensor(variable.value) for variable in variables]
    if backend == "jax":
        return [variable.value for variable in variables]
    return [keras.ops.convert_to_numpy(variable) for variable in variables]  # It copies.


def _is_same(value: Value, held: Value) -> bool:
    """Compare the present value of a variable with the value `held` from an earlier read."""
    if isinstance(value, np.ndarray):
        return bool(value.tobytes() == held.tobytes())
    if keras.backend.backend() == "jax":
        # JAX makes a new array for each change, and `held` keeps the old array alive. One change
        # escapes: a NumPy array that was assigned to a variable and is then written in place. JAX
        # may share its memory, and forbids that.
        return value is held
    # TensorFlow writes into a variable's memory only while nothing else holds it, and copies it
    # otherwise. The memory of `held` can be neither changed nor freed, so a value at the same
    # address is the same value.
    if "CPU" in value.backing_device and _address(value) == _address(held):
        return True
    return bool(tf.reduce_all(_bits(value) == _bits(held)))


def _address(tensor: tf.Tensor) -> int:
    """Find where in memory a tensor lies (see `docs/compatibility.md`)."""
    try:
        view = memoryview(tensor)
    except ValueError:  # NumPy itself lacks some types, such as bfloat16.
        view = memoryview(_bits(tensor))
    address: int = np.asarray(view).__array_interface__["data"][0]
    return address


def _bits(tensor: tf.Tensor) -> tf.Tensor:
    """View the memory as integers, for which NaN equals itself and -0 differs from 0."""
    return tensor if tensor.dtype == tf.bool else tf.bitcast(tensor, tf.uint8)


def _examine(value: npt.NDArray[Any]) -> tuple[bytes, bool]:
    """Hash a weight, and tell whether all its elements are finite."""
    digest = hashlib.sha256(f"{value.shape} {value.dtype.name}".encode())
    digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    is_float = keras.backend.is_float_dtype(value.dtype.name)
    return digest.digest(), not is_float or bool(np.isfinite(value).all())


def _describe(model: SiameseModel, preprocessing: Preprocessing) -> str:
    """Describe classes, the head's arguments and preprocessing, as JSON."""
    settings = preprocessing.to_dict()
    del settings["max_pixels"]  # It changes no pixels.
    defaults = {field.name: field.default for field in dataclasses.fields(preprocessing)}
    description = {
        "tower": type(model.tower).__name__,
        "head": [type(model.head).__name__, _own_arguments(model.head)],
        "preprocessing": _changed(settings, defaults),
    }
    return json.dumps(description, sort_keys=True)


def _own_arguments(head: keras.layers.Layer) -> dict[str, Any]:
    """Collect the arguments of a head that differ from their default, without Keras's own."""
    try:
        config = keras.saving.serialize_keras_object(head)["config"]
    except (NotImplementedError, TypeError, ValueError):
        # Keras can neither describe nor save such a head, so that only its weights are compared.
        return {}
    parameters = inspect.signature(type(head).__init__).parameters
    defaults = {
        name: parameter.default
        for name, parameter in parameters.items()
        if name in config and name not in ("name", "dtype", "trainable")
    }
    return _changed({name: config[name] for name in defaults}, defaults)


def _changed(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Select the values that differ from their default, compared as JSON."""

    def as_json(value: Any) -> str:
        return json.dumps(value, sort_keys=True, default=str)

    return {
        name: value for name, value in values.items() if as_json(value) != as_json(defaults[name])
    }


def digest_of_format_1(model: SiameseModel, preprocessing: Preprocessing) -> str:
    """Compute the digest that galleries of format 1 hold in place of a fingerprint."""
    digest = hashlib.sha256(repr((preprocessing.shape, preprocessing.center_crop)).encode())
    for variable in model.tower.weights:
        value = keras.ops.convert_to_numpy(variable)
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
