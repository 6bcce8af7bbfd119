"""`StoredImages`: pixels of many images that lie in several arrays, read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from siamese_verify.data.preprocessing import Pixels


class StoredImages:
    """Pixels of many images in several arrays, such as files that are mapped into memory.

    It is indexed as an array of images. Only the images that an index selects are read, so that it
    may be larger than the memory. `np.asarray` copies all of it.

    Args:
        parts: uint8 arrays `(m, height, width, channels)`, at least one.
        part: Number of the array that holds each image, an integer array `(n,)`.
        row: Row of each image in that array, an integer array `(n,)`.

    Attributes:
        shape: `(n, height, width, channels)`.
        dtype: `np.uint8`.

    Examples:
        >>> one, other = np.zeros((2, 6, 4, 1), np.uint8), np.ones((3, 6, 4, 1), np.uint8)
        >>> images = StoredImages([one, other], part=np.array([1, 0, 1]), row=np.array([2, 0, 1]))
        >>> images.shape, images[[0, 1]].shape, images[:, 0, 0, 0].tolist()
        ((3, 6, 4, 1), (2, 6, 4, 1), [1, 0, 1])
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, parts: Sequence[Pixels], part: npt.ArrayLike, row: npt.ArrayLike):
        self._parts = parts
        self._part, self._row = np.asarray(part, np.int32), np.asarray(row, np.int32)
        self.shape: tuple[int, ...] = (len(self._part), *parts[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Pixels]:
        return (self[row] for row in range(len(self)))

    def __repr__(self) -> str:
        return f"StoredImages of shape {self.shape}"

    def __getitem__(self, index: Any) -> Pixels:
        """Gather the images that an index selects. An index of several axes copies all images."""
        if isinstance(index, tuple):
            return np.asarray(self)[index]
        part, row = self._part[index], self._row[index]
        if np.ndim(part) == 0:
            return np.asarray(self._parts[part][row])
        gathered = np.empty((part.size, *self.shape[1:]), np.uint8)
        order = np.argsort(part, axis=None, kind="stable")
        numbers, starts = np.unique(part.ravel()[order], return_index=True)
        for number, places in zip(numbers, np.split(order, starts[1:]), strict=True):
            gathered[places] = self._parts[number][row.ravel()[places]]
        return gathered.reshape(*part.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("Images in several arrays become one array only by a copy.")
        return self[:].astype(dtype or np.uint8, copy=False)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> StoredImages:
        """Select images without reading them."""
        return StoredImages(self._parts, self._part[rows], self._row[rows])


Images: TypeAlias = Pixels | StoredImages
"""uint8 images `(n, height, width, channels)`."""


def images_at(images: npt.ArrayLike | StoredImages, rows: npt.NDArray[Any]) -> Any:
    """Select images of an array or of `StoredImages`. uint8 images are not copied."""
    if isinstance(images, StoredImages):
        return images.take(rows)
    array = np.asarray(images)
    if array.dtype != np.uint8 or array.ndim != 4:
        return array[rows]
    return StoredImages([array], np.zeros(len(rows), np.int32), rows)
