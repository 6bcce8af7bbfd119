"""The classes and functions in the configuration of a model, and which of them may be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from siamese_verify.messages import shown

# Modules of Keras that hold the parts of a model. Functions of other modules, such as
# `keras.utils.get_file`, act on the process that loads the file.
_MODEL_MODULES = (
    *("activations", "constraints", "dtype_policies", "initializers", "layers", "losses"),
    *("metrics", "ops", "optimizers", "quantizers", "regularizers"),
)
# Parts of a model in other modules of Keras. The last three belong to `keras.applications`.
_MODEL_CLASSES = (
    *("DTypePolicy", "Functional", "Model", "SeedGenerator", "Sequential"),
    *("CustomScaleLayer", "LayerScale", "StochasticDepth"),
)
# Parts that run code of the file.
_CODE_CLASSES = (
    *("Lambda", "__lambda__", "__typespec__"),
    *("FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"),
)
# Parts that read other files, which the configuration names.
_FILE_CLASSES = ("IndexLookup", "IntegerLookup", "StringLookup", "TextVectorization")


class PartError(ValueError):
    """Error for a part of a model that cannot be loaded. Its text continues a sentence."""


def check_parts(config: Any) -> None:
    """Check that a model's configuration names only parts that can be loaded without harm.

    Args:
        config: Configuration of a model, as Keras writes it.

    Raises:
        PartError: If a part is not registered, would run code, or is not part of a model.
    """
    for part, owner in _parts(config, "the model"):
        _check_part(part, owner)


def _parts(config: Any, owner: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Find all descriptions of classes and functions, each with the layer that it belongs to."""
    if isinstance(config, dict):
        if config.keys() == {"value"} and _is_code(config["value"]):
            yield {"class_name": "__lambda__"}, owner
        if "class_name" in config:
            yield config, owner
            inner = config.get("config")
            if isinstance(inner, dict) and "name" in inner:
                owner = f"{shown(config['class_name'])} {shown(inner['name'])!r}"
        for value in config.values():
            yield from _parts(value, owner)
    elif isinstance(config, list):
        for value in config:
            yield from _parts(value, owner)


def _is_code(value: Any) -> bool:
    """Tell whether Keras wrote the code of a lambda, with its defaults and variables."""
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)


def _check_part(part: dict[str, Any], owner: str) -> None:
    """Raise an error for a part that Keras would look up elsewhere than among parts of models."""
    is_function = part["class_name"] == "function"
    name = str(part.get("config") if is_function else part["class_name"])
    module = str(part.get("module"))
    registered = name if is_function else str(part.get("registered_name") or name)
    _check_content(name, part.get("config"), owner)
    if keras.saving.get_registered_object(registered) is not None or name.startswith("__"):
        return
    package, inner = [*module.replace("keras.src", "keras").split("."), ""][:2]
    if package == "keras":
        is_class = name in _MODEL_CLASSES and not is_function
        if not (inner in _MODEL_MODULES or is_class) or "." in name:
            raise PartError(
                "holds a function or class that is not part of a model, so it is not loaded. "
                f"Received: {shown(module)}.{shown(name)} in {owner}"
            )
    elif package == "builtins":
        # The module of each function without a name of Keras's. Keras looks among its own.
        if is_function and not any(hasattr(getattr(keras, m), name) for m in _MODEL_MODULES):
            raise PartError(_unregistered("function", name, module, owner))
    elif "module" in part:
        kind = "function" if is_function else "class"
        raise PartError(_unregistered(kind, registered, module, owner))


def _check_content(name: str, config: Any, owner: str) -> None:
    """Raise an error for a part that runs code, reads files, or cannot answer alike twice."""
    if name in _CODE_CLASSES:
        raise PartError(
            "holds code, which is never run. Write a layer or a function with a name instead. "
            "Decorate it with @keras.saving.register_keras_serializable('my_package'), and save "
            f"again. Received: {name} in {owner}"
        )
    if name in _FILE_CLASSES:
        raise PartError(
            "holds a layer that reads other files, which is not loaded. "
            f"Received: {name} in {owner}"
        )
    if not isinstance(config, dict):
        return
    if config.get("stateful"):
        raise PartError(
            "holds a layer with stateful=True, which answers the same image differently each "
            f"time. Received: {shown(name)} in {owner}"
        )
    if name in ("__numpy__", "__tensor__"):
        # NumPy also knows text of a given length, which may be huge.
        keras.backend.standardize_dtype(config.get("dtype"))


def _unregistered(kind: str, name: str, module: str, owner: str) -> str:
    """Say how a class or function becomes known to Keras."""
    place = "" if module == "None" else f"{shown(module)}."
    name, received = shown(name), f"Received: {place}{shown(name)} in {owner}"
    if ">" in name:
        return (
            f"needs the {kind} {name!r}, which is not registered. Import the module that registers "
            f"it with keras.saving.register_keras_serializable. {received}"
        )
    return (
        f"needs the {kind} {name!r}, which is not registered. Decorate it with "
        "@keras.saving.register_keras_serializable('my_package') before the model is made, and "
        "save the verifier again. To load a file that was saved without, set "
        f"keras.saving.get_custom_objects()[{name!r}] to the {kind}. {received}"
    )
