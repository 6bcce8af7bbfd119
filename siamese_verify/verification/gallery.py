"""Known identities: their names and embeddings, searched for the ones most alike. NumPy only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from siamese_verify.files import PathLike, replacing

_FORMAT = 2  # Format 1 held a digest of other content in the place of the fingerprint.
# For the reference. Machines round differently by far less, other models differ by far more.
_TOLERANCE = 0.01


class GalleryError(ValueError):
    """A gallery that cannot be used: tells why."""


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Names and embeddings of known identities; immutable.

    Args:
        names: Whose each embedding is `(n,)`; a name may occur more than once.
        embeddings: float32 array `(n, size)`.
        fingerprint: Fingerprint of the model and preprocessing that made the embeddings. Embeddings
            of another model cannot be compared with them.
        reference: float32 array `(size,)`: the embedding of a fixed image. It shows what the
            fingerprint does not cover, such as the size of a tower's crops.
    """

    names: tuple[str, ...]
    embeddings: npt.NDArray[np.float32]
    fingerprint: str
    reference: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.names)

    def is_of(self, other: Self) -> bool:
        """Whether one model made both, from images preprocessed alike."""
        mine, theirs = self.reference, other.reference
        tolerance = _TOLERANCE * np.abs(theirs).max()
        return (
            self.fingerprint == other.fingerprint
            and mine.shape == theirs.shape
            and np.allclose(mine, theirs, rtol=0, atol=tolerance)
        )

    @property
    def identities(self) -> tuple[str, ...]:
        """The names, each once, sorted."""
        return tuple(sorted(set(self.names)))

    def extended(self, names: Iterable[str], embeddings: npt.NDArray[np.float32]) -> Self:
        """A gallery with more identities, or more embeddings of the same."""
        more = np.concatenate([self.embeddings, embeddings])
        return dataclasses.replace(self, names=(*self.names, *names), embeddings=more)

    def upgraded(self, old: str, new: str) -> Self:
        """This gallery with the fingerprint `new`, if it has the digest `old` of format 1."""
        return dataclasses.replace(self, fingerprint=new) if self.fingerprint == old else self

    def save(self, path: PathLike) -> None:
        """Writes a `.npz` file, which replaces the old one only when it is complete."""
        if Path(path).suffix != ".npz":
            raise ValueError(f"A gallery's file ends in .npz. Received: {path}")
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
        """Reads what `save` wrote.

        Raises:
            GalleryError: If the file is damaged, none of a gallery, or of a newer version.
            FileNotFoundError: If there is none.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as kept:
                version = int(kept["format"])
                if version > _FORMAT:
                    raise GalleryError(
                        f"{path} is of a newer siamese-verify (format {version}; this one reads up "
                        f"to {_FORMAT}). Upgrade siamese-verify."
                    )
                names, embeddings = kept["names"].tolist(), kept["embeddings"]
                digest = kept["fingerprint" if version > 1 else "model"]
                fingerprint, reference = str(digest), kept["reference"]
        except (FileNotFoundError, GalleryError):
            raise
        except Exception as error:  # However the file is damaged.
            raise GalleryError(f"{path} cannot be read as a gallery: {error}") from error
        if embeddings.shape != (len(names), *reference.shape) or reference.ndim != 1:
            raise GalleryError(
                f"{path} is no gallery: {len(names)} names, embeddings {embeddings.shape}, "
                f"reference {reference.shape}"
            )
        return cls(tuple(names), embeddings, fingerprint, reference)
