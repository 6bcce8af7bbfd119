"""`EnrolledImages`: a gallery in memory that grows without being copied for each image."""

from __future__ import annotations

import copy
import dataclasses
import difflib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.files import PathLike
from siamese_verify.messages import listed, shown
from siamese_verify.names import normalized
from siamese_verify.scoring import Floats, unit_rows
from siamese_verify.verification.column import Column, TextColumn
from siamese_verify.verification.gallery import Gallery
from siamese_verify.verification.identification import IdentificationCalibration

Rows = npt.NDArray[np.int64]
_REMOVED = -1
# To find near names among more identities would need seconds.
_MOST_COMPARED = 20_000


class EnrolledImages:
    """Gallery that images are added to and removed from. It is not safe to use from threads.

    A removed image leaves an empty row. Rows are copied only when half of them are empty.

    Args:
        gallery: Gallery to start from, which is not changed.
        folder: Folder for a file of the embeddings (see `Column`), or None.

    Attributes:
        frame: The gallery without its images: model, template, metadata and next id.
        stale: Ids of templates that no longer hold. An index has to remove them.
    """

    def __init__(self, gallery: Gallery, folder: PathLike | None = None):
        self.frame = gallery.selected(np.arange(0))
        self._metadata = {name: dict(gallery.metadata[name]) for name in gallery.metadata}
        self.stale: list[int] = []
        self._folder = folder
        self._set_rows(gallery)

    def _set_rows(self, gallery: Gallery) -> None:
        self._codes_by_name: dict[str, int] = {}
        self._names: list[str] = []
        self._codes = Column(self._encode(gallery.names))
        self._embeddings = Column(gallery.embeddings, self._folder)
        self._ids, self._digests = Column(gallery.ids), Column(gallery.image_digests)
        self._images = TextColumn(gallery.images)
        self._n = len(gallery)

    def __len__(self) -> int:
        return self._n

    @property
    def n_templates(self) -> int:
        """Number of templates: of images, or of identities for the template "mean"."""
        return self._n if self.frame.template == "each" else len(self._codes_by_name)

    def reserve(self, n: int) -> None:
        """Make room for `n` more images. Where memory is short, this raises."""
        for column in (self._codes, self._ids, self._embeddings, self._digests):
            column.reserve(n)

    def to_gallery(self) -> Gallery:
        """Make an immutable gallery of the present images."""
        codes = self._codes.rows
        kept: Any = slice(None) if self._n == len(codes) else codes != _REMOVED
        embeddings = self._embeddings.rows[kept]
        embeddings.flags.writeable = False
        return dataclasses.replace(
            self.frame,
            names=tuple([self._names[code] for code in codes[kept].tolist()]),
            embeddings=embeddings,
            images=tuple([self._images[row] for row in np.arange(len(codes))[kept].tolist()]),
            image_digests=self._digests.rows[kept].copy(),
            ids=self._ids.rows[kept].copy(),
            metadata=copy.deepcopy(self._metadata),
        )

    def are_new(self, names: Sequence[str], digests: npt.NDArray[np.uint8]) -> list[bool]:
        """Tell for each image whether its pixels are not enrolled under its name."""
        return self._are_new(names, digests, self._rows_of(names))

    def add(self, batch: Gallery, *, replacing: bool = False) -> int:
        """Add the images of a gallery that are new here, and its metadata.

        Args:
            batch: Gallery with the images.
            replacing: Whether other images of the same identities are removed.

        Returns:
            Number of images that were added.
        """
        old = self._rows_of(batch.names)
        known = old[:0] if replacing else old
        new = self._are_new(batch.names, batch.image_digests, known)
        batch = batch.selected(np.flatnonzero(new))
        n, first = len(batch), self.frame.next_id
        self.reserve(n)  # Before anything has changed.
        if replacing or self.frame.template == "mean":
            self._retire(self._rows_of(batch.names))
        self._codes.append(self._encode(batch.names))
        self._ids.append(np.arange(first, first + n, dtype=np.int64))
        self._embeddings.append(batch.embeddings)
        self._digests.append(batch.image_digests)
        self._images.extend(batch.images)
        self._n += n
        decoding = min(self.frame.decoding, batch.decoding)
        self.frame = dataclasses.replace(self.frame, next_id=first + n, decoding=decoding)
        self._metadata.update({name: dict(batch.metadata[name]) for name in batch.metadata})
        if replacing:
            self._drop(old)
        return n

    def remove(self, names: Collection[str]) -> int:
        """Remove all images of identities, and their metadata. Return the number of images."""
        self._retire(rows := self._rows_of(names))
        for name in {normalized(name) for name in names}:
            self._names[self._codes_by_name.pop(name)] = ""
            self._metadata.pop(name, None)
        self._drop(rows)
        return len(rows)

    def set_identification(self, calibration: IdentificationCalibration) -> None:
        """Keep a threshold for identification."""
        self.frame = dataclasses.replace(self.frame, identification=calibration)

    def check_known(self, names: Iterable[str]) -> None:
        """Raise a `ValueError` that names identities which are not enrolled, and near names."""
        unknown = [name for name in names if normalized(name) not in self._codes_by_name]
        if not unknown:
            return
        held = self._codes_by_name
        near = difflib.get_close_matches(unknown[0], held) if len(held) <= _MOST_COMPARED else []
        hint = f" Near names: {listed(near)}." if near else ""
        raise ValueError(
            f"{listed(unknown, lambda name: shown(repr(name)))} "
            f"{'is' if len(unknown) == 1 else 'are'} not enrolled, so nothing was changed.{hint} "
            "Look up names in verifier.gallery.identities. "
            f"Received: {len(unknown):,} unknown names, {len(held):,} enrolled"
        )

    def metadata_of(self, name: str) -> dict[str, Any]:
        """Copy the metadata of an identity."""
        return copy.deepcopy(self._metadata.get(name, {}))

    def find(self, template_id: int) -> tuple[str, str]:
        """Find name and image of a template. A mean is not of one image.

        Raises:
            RuntimeError: If no template has this id.
        """
        row = int(np.searchsorted(self._ids.rows, template_id))
        is_known = row < len(self._ids.rows) and self._ids.rows[row] == template_id
        code = self._codes.rows[row] if is_known else _REMOVED
        if code == _REMOVED:
            raise RuntimeError(
                f"The index of the gallery returned the id {template_id}, which is not enrolled. "
                "Use ExactIndex."
            )
        return self._names[code], self._images[row] if self.frame.template == "each" else ""

    def templates_after(self, last: int, unit: bool) -> tuple[Rows, Floats]:
        """Collect the templates that an index does not have.

        Args:
            last: Largest id that the index has had, or -1.
            unit: Whether a mean is of embeddings that are scaled to length 1.

        Returns:
            Rising ids `(n,)`, and embeddings `(n, size)`.
        """
        start, codes = np.searchsorted(self._ids.rows, last, side="right"), self._codes.rows
        rows = start + np.flatnonzero(codes[start:] != _REMOVED)
        if self.frame.template == "each" or not len(rows):
            # A slice is not copied.
            kept: Any = slice(start, None) if len(rows) == len(codes) - start else rows
            return self._ids.rows[kept], self._embeddings.rows[kept]
        rows, starts, ends = self._by_identity(self._rows_with(codes[rows]))
        embeddings = self._embeddings.rows[rows]
        sums = np.add.reduceat(unit_rows(embeddings) if unit else embeddings, starts, axis=0)
        means = (sums / (ends - starts)[:, None]).astype(np.float32)
        ids = self._ids.rows[rows[ends - 1]]
        order = np.argsort(ids)
        return ids[order], means[order]

    def _are_new(
        self, names: Sequence[str], digests: npt.NDArray[np.uint8], rows: Rows
    ) -> list[bool]:
        """Tell for each image whether it repeats neither one in `rows` nor an earlier one."""
        codes, pixels = self._codes.rows[rows].tolist(), self._digests.rows[rows, 0]
        seen = {
            (self._names[code], digest.tobytes())
            for code, digest in zip(codes, pixels, strict=True)
        }
        new = []
        for name, digest in zip(names, digests[:, 0], strict=True):
            key = name, digest.tobytes()
            new.append(key not in seen or not digest.any())  # Zeros stand for an unknown digest.
            seen.add(key)
        return new

    def _encode(self, names: Iterable[str]) -> npt.NDArray[np.int32]:
        """Give each name its number, and new names the next numbers."""
        codes = []
        for name in names:
            code = self._codes_by_name.setdefault(name, len(self._names))
            if code == len(self._names):
                self._names.append(name)
            codes.append(code)
        return np.array(codes, np.int32)

    def _rows_of(self, names: Iterable[str]) -> Rows:
        codes = {self._codes_by_name.get(normalized(name), _REMOVED) for name in names}
        return self._rows_with(np.array([*(codes - {_REMOVED})], np.int32))

    def _rows_with(self, codes: npt.NDArray[np.int32]) -> Rows:
        return np.flatnonzero(np.isin(self._codes.rows, codes))

    def _by_identity(self, rows: Rows) -> tuple[Rows, Rows, Rows]:
        """Order rows by identity. Return them, and where each identity starts and ends."""
        rows = rows[np.argsort(self._codes.rows[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(self._codes.rows[rows], prepend=_REMOVED))
        return rows, starts, np.append(starts[1:], len(rows))

    def _retire(self, rows: Rows) -> None:
        """Note that the templates of images no longer hold.

        The last image of an identity lends its id to the mean, so that a new mean has a new id.
        """
        if self.frame.template == "mean" and len(rows):
            rows, _, ends = self._by_identity(rows)
            rows = rows[ends - 1]
        self.stale += self._ids.rows[rows].tolist()

    def _drop(self, rows: Rows) -> None:
        """Empty rows."""
        self._codes.rows[rows] = _REMOVED
        self._n -= len(rows)
        if self._n < len(self._codes.rows) // 2:
            self._set_rows(self.to_gallery())
