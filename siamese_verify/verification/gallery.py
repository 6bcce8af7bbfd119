"""`Gallery`: the names and embeddings of enrolled identities, and their file. Needs NumPy alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from siamese_verify.files import PathLike, replacing

_FORMAT = 2  # Format 1 held a digest of other content in the place of the fingerprint.
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

    def __len__(self) -> int:
        return len(self.names)

    @property
    def identities(self) -> tuple[str, ...]:
        """Names of the identities, each once, sorted."""
        return tuple(sorted(set(self.names)))

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

        Raises:
            ValueError: If the path does not end in `.npz`.
        """
        if Path(path).suffix != ".npz":
            raise ValueError(f"The path of a gallery must end in .npz. Received: path={path}")
        with replacing(path) as unfinished:
            np.savez(
                unfinished,
                format=np.int64(_FORMAT),
                fingerprint=np.str_(self.fingerprint),
                reference=self.reference,
                names=np.array(self.names, np.str_),
                embeddings=self.embeddings,
            )

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read a gallery that `save` wrote.

        Raises:
            GalleryError: If the file is damaged, not a gallery, or of a newer version.
            FileNotFoundError: If there is no such file.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                version = int(arrays["format"])
                if version > _FORMAT:
                    raise GalleryError(
                        f"{path} was written by a newer siamese-verify, and this version reads "
                        f"formats up to {_FORMAT}. Upgrade siamese-verify. "
                        f"Received: format={version}"
                    )
                names, embeddings = arrays["names"].tolist(), arrays["embeddings"]
                digest = arrays["fingerprint" if version > 1 else "model"]
                fingerprint, reference = str(digest), arrays["reference"]
        except (FileNotFoundError, GalleryError):
            raise
        except Exception as error:  # NumPy and zipfile raise many types for damaged files.
            raise GalleryError(f"{path} cannot be read as a gallery: {error}") from error
        if embeddings.shape != (len(names), *reference.shape) or reference.ndim != 1:
            raise GalleryError(
                f"{path} is not a gallery, because its parts do not fit. Received: "
                f"{len(names)} names, embeddings {embeddings.shape}, reference {reference.shape}"
            )
        return cls(tuple(names), embeddings, fingerprint, reference)
