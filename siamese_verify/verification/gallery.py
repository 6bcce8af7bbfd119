"""`Gallery`: the names and embeddings of enrolled identities, and their file. Needs NumPy alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.data.formats import DECODING
from siamese_verify.files import PathLike
from siamese_verify.messages import images_of, shown
from siamese_verify.names import normalized
from siamese_verify.verification.archive import explaining
from siamese_verify.verification.gallery_file import GalleryError as GalleryError
from siamese_verify.verification.gallery_file import read_gallery, write_gallery
from siamese_verify.verification.identification import IdentificationCalibration

Template = Literal["each", "mean"]
TEMPLATES: tuple[Template, ...] = ("each", "mean")
DIGEST_SIZE = 16
"""Number of bytes of an image's digest."""
# Largest relative difference between references of one model. Machines differ by far less.
_TOLERANCE = 0.01


def _unknown(n: int = 0) -> npt.NDArray[np.uint8]:
    """Make the digests of images that are not known."""
    return np.zeros((n, 2, DIGEST_SIZE), np.uint8)


@dataclasses.dataclass(frozen=True, repr=False)
class Gallery:
    """Immutable names and embeddings of enrolled images.

    Args:
        names: Name of the identity of each embedding, `(n,)`. A name may occur more than once.
        embeddings: float32 array `(n, size)`.
        fingerprint: Fingerprint of the model and preprocessing that made the embeddings. Embeddings
            of another model cannot be compared with them.
        reference: float32 array `(size,)`: the embedding of a fixed image. It shows what the
            fingerprint does not cover, such as the size of a tower's crops.
        decoding: Number of the way in which the images were decoded.
        images: Path of each image as it was enrolled, `(n,)`. Empty for an image without a path.
        image_digests: uint8 array `(n, 2, 16)`: digests of each image's pixels after preprocessing,
            and of its file. Zeros stand for an unknown digest.
        ids: int64 array `(n,)`, rising: the number of each embedding. It is never used again.
        next_id: Number of the next embedding.
        metadata: Metadata of identities, by name: what JSON can hold.
        template: `"each"` if each image is compared, `"mean"` if the mean of an identity's.
        identification: Threshold for identification with its evidence, if it was measured.

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
    images: tuple[str, ...] = ()
    image_digests: npt.NDArray[np.uint8] = dataclasses.field(default_factory=_unknown)
    ids: npt.NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.arange(0))
    next_id: int = 0
    metadata: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    template: Template = "each"
    identification: IdentificationCalibration | None = None

    def __post_init__(self) -> None:
        self._fill()
        self._check_shapes()
        for name in ("embeddings", "reference"):
            array = getattr(self, name)
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise ValueError(
                    f"The {name} of a gallery must be float32 and finite, because others cannot be "
                    f"compared. Received: {array.dtype} array"
                )
        for name in (*self.names, *self.metadata):
            if not isinstance(name, str) or "\0" in name:
                raise ValueError(
                    "The name of an identity must be a str without null characters. "
                    f"Received: {shown(repr(name))}"
                )
        if whole_number("decoding", self.decoding) > DECODING:
            raise ValueError(f"`decoding` is at most {DECODING}. Received: {self.decoding}")
        check_template(self.template)

    def __repr__(self) -> str:
        return f"Gallery({images_of(len(self.names), len(set(self.names)))})"

    def _fill(self) -> None:
        """Put the values of a gallery without images, digests or ids in their place."""
        n = len(self.names)
        ids = self.ids if len(self.ids) else np.arange(n)
        after = int(ids[-1]) + 1 if ids.ndim == 1 and n else 0
        values = {
            "ids": ids,
            "images": self.images or ("",) * n,
            "image_digests": self.image_digests if len(self.image_digests) else _unknown(n),
            "next_id": max(whole_number("next_id", self.next_id, 0), after),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_shapes(self) -> None:
        shapes, n = (np.shape(self.embeddings), np.shape(self.reference)), len(self.names)
        if len(shapes[1]) != 1 or shapes[0] != (n, *shapes[1]):
            raise ValueError(
                "The parts of a gallery must fit. Received: "
                f"{n:,} names, embeddings {shapes[0]}, reference {shapes[1]}"
            )
        if len(self.images) != n or not all(isinstance(image, str) for image in self.images):
            raise ValueError(
                "The images of a gallery must be a str for each name. "
                f"Received: {len(self.images):,} images of {n:,} names"
            )
        digests, ids = self.image_digests, self.ids
        if digests.shape != (n, 2, DIGEST_SIZE) or digests.dtype != np.uint8:
            raise ValueError(
                f"The digests of images must be a uint8 array ({n}, 2, {DIGEST_SIZE}). "
                f"Received: {digests.dtype} array {digests.shape}"
            )
        rise = ids.shape == (n,) and bool((np.diff(ids, prepend=-1) > 0).all())
        if ids.dtype != np.int64 or not rise:
            raise ValueError(
                f"The ids of a gallery must be rising int64 numbers from 0, one of each of {n:,} "
                f"embeddings. Received: {ids.dtype} array {ids.shape}"
            )

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

    def selected(self, rows: npt.NDArray[np.int64]) -> Self:
        """Make a gallery of some rows. Everything else stays."""
        chosen = rows.tolist()
        return dataclasses.replace(
            self,
            names=tuple([self.names[row] for row in chosen]),
            embeddings=self.embeddings[rows],
            images=tuple([self.images[row] for row in chosen]),
            image_digests=self.image_digests[rows],
            ids=self.ids[rows],
        )

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
        arrays: dict[str, Any] = {
            "decoding": np.array(self.decoding, np.int64),
            "fingerprint": np.array(self.fingerprint),
            "reference": self.reference,
            "names": np.array(self.names, np.str_),
            "embeddings": self.embeddings,
            "ids": self.ids,
            "image_digests": self.image_digests,
        }
        record = {
            "images": self.images,
            "metadata": {name: dict(values) for name, values in self.metadata.items()},
            "template": self.template,
            "next_id": self.next_id,
            "identification": self.identification and self.identification.to_dict(),
        }
        write_gallery(path, arrays, record)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read a gallery that `save` wrote.

        Raises:
            GalleryError: If the file is damaged, changed, not a gallery, or of a newer version, or
                the path is not of a file.
            OSError: If the file cannot be opened, such as `FileNotFoundError`.
        """
        arrays, record = read_gallery(path)
        with explaining(GalleryError, f"{shown(path)} cannot be read as a gallery"):
            metadata = record.get("metadata", {})
            identification = record.get("identification")
            return cls(
                tuple([normalized(name) for name in arrays["names"].tolist()]),
                arrays["embeddings"],
                str(arrays["fingerprint"].item()),
                arrays["reference"],
                arrays["decoding"].item(),
                images=tuple(_listed(record.get("images", []))),
                image_digests=arrays.get("image_digests", _unknown()),
                ids=arrays.get("ids", np.arange(0)),
                next_id=record.get("next_id", 0),
                metadata={normalized(name): dict(metadata[name]) for name in metadata},
                template=record.get("template", "each"),
                identification=identification
                and IdentificationCalibration.from_dict(identification),
            )


def _listed(images: Any) -> list[str]:
    if not isinstance(images, list):  # The letters of one text would count as images.
        raise TypeError(f"Images must be in a list. Received: {type(images).__name__}")
    return images


def check_template(template: Any) -> None:
    """Raise a `ValueError` unless `template` is one of `TEMPLATES`."""
    if template not in TEMPLATES:
        raise ValueError(
            "`template` must be 'each' (each image of an identity is compared) or 'mean' (the mean "
            f"of its embeddings). Received: template={shown(repr(template))}"
        )
