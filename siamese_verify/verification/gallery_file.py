"""The arrays of a gallery's file, checked before they are read. Needs NumPy alone."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.files import PathLike, replacing
from siamese_verify.messages import shown
from siamese_verify.verification.archive import checked_archive, explaining, open_file

Arrays = dict[str, npt.NDArray[Any]]
# Format 1 held a digest of other content in the place of the fingerprint, and format 2 had neither
# digest nor number of decoding. Format 3 had neither ids, digests of images nor a record.
_FORMAT = 4
_ARRAYS_OF_2 = ("format", "fingerprint", "reference", "names", "embeddings")
_ARRAYS_OF_3 = (*_ARRAYS_OF_2, "digest", "decoding")
_ARRAYS = (*_ARRAYS_OF_3, "ids", "image_digests", "record")


class GalleryError(ValueError):
    """Error for a gallery that cannot be used. Its text states the reason."""


def write_gallery(path: PathLike, arrays: Arrays, record: Mapping[str, Any]) -> None:
    """Write arrays and a record to a `.npz` file, with a digest of them all.

    Args:
        path: Path of the file, which is replaced only when the new one is complete.
        arrays: Arrays by name.
        record: Paths and settings, as JSON holds them. NumPy's array of texts would need four
            bytes a letter, for the longest path in each row.

    Raises:
        ValueError: If the path does not end in `.npz`.
    """
    if Path(path).suffix != ".npz":
        raise ValueError(f"The path of a gallery must end in .npz. Received: path={shown(path)}")
    text = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    content: dict[str, Any] = {
        "format": np.array(_FORMAT, np.int64),
        "record": np.frombuffer(text, np.uint8),
        **arrays,
    }
    with replacing(path) as unfinished:
        np.savez(unfinished, digest=np.array(_digest(content)), **content)


def read_gallery(path: PathLike) -> tuple[Arrays, dict[str, Any]]:
    """Read what `write_gallery` wrote, also by an earlier version.

    Returns:
        Arrays by name, and the record, which is empty for a gallery of an earlier format.

    Raises:
        GalleryError: If the file is damaged, changed, not a gallery, or of a newer version, or
            the path is not of a file.
        OSError: If the file cannot be opened, such as `FileNotFoundError`.
    """
    name = shown(path)
    with (
        open_file(path, GalleryError) as file,
        explaining(GalleryError, f"{name} cannot be read as a gallery"),
    ):
        arrays = _read_arrays(file, name)
        return arrays, json.loads(arrays["record"].tobytes()) if "record" in arrays else {}


def _read_arrays(file: BinaryIO, name: str) -> Arrays:
    """Read all arrays of a file, which is called `name` in errors."""
    with checked_archive(file, [f"{array}.npy" for array in (*_ARRAYS, "model")]) as archive:
        version = whole_number("format", _read_array(archive, "format").item())
        if version > _FORMAT:
            raise GalleryError(
                f"{name} was written by a newer siamese-verify, and this version reads formats "
                f"up to {_FORMAT}. Upgrade siamese-verify. Received: format={version}"
            )
        renamed = {"fingerprint": "model"} if version == 1 else {}
        chosen = {4: _ARRAYS, 3: _ARRAYS_OF_3}.get(version, _ARRAYS_OF_2)
        arrays = {array: _read_array(archive, renamed.get(array, array)) for array in chosen}
    if version < 3:
        arrays["decoding"] = np.array(1)
    elif arrays.pop("digest").item() != _digest(arrays):
        raise GalleryError(
            f"{name} was changed after it was saved, so its names may not belong to its "
            "embeddings. Get the original file, or enroll the identities again."
        )
    return arrays


def _read_array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    """Read an array that is as long as its header declares."""
    with archive.open(f"{name}.npy") as member:
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError(f"Its array {name!r} has an unknown header")
        shape, in_columns, dtype = np.lib.format.read_array_header_1_0(member)
        contents = member.read()
    is_plain = dtype.kind in "fiuU" and dtype.itemsize > 0 and min(shape, default=0) >= 0
    if not is_plain or math.prod(shape) * dtype.itemsize != len(contents):
        raise ValueError(f"Its array {name!r} is not a plain array of the declared length")
    return np.frombuffer(contents, dtype).reshape(shape, order="F" if in_columns else "C")


def _digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Compute the SHA-256 of all arrays but the digest itself."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
