"""All that the next training step depends on, apart from its data."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import keras
import numpy as np
from keras import ops

from siamese_verify.messages import shown


def check_is_built(model: keras.Model) -> None:
    """Raise a `ValueError` if the model's weights do not exist yet."""
    if not all(layer.built for layer in [model, *model.layers]):
        raise ValueError(
            "Resumable needs a model whose weights exist before `fit`. Build it first, such as "
            "with `model.build(input_shape)`. "
            f"Received: model={shown(repr(model.name))}, which is not built"
        )


def signature(model: keras.Model) -> list[list[Any]]:
    """Return the class of the optimizer, and the name, shape and type of each variable."""
    variables = [[v.name, list(v.shape), str(v.dtype)] for v in _variables(model)]
    # The names of the optimizer's variables hold numbers that Keras counts up in each process.
    for variable in variables[len(model.variables) :]:
        variable[0] = "optimizer"
    return [["optimizer", [], type(model.optimizer).__name__], *variables]


def weights_digest(model: keras.Model) -> bytes:
    """Return the SHA-256 of the weights and the optimizer's variables."""
    digest = hashlib.sha256()
    for variable in _variables(model):
        digest.update(np.ascontiguousarray(ops.convert_to_numpy(variable)).tobytes())
    return digest.digest()


def get_model_state(model: keras.Model) -> dict[str, Any]:
    """Return the values of the weights, the optimizer and all random generators."""
    version, numbers, gauss = random.getstate()
    seeds = _global_seeds(create=False)
    return {
        "variables": [ops.convert_to_numpy(variable) for variable in _variables(model)],
        "keras": None if seeds is None else ops.convert_to_numpy(seeds.state),
        "python": [version, list(numbers), gauss],
        "numpy": list(np.random.get_state(legacy=True)),  # noqa: NPY002
        "torch": _torch_numbers(),
    }


def set_model_state(model: keras.Model, state: dict[str, Any]) -> None:
    """Bring a model with the same `signature`, and all random generators, to a former state."""
    for variable, value in zip(_variables(model), state["variables"], strict=True):
        if value.shape != tuple(variable.shape) or str(value.dtype) != str(variable.dtype):
            raise ValueError(f"{value.dtype} {value.shape} in place of {variable}")
        variable.assign(value)
    if state["keras"] is not None:
        _global_seeds(create=True).state.assign(state["keras"])
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state(tuple(state["numpy"]))  # noqa: NPY002
    if (numbers := state.get("torch")) is not None:
        import torch

        torch.set_rng_state(torch.from_numpy(numbers))


def _variables(model: keras.Model) -> list[keras.Variable]:
    """Return weights, seeds of layers such as dropout, and the optimizer's variables."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


def _torch_numbers() -> Any:
    """Return the state of torch's generator, by which Keras shuffles arrays on torch."""
    if keras.backend.backend() != "torch":
        return None
    import torch

    return torch.get_rng_state().numpy()


def _global_seeds(create: bool) -> Any:
    """Return Keras's global seed generator, None where nothing has needed it so far."""
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import global_seed_generator

    # Its creation draws from Python's generator, so reading the state must not create it.
    if not create:
        return global_state.get_global_attribute("global_seed_generator")
    return global_seed_generator()
