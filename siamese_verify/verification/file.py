"""The file of a verifier: a Keras model file with one more member, the settings of its decisions.

Loading runs no code from the file, and no member of the file can fill the memory.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from siamese_verify.checks import whole_number
from siamese_verify.files import PathLike, replacing
from siamese_verify.messages import shown
from siamese_verify.verification.archive import checked_archive, explaining, open_file, reason
from siamese_verify.verification.model_parts import PartError, check_parts
from siamese_verify.verification.weights import check_weights

# Format 1 had no fingerprint, format 2 no digests, format 3 no band for
# review and no look of the validation images.
_FORMAT = 4
_SETTINGS, _CONFIG, _WEIGHTS = "verifier.json", "config.json", "model.weights.h5"
_MEMBERS = (_SETTINGS, _CONFIG, _WEIGHTS, "metadata.json")
_LARGEST_JSON = 2**24  # About half a million hashes of identities and images.


class VerifierFileError(ValueError):
    """Error for a file that cannot be saved or loaded as a verifier. Its text says why."""


def save_verifier(
    path: PathLike, model: keras.Model, settings: dict[str, Any], check: Callable[[Path], None]
) -> None:
    """Write a model and its settings. They replace an older file only when they can be loaded.

    Args:
        path: Path of the file.
        model: Model to save.
        settings: Settings of the verifier, as JSON has them.
        check: Function that loads the written file, and raises a `VerifierFileError` if it cannot.

    Raises:
        ValueError: If the path does not end in `.keras`.
        VerifierFileError: If the file could not be loaded again.
    """
    if Path(path).suffix != ".keras":
        raise ValueError(f"The path of a verifier must end in .keras. Received: path={shown(path)}")
    try:
        check_parts(_describe(model))
    except PartError as error:
        raise VerifierFileError(f"The verifier was not saved: it {error}") from error
    with replacing(path) as unfinished:
        model.save(unfinished)
        content = {"format": _FORMAT, **settings, "versions": _versions()}
        with zipfile.ZipFile(unfinished) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        content["digests"] = digests(members, content)
        del members
        with zipfile.ZipFile(unfinished, "a") as archive:
            archive.writestr(_SETTINGS, json.dumps(content, indent=2))
        try:
            check(unfinished)
        except VerifierFileError as error:
            text = str(error).replace(shown(unfinished), "Its file")
            raise VerifierFileError(
                "The verifier was not saved, because its file could not be loaded again. "
                f"{text}. A layer of your own needs a get_config with every argument of "
                "__init__. It makes its weights in build, and is registered under its own name."
            ) from error


def _describe(model: keras.Model) -> Any:
    """Make the configuration that Keras would write, as JSON has it."""
    try:
        return json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    except Exception as error:
        layer = _first_that_fails(model) or model
        # Keras reads the code of a lambda, and fails where it stands in no file.
        why = "its lambda" if isinstance(error, OSError) else reason(error)
        raise PartError(
            f"cannot be written to a file, because of {type(layer).__name__} "
            f"{shown(layer.name)!r}: {why}. Use functions with a name, and write a get_config "
            "that returns every argument of __init__ as text, numbers, lists or parts of Keras."
        ) from error


def _first_that_fails(model: Any) -> Any:
    """Find the innermost layer that Keras cannot describe."""
    layers = [getattr(model, name) for name in ("tower", "head") if hasattr(model, name)]
    for layer in layers or getattr(model, "layers", []):
        try:
            json.dumps(keras.saving.serialize_keras_object(layer))
        except Exception:
            return _first_that_fails(layer) or layer
    return None


def _versions() -> dict[str, str]:
    packages = ("siamese-verify", "keras", keras.backend.backend(), "numpy")
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {"python": platform.python_version(), **versions}


def digests(members: Mapping[str, bytes], settings: dict[str, Any]) -> dict[str, str]:
    """Compute the SHA-256 of each member, and of the settings without these digests.

    They find a file that was damaged, or put together from several files, by accident. They are
    not a signature: whoever changes a file on purpose can compute them too.
    """
    rest = {name: value for name, value in settings.items() if name != "digests"}
    contents = {**members, _SETTINGS: json.dumps(rest, sort_keys=True).encode()}
    return {name: hashlib.sha256(contents[name]).hexdigest() for name in sorted(contents)}


def load_verifier(path: PathLike) -> tuple[keras.Model, dict[str, Any]]:
    """Read a file that `save_verifier` wrote.

    Returns:
        The model and its settings.

    Raises:
        VerifierFileError: If the path does not end in `.keras`, or the file is damaged, changed,
            not a verifier's, or of a newer version. Also if its model has parts that this process
            does not know, or that would run code of the file.
        OSError: If the file cannot be opened.
    """
    if Path(path).suffix != ".keras":  # Keras would read a file that ends in .h5 as HDF5.
        raise VerifierFileError(
            f"The path of a verifier must end in .keras. Received: path={shown(path)}"
        )
    name = shown(path)
    with (
        open_file(path, VerifierFileError) as file,
        explaining(VerifierFileError, f"{name} is damaged, or not a verifier"),
        checked_archive(file, _MEMBERS) as archive,
    ):
        members = {member.filename: _read(archive, member) for member in archive.infolist()}
    if _SETTINGS not in members:
        raise VerifierFileError(
            f"{name} holds a model without preprocessing and threshold, so it cannot decide. "
            "Make a Verifier from the model, calibrate it, and save the verifier."
        )
    with explaining(VerifierFileError, f"{name} is damaged", " in its settings"):
        settings = _parse_settings(name, members.pop(_SETTINGS))
        config = json.loads(members[_CONFIG])
        try:
            check_parts(config)
        except PartError as error:
            raise VerifierFileError(f"{name} {error}") from error
        if settings["format"] > 2:
            _check_digests(name, settings, members)
    with explaining(VerifierFileError, f"{name} is damaged", " in its weights"):
        check_weights(members.pop(_WEIGHTS), config)
    with explaining(VerifierFileError, f"{name} cannot be loaded by Keras"):
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    return model, settings


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Read a member, whose checksum is compared."""
    if member.filename != _WEIGHTS and member.file_size > _LARGEST_JSON:
        raise ValueError(
            f"Its member {member.filename} holds {member.file_size:,} bytes, and {_LARGEST_JSON:,} "
            "are read. Hashes of many identities need less with save(include_hashes=False)"
        )
    return archive.read(member)


def _parse_settings(name: str, text: bytes) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(text)
    version = settings["format"] = whole_number("format", settings["format"])
    if not all(isinstance(text, str) for text in settings["versions"].values()):
        raise ValueError("`versions` must be texts")
    if version > _FORMAT:
        raise VerifierFileError(
            f"{name} was written by a newer siamese-verify, and this version reads formats up "
            f"to {_FORMAT}. Upgrade siamese-verify. Received: format={shown(version)}"
        )
    return settings


def _check_digests(name: str, settings: dict[str, Any], members: dict[str, bytes]) -> None:
    expected, found = settings["digests"], digests(members, settings)
    if wrong := [member for member in _MEMBERS if expected.get(member) != found.get(member)]:
        raise VerifierFileError(
            f"{name} was changed after it was saved, so that its parts may not belong together. "
            "Get the original file, or calibrate its model and save it again. "
            f"Received: another {', '.join(wrong)}"
        )
