"""Images that are in memory, as the pixels, pairs and identities of a data set."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import is_missing
from siamese_verify.data.decoding import ImageError
from siamese_verify.data.formats.decoders import tensorflow_is_imported
from siamese_verify.data.linking import lowest_linked
from siamese_verify.data.preprocessing import Pixels, Preprocessing, check_pixels
from siamese_verify.data.reading import read_image
from siamese_verify.lazy_tensorflow import tf
from siamese_verify.messages import listed, shown

Indices = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]

_BLOCK = 1024
_CHANNELS = (1, 3)


def pairs_of(
    images: Any,
    labels: npt.ArrayLike | None,
    indices: npt.ArrayLike | None,
    identities: Any,
    preprocessing: Preprocessing | None,
) -> tuple[Pixels, Preprocessing, Indices, Labels, list[str]]:
    """Bring the arguments of `PairDataset.from_arrays` to one form.

    Returns:
        The pixels, their preprocessing, the rows and the label of each pair, and the name of the
        identity of each image.
    """
    if _is_dataset(images):
        if labels is not None or indices is not None:
            raise ValueError(
                "A tf.data.Dataset of ((left, right), label) has its own labels and pairs. Leave "
                "out `labels` and `indices`."
            )
        images, labels = _read_to_end(images)
    if labels is None:
        raise ValueError("`labels` must be given with arrays: 1 = same, 0 = different.")
    if indices is None:
        images, indices, identities = _both_sides(images, identities)
    pixels, made = pixels_of(images, preprocessing)
    chosen, all_labels = _checked(indices, labels, len(pixels))
    if identities is None:
        names = _names_by_links(pixels, chosen, all_labels)
    else:
        names = names_of(identities, len(pixels))
    return pixels, made, chosen, all_labels, names


def pixels_of(images: Any, preprocessing: Preprocessing | None) -> tuple[Pixels, Preprocessing]:
    """Bring images to uint8 pixels `(n, height, width, channels)`, by a preprocessing if given.

    Raises:
        ValueError: If they are of another type, shape or range.
    """
    if preprocessing is not None:
        pixels = np.empty((len(images), *preprocessing.shape), np.uint8)
        for row, image in enumerate(images):
            try:
                pixels[row] = read_image(np.asarray(image), preprocessing)
            except ImageError as error:
                raise ImageError(f"Image {row:,} cannot be used. {error}") from error
        return pixels, preprocessing
    array = np.asarray(images)
    array = array[..., None] if array.ndim == 3 else array
    if array.ndim != 4 or array.shape[3] not in _CHANNELS or not array.size:
        raise ValueError(
            "Images must have the shape (n, height, width, channels) with 1 or 3 channels, or "
            f"(n, height, width). Received: shape {np.shape(images)}"
        )
    check_pixels(array)
    made = Preprocessing(array.shape[1:3], array.shape[3])
    if array.dtype == np.uint8:
        return array, made
    pixels = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), _BLOCK):
        block = array[start : start + _BLOCK].astype(np.float32)
        pixels[start : start + _BLOCK] = np.round(block * 255)
    return pixels, made


def names_of(identities: Any, n_images: int) -> list[str]:
    """Return the name of each image's identity. Any value is named by its text.

    Raises:
        TypeError: If `identities` is one name.
        ValueError: If there is not one for each image, or one is missing.
    """
    if isinstance(identities, str):
        raise TypeError(
            "`identities` must be one name for each image. "
            f"Received: identities={shown(repr(identities))}"
        )
    values = list(identities)
    if missing := [row for row, value in enumerate(values) if is_missing(value)]:
        raise ValueError(
            "Each image must have an identity, or all images without one would count as one "
            f"identity. Leave them out. Received: identities={values[missing[0]]!r} of images "
            f"{listed(missing)}"
        )
    names = [str(value) for value in values]
    if len(names) != n_images:
        raise ValueError(
            "`identities` must be one name for each image. "
            f"Received: {len(names):,} identities for {n_images:,} images"
        )
    return names


def _both_sides(images: Any, identities: Any) -> tuple[Any, Indices, Any]:
    """Put the right images behind the left ones."""
    if not (isinstance(images, (tuple, list)) and len(images) == 2):
        raise TypeError(
            "`images` must be a tuple of the left and the right images, a tf.data.Dataset of "
            "((left, right), label), or one array of images with `indices`. "
            f"Received: {type(images).__name__}"
        )
    left, right = map(np.asarray, images)
    if left.shape != right.shape:
        raise ValueError(
            "There must be as many left as right images, of one shape. "
            f"Received: shapes {left.shape} and {right.shape}"
        )
    n = len(left)
    if identities is not None:
        sides = identities if len(identities) == 2 else ([], [])
        identities = [name for side in sides for name in names_of(side, n)]
    indices = np.arange(2 * n).reshape(2, n).T
    return np.concatenate([left, right]), indices, identities


def _is_dataset(images: Any) -> bool:
    """Tell whether images are a `tf.data.Dataset`, which exists only where TensorFlow does."""
    return tensorflow_is_imported() and isinstance(images, tf.data.Dataset)


def _read_to_end(dataset: tf.data.Dataset) -> tuple[tuple[Any, Any], npt.NDArray[Any]]:
    """Read the left images, the right images and the labels of a data set."""
    spec = dataset.element_spec
    try:
        (left, right), label = spec
        # A label of one element is a number too, as Keras has it.
        is_vector = bool(label.shape.rank) and label.shape != (1,)
        is_batched = {left.shape.rank, right.shape.rank} == {4} or is_vector
    except (AttributeError, TypeError, ValueError) as error:
        raise TypeError(
            "A tf.data.Dataset must yield ((left, right), label). "
            f"Received: elements of {shown(spec)}"
        ) from error
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "The tf.data.Dataset has no end, so it cannot be read. Leave out repeat()."
        )
    read = [(a, b, c) for (a, b), c in dataset.as_numpy_iterator()]
    if not read:
        raise ValueError("The tf.data.Dataset must yield at least one pair. Received: none")
    join = np.concatenate if is_batched else np.stack
    lefts, rights, labels = (join(part) for part in zip(*read, strict=True))
    return (lefts, rights), labels


def _checked(
    indices: npt.ArrayLike, labels: npt.ArrayLike, n_images: int
) -> tuple[Indices, Labels]:
    chosen, given = np.asarray(indices), np.asarray(labels)
    if (
        chosen.ndim != 2
        or chosen.shape[1] != 2
        or not np.issubdtype(chosen.dtype, np.integer)
        or not ((chosen >= 0) & (chosen < n_images)).all()
    ):
        raise ValueError(
            f"`indices` must be rows of the {n_images:,} images, integers of shape (n, 2). "
            f"Received: {chosen.dtype} array of shape {chosen.shape}"
        )
    given = given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given
    if given.shape != (len(chosen),) or not np.isin(given, (0, 1)).all():
        raise ValueError(
            f"`labels` must be 1 or 0 for each of the {len(chosen):,} pairs. "
            f"Received: {given.dtype} array of shape {given.shape}"
        )
    return chosen.astype(np.int64), given.astype(np.int32)


def _names_by_links(pixels: Pixels, indices: Indices, labels: Labels) -> list[str]:
    """Name the images that same pairs link after the first of them.

    The name is a digest of the pixels. So images of two data sets share a name only if they are
    equal.
    """
    first = lowest_linked(indices[labels == 1], len(pixels)).tolist()
    names = {row: f"unknown {_digest(pixels[row])}" for row in dict.fromkeys(first)}
    return [names[row] for row in first]


def _digest(image: Pixels) -> str:
    return hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest()
