"""The file of a verifier: a Keras model file with one more member, the settings of its decisions.

Loading runs no code from the file.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from siamese_verify.files import PathLike, replacing

_FORMAT = 2  # Format 1 had no fingerprint.
_MEMBER = "verifier.json"
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


class VerifierFileError(ValueError):
    """Error for a file that cannot be loaded as a verifier. Its text states the reason."""


def save_verifier(path: PathLike, model: keras.Model, settings: dict[str, Any]) -> None:
    """Write a model and its settings. They replace an older file only when complete.

    Args:
        path: Path of the file.
        model: Model to save.
        settings: Settings of the verifier, as JSON has them.

    Raises:
        ValueError: If the path does not end in `.keras`.
    """
    if Path(path).suffix != ".keras":
        raise ValueError(f"The path of a verifier must end in .keras. Received: path={path}")
    with replacing(path) as unfinished:
        model.save(unfinished)
        with zipfile.ZipFile(unfinished, "a") as archive:
            content = {"format": _FORMAT, **settings, "versions": _versions()}
            archive.writestr(_MEMBER, json.dumps(content, indent=2))


def _versions() -> dict[str, str]:
    packages = ("siamese-verify", "keras", "tensorflow", "numpy")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {"python": platform.python_version(), **versions}


def load_verifier(path: PathLike) -> tuple[keras.Model, dict[str, Any]]:
    """Read a file that `save_verifier` wrote.

    Returns:
        The model and its settings.

    Raises:
        VerifierFileError: If the path does not end in `.keras`, or if the file is damaged, not a
            verifier's, or of a newer version. Also if its model has parts that this process does
            not know, or that would run code of the file.
        FileNotFoundError: If there is no such file.
    """
    if Path(path).suffix != ".keras":  # Keras would read a file that ends in .h5 as HDF5.
        raise VerifierFileError(f"The path of a verifier must end in .keras. Received: path={path}")
    texts = _read_texts(path)
    if len(texts) < 2:
        raise VerifierFileError(
            f"{path} holds a model without preprocessing and threshold, so it cannot decide. "
            "Make a Verifier from the model, calibrate it, and save the verifier."
        )
    try:
        settings, config = (json.loads(text) for text in texts.values())
        version = settings["format"] = int(settings["format"])
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise VerifierFileError(f"{path} is damaged: {error!r} in its settings") from error
    if version > _FORMAT:
        raise VerifierFileError(
            f"{path} was written by a newer siamese-verify, and this version reads formats up to "
            f"{_FORMAT}. Upgrade siamese-verify. Received: format={version}"
        )
    for part in _model_parts(config):
        _check_part(path, part)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (TypeError, ValueError) as error:
        raise VerifierFileError(f"{path} cannot be loaded by Keras: {error}") from error
    return model, settings


def _read_texts(path: PathLike) -> dict[str, bytes]:
    """Read the settings and the model's configuration, after checking every byte of the file."""
    with Path(path).open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                damaged, members = archive.testzip(), archive.namelist()
                texts = {n: archive.read(n) for n in (_MEMBER, "config.json") if n in members}
        except Exception as error:  # zipfile raises many types for damaged files.
            raise VerifierFileError(f"{path} is damaged, or not a verifier: {error}") from error
    if damaged:
        raise VerifierFileError(f"{path} is damaged: its member {damaged} has changed")
    return texts


def _model_parts(config: Any) -> Iterator[dict[str, Any]]:
    """Find all descriptions of classes and functions in a model's configuration."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for value in config.values():
            yield from _model_parts(value)
    elif isinstance(config, list):
        for value in config:
            yield from _model_parts(value)


def _check_part(path: PathLike, part: dict[str, Any]) -> None:
    """Raise an error for a part that Keras would look up elsewhere than among parts of models."""
    is_function = part["class_name"] == "function"
    name = str(part.get("config") if is_function else part["class_name"])
    module = str(part.get("module"))
    registered = name if is_function else str(part.get("registered_name") or name)
    if name in _CODE_CLASSES:
        raise VerifierFileError(
            f"{path} holds code, which is never run. Save a model of registered layers instead. "
            f"Received: {name}"
        )
    if keras.saving.get_registered_object(registered) is not None or name.startswith("__"):
        return
    package, inner = [*module.replace("keras.src", "keras").split("."), ""][:2]
    if package == "keras":
        is_class = name in _MODEL_CLASSES and not is_function
        if not (inner in _MODEL_MODULES or is_class) or "." in name:
            raise VerifierFileError(
                f"{path} holds a function or class that is not part of a model, so it is not "
                f"loaded. Received: {module}.{name}"
            )
    elif "module" in part and package != "builtins":
        raise VerifierFileError(
            f"{path} needs {registered!r}, which is not registered. Import the module that "
            f"registers it with keras.saving.register_keras_serializable. Received: {module}.{name}"
        )
