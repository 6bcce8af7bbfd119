"""`Gallery`: the names and embeddings of enrolled identities, and their file. Needs NumPy alone."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.data.formats import DECODING
from siamese_verify.files import PathLike, replacing
from siamese_verify.messages import shown
from siamese_verify.names import normalized
from siamese_verify.verification.archive import checked_archive, explaining, open_file

# Format 1 held a digest of other content in the place of the fingerprint, and format 2 had neither
# digest nor number of decoding.
_FORMAT = 3
_ARRAYS_OF_2 = ("format", "fingerprint", "reference", "names", "embeddings")
_ARRAYS = (*_ARRAYS_OF_2, "digest", "decoding")
# Largest difference between references of one model, relative to their largest value. Machines
# round differently by far less. Other models differ by far more.
_TOLERANCE = 0.01


class GalleryError(ValueError):
    """Error for a gallery that cannot be used. Its text states the reason."""


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Immutable names and embeddings of enrolled identities.

    Args:
        names: Name of the identity of each embedding, `(n,)`. A name may occur more than once.
        embeddings: float32 array `(n, size)`.
        fingerprint: Fingerprint of the model and preprocessing that made the embeddings. Embeddings
            of another model cannot be compared with them.
        reference: float32 array `(size,)`: the embedding of a fixed image. It shows what the
            fingerprint does not cover, such as the size of a tower's crops.
        decoding: Number of the way in which the images were decoded.

    Raises:
        ValueError: If shapes, types or values are others.

    Examples:
        >>> embeddings = np.eye(3, dtype=np.float32)
        >>> gallery = Gallery(("Ada", "Ada", "Bob"), embeddings, "a fingerprint", embeddings[0])
        >>> len(gallery), gallery.identities
        (3, ('Ada', 'Bob'))
    """

    names: tuple[str, ...]
    embeddings: npt.NDArray[np.float32]
    fingerprint: str
    reference: npt.NDArray[np.float32]
    decoding: int = DECODING

    def __post_init__(self) -> None:
        shapes = np.shape(self.embeddings), np.shape(self.reference)
        if len(shapes[1]) != 1 or shapes[0] != (len(self.names), *shapes[1]):
            raise ValueError(
                "The parts of a gallery must fit. Received: "
                f"{len(self.names):,} names, embeddings {shapes[0]}, reference {shapes[1]}"
            )
        for name in ("embeddings", "reference"):
            array = getattr(self, name)
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise ValueError(
                    f"The {name} of a gallery must be float32 and finite, because others cannot be "
                    f"compared. Received: {array.dtype} array"
                )
        for name in self.names:
            if not isinstance(name, str) or "\0" in name:
                raise ValueError(
                    "The name of an identity must be a str without null characters. "
                    f"Received: {shown(repr(name))}"
                )
        if whole_number("decoding", self.decoding) > DECODING:
            raise ValueError(f"`decoding` is at most {DECODING}. Received: {self.decoding}")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def identities(self) -> tuple[str, ...]:
        """Names of the identities, each once, sorted."""
        return tuple(sorted(set(self.names)))

    @property
    def is_outdated(self) -> bool:
        """Whether this version decodes images differently than they were for enrolment."""
        return self.decoding < DECODING

    def is_of_same_model(self, other: Self) -> bool:
        """Tell whether one model made both galleries, from images preprocessed alike."""
        mine, theirs = self.reference, other.reference
        tolerance = _TOLERANCE * np.abs(theirs).max()
        return (
            self.fingerprint == other.fingerprint
            and mine.shape == theirs.shape
            and np.allclose(mine, theirs, rtol=0, atol=tolerance)
        )

    def check_fingerprint(self, fingerprint: str) -> None:
        """Raise a `GalleryError` unless a model of this fingerprint made the gallery."""
        if self.fingerprint != fingerprint:
            raise GalleryError(
                f"The model has changed since {len(self):,} images were enrolled, so their "
                "embeddings cannot be compared with new ones. Enroll all identities again in a "
                f"new Verifier. Received: fingerprint={fingerprint}"
            )

    def extended(self, names: Iterable[str], embeddings: npt.NDArray[np.float32]) -> Self:
        """Make a gallery with more embeddings, of new or of known identities."""
        more = np.concatenate([self.embeddings, embeddings])
        return dataclasses.replace(self, names=(*self.names, *names), embeddings=more)

    def upgraded(self, old: str, new: str) -> Self:
        """Make a gallery with the fingerprint `new`, if this one has the digest `old`."""
        return dataclasses.replace(self, fingerprint=new) if self.fingerprint == old else self

    def save(self, path: PathLike) -> None:
        """Write a `.npz` file. It replaces an older file only when it is complete.

        The file holds a digest of all its parts. It finds changes by accident, and is not a
        signature: it does not show who made the file.

        Raises:
            ValueError: If the path does not end in `.npz`.
        """
        if Path(path).suffix != ".npz":
            raise ValueError(
                f"The path of a gallery must end in .npz. Received: path={shown(path)}"
            )
        arrays: dict[str, Any] = {
            "format": np.array(_FORMAT, np.int64),
            "decoding": np.array(self.decoding, np.int64),
            "fingerprint": np.array(self.fingerprint),
            "reference": self.reference,
            "names": np.array(self.names, np.str_),
            "embeddings": self.embeddings,
        }
        with replacing(path) as unfinished:
            np.savez(unfinished, digest=np.array(_digest(arrays)), **arrays)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read a gallery that `save` wrote.

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
            return cls(
                tuple(normalized(identity) for identity in arrays["names"].tolist()),
                arrays["embeddings"],
                str(arrays["fingerprint"].item()),
                arrays["reference"],
                arrays["decoding"].item(),
            )


def _read_arrays(file: BinaryIO, name: str) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of a file, which is called `name` in errors."""
    with checked_archive(file, [f"{array}.npy" for array in (*_ARRAYS, "model")]) as archive:
        version = whole_number("format", _read_array(archive, "format").item())
        if version > _FORMAT:
            raise GalleryError(
                f"{name} was written by a newer siamese-verify, and this version reads formats "
                f"up to {_FORMAT}. Upgrade siamese-verify. Received: format={version}"
            )
        renamed = {"fingerprint": "model"} if version == 1 else {}
        chosen = _ARRAYS if version > 2 else _ARRAYS_OF_2
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
    is_plain = dtype.kind in "fiU" and dtype.itemsize > 0 and min(shape, default=0) >= 0
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
