"""A verifier's file: a Keras model file that also holds what a decision takes. Runs no code."""

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
# Where Keras has what describes a model. Others of its functions, such as `keras.utils.get_file`,
# and some layers act on the process that loads the file.
_PARTS = (
    *("activations", "constraints", "dtype_policies", "initializers", "layers", "losses"),
    *("metrics", "ops", "optimizers", "quantizers", "regularizers"),
)
# Elsewhere in Keras; the last three are those of `keras.applications`.
_CLASSES = (
    *("DTypePolicy", "Functional", "Model", "SeedGenerator", "Sequential"),
    *("CustomScaleLayer", "LayerScale", "StochasticDepth"),
)
_CODE = (
    *("Lambda", "__lambda__", "__typespec__"),
    *("FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"),
)


class VerifierFileError(ValueError):
    """A file that is no verifier's, or cannot be used: tells which and why."""


def save_verifier(path: PathLike, model: keras.Model, settings: dict[str, Any]) -> None:
    """Writes a model and the settings that go with it; replaces the old file when complete.

    Raises:
        ValueError: If the path does not end in `.keras`.
    """
    if Path(path).suffix != ".keras":
        raise ValueError(f"A verifier's file ends in .keras. Received: {path}")
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
    """Reads what `save_verifier` wrote.

    Raises:
        VerifierFileError: If the path does not end in `.keras`, the file is damaged, no verifier's
            or of a newer version, or its model has parts that this process does not know, or would
            run code of the file.
        FileNotFoundError: If there is none.
    """
    if Path(path).suffix != ".keras":  # Keras would read another part of the file.
        raise VerifierFileError(f"A verifier's file ends in .keras. Received: {path}")
    texts = _read_texts(path)
    if len(texts) < 2:
        raise VerifierFileError(
            f"{path} is a model without preprocessing and threshold. "
            "Make a Verifier of it, calibrate it, and save that."
        )
    try:
        settings, config = (json.loads(text) for text in texts.values())
        version = settings["format"] = int(settings["format"])
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise VerifierFileError(f"{path} is damaged: {error!r} in its settings") from error
    if version > _FORMAT:
        raise VerifierFileError(
            f"{path} is of a newer siamese-verify (format {version}; this one reads up to "
            f"{_FORMAT}). Upgrade siamese-verify."
        )
    for part in _parts(config):
        _check(path, part)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (TypeError, ValueError) as error:
        raise VerifierFileError(f"{path} cannot be loaded by Keras: {error}") from error
    return model, settings


def _read_texts(path: PathLike) -> dict[str, bytes]:
    """The settings and the model's configuration, of a file of which every byte was checked."""
    with Path(path).open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                damaged, members = archive.testzip(), archive.namelist()
                texts = {n: archive.read(n) for n in (_MEMBER, "config.json") if n in members}
        except Exception as error:  # However the file is damaged.
            raise VerifierFileError(f"{path} is damaged, or no verifier's file: {error}") from error
    if damaged:
        raise VerifierFileError(f"{path} is damaged: {damaged} in it has changed")
    return texts


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """All descriptions of classes and functions in a model's configuration."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for value in config.values():
            yield from _parts(value)
    elif isinstance(config, list):
        for value in config:
            yield from _parts(value)


def _check(path: PathLike, part: dict[str, Any]) -> None:
    """Refuses what Keras would look up elsewhere than among the parts of a model."""
    is_function = part["class_name"] == "function"
    name = str(part.get("config") if is_function else part["class_name"])
    module = str(part.get("module"))
    registered = name if is_function else str(part.get("registered_name") or name)
    if name in _CODE:
        raise VerifierFileError(f"{path} holds code ({name}), which is not run")
    if keras.saving.get_registered_object(registered) is not None or name.startswith("__"):
        return
    package, inner = [*module.replace("keras.src", "keras").split("."), ""][:2]
    if package == "keras":
        is_class = name in _CLASSES and not is_function
        if not (inner in _PARTS or is_class) or "." in name:
            raise VerifierFileError(f"{path} holds {module}.{name}, which is no part of a model")
    elif "module" in part and package != "builtins":
        raise VerifierFileError(
            f"{path} needs {registered!r}, which is not registered. Import the module that "
            f"registers it with keras.saving.register_keras_serializable. Received: {module}.{name}"
        )
