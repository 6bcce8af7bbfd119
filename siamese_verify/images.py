"""Pixels: find the photographs, decode and resize each once, keep them as uint8."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from siamese_verify.files import PathLike, replacing
from siamese_verify.lfw_format import Photo
from siamese_verify.sampling import IMAGE_SUFFIXES

Pixels = npt.NDArray[np.uint8]

_CHUNK = 64  # photographs per step of the progress bar
_CACHE_FORMAT = 1  # to be raised whenever the same file and settings give other pixels


class ImageError(ValueError):
    """A file that cannot be used as a photograph: tells which and why."""


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What is done to a photograph before a network sees it.

    The file is decoded (JPEG, PNG, BMP or GIF, of which the first frame counts), cropped, resized
    bilinearly with antialiasing, and kept as uint8. `scale` brings pixels to [0, 1], as batches do.

    Args:
        image_size: Height and width of the result, in pixels.
        channels: 1 (grey) or 3 (RGB). Transparency is dropped.
        center_crop: Height and width, in pixels of the file, of the part to keep; by default all.
        max_pixels: The most pixels (width times height) that a file may hold, checked before it
            is decoded, so that a small file cannot fill the memory.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> preprocessing = Preprocessing(image_size=(2, 2))
        >>> png = tf.io.encode_png(np.full((8, 8, 3), 255, np.uint8)).numpy()
        >>> preprocessing.decode(png).shape
        (2, 2, 1)
    """

    image_size: tuple[int, int] = (105, 105)
    channels: int = 1
    center_crop: tuple[int, int] | None = None
    max_pixels: int = 50_000_000

    def __post_init__(self) -> None:
        for name in ("image_size", "center_crop"):
            size = getattr(self, name)
            if size is None and name == "center_crop":
                continue
            if not isinstance(size, (tuple, list)) or len(size) != 2 or min(map(int, size)) < 1:
                raise ValueError(
                    f"`{name}` must be a height and a width of at least 1 pixel. "
                    f"Received: {name}={size}"
                )
            object.__setattr__(self, name, (int(size[0]), int(size[1])))
        if self.channels not in (1, 3):
            raise ValueError(f"`channels` must be 1 or 3. Received: channels={self.channels}")
        if self.max_pixels < 1:
            raise ValueError(
                f"`max_pixels` must be at least 1. Received: max_pixels={self.max_pixels}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the result."""
        return (*self.image_size, self.channels)

    def decode(self, contents: bytes, name: str = "image") -> Pixels:
        """Decodes the contents of one file.

        Args:
            contents: The bytes of a JPEG, PNG, BMP or GIF file.
            name: What an error calls the file.

        Returns:
            uint8 array of the shape `shape`.

        Raises:
            ImageError: If the contents are empty, corrupt, truncated, of another format, of more
                than `max_pixels`, or smaller than `center_crop`.
        """
        try:
            pixels: Pixels = _decoder(self)(tf.constant(contents)).numpy()
        except tf.errors.OpError as error:
            raise ImageError(_explain(name, error)) from error
        return pixels

    def _decode(self, contents: tf.Tensor) -> tf.Tensor:
        """Scalar string to uint8 `(height, width, channels)`; traceable, for `tf.data`."""
        converts = tf.io.is_jpeg(contents) | _starts_with(contents, _PNG)
        with tf.control_dependencies(_check(contents, self.max_pixels)):
            # The decoders of JPEG and PNG give grey at half the cost; those of BMP and GIF cannot.
            image = tf.cond(
                converts,
                lambda: tf.io.decode_image(contents, self.channels, expand_animations=False),
                lambda: self._decode_rgb(contents),
            )
        if self.center_crop is not None:
            image = _center_crop(image, *self.center_crop)
        image = tf.image.resize(image, self.image_size, method="bilinear", antialias=True)
        return tf.ensure_shape(tf.saturate_cast(tf.round(image), tf.uint8), self.shape)

    def _decode_rgb(self, contents: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_image(contents, 3, expand_animations=False)
        return tf.image.rgb_to_grayscale(image) if self.channels == 1 else image


@functools.lru_cache(maxsize=16)
def _decoder(preprocessing: Preprocessing) -> Any:
    """`preprocessing._decode` as a graph, which calls need not trace again."""
    return tf.function(preprocessing._decode, [tf.TensorSpec((), tf.string)], autograph=False)


_PNG, _GIF, _BMP = b"\x89PNG", b"GIF8", b"BM"


def _starts_with(contents: tf.Tensor, signature: bytes) -> tf.Tensor:
    return tf.strings.substr(contents, 0, len(signature)) == signature


def _check(contents: tf.Tensor, max_pixels: int) -> list[tf.Operation]:
    """Assertions on what the decoders let pass."""
    is_gif = _starts_with(contents, _GIF)
    last = tf.strings.substr(tf.strings.join([b"\0", contents]), -1, 1)
    n_pixels = _count_pixels(contents)
    return [
        tf.debugging.Assert(tf.strings.length(contents) > 0, ["the file is empty"]),
        tf.debugging.Assert(n_pixels > 0, ["no JPEG, PNG, BMP or GIF, or without size"]),
        tf.debugging.Assert(
            n_pixels <= max_pixels,
            ["over-large: pixels", n_pixels, f"where max_pixels={max_pixels}"],
        ),
        # The decoder passes a GIF that breaks off after its first frame.
        tf.debugging.Assert(~is_gif | (last == b";"), ["truncated: the GIF has no end"]),
    ]


def _count_pixels(contents: tf.Tensor) -> tf.Tensor:
    """Width times height as the file's header gives them; -1 for a format not known here."""
    padded = tf.strings.join([contents, b"\0" * 26])
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(padded, 0, 26), tf.uint8), tf.int64)

    def product(start: int, length: int, *, big_endian: bool = False) -> tf.Tensor:
        """Of the two integers of `length` bytes that stand from `start` on."""
        powers = 256 ** np.arange(length, dtype=np.int64)
        digits = tf.reshape(head[start : start + 2 * length], (2, length))
        sizes = tf.linalg.matvec(digits, powers[::-1] if big_endian else powers)
        # A BMP stored from its top has a negative height.
        return tf.reduce_prod(tf.minimum(sizes, 2**32 - sizes))

    def jpeg() -> tf.Tensor:
        return tf.reduce_prod(tf.io.extract_jpeg_shape(contents, tf.int64)[:2])

    return tf.case(
        [
            (tf.io.is_jpeg(contents), jpeg),
            (_starts_with(contents, _PNG), lambda: product(16, 4, big_endian=True)),
            (_starts_with(contents, _GIF), lambda: product(6, 2)),
            (_starts_with(contents, _BMP), lambda: product(18, 4)),
        ],
        default=lambda: tf.constant(-1, tf.int64),
    )


def _center_crop(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    size = tf.shape(image)
    fits = tf.debugging.Assert(
        (size[0] >= height) & (size[1] >= width),
        ["smaller than the centre crop: height and width", size[:2], f"where {height} x {width}"],
    )
    with tf.control_dependencies([fits]):
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return image[top : top + height, left : left + width]


def _explain(name: str, error: tf.errors.OpError) -> str:
    """TensorFlow's message without its stack, operation and node names."""
    lines = [line for line in str(error.message).splitlines() if not line.startswith("\t [[")]
    reason = re.sub(r"\{\{.*?\}\}|\[Op:.*|assertion failed:|[\[\]]", "", lines[-1])
    return f"{name} cannot be read as a photograph: {' '.join(reason.split())}"


def scale(pixels: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Pixels from uint8 in [0, 255] to float32 in [0, 1], which networks take.

    Args:
        pixels: uint8 array, or floating-point array that is scaled already.

    Returns:
        float32 array of the same shape.

    Raises:
        ValueError: If the array is of another type, or holds a value outside [0, 1].

    Example:
        >>> scale(np.array([0, 255], np.uint8)).tolist()
        [0.0, 1.0]
    """
    array = np.asarray(pixels)
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            "Pixels are uint8 in [0, 255] or floating-point in [0, 1]. "
            f"Received: dtype={array.dtype}"
        )
    # Written so that NaN fails.
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(
            "Floating-point pixels lie in [0, 1]. "
            f"Received: values from {array.min()} to {array.max()}. Divide pixels by 255."
        )
    return array.astype(np.float32)


def find_photographs(images_root: PathLike, photos: Sequence[Photo]) -> list[Path]:
    """The file of each photograph, all of which must be there.

    Where the named file is absent, one of the same name with another of the known endings counts,
    so that LFW's lists serve for PNG files too.

    Args:
        images_root: The folder that holds a folder for each person.
        photos: The photographs.

    Returns:
        Their paths, in order.

    Raises:
        FileNotFoundError: If photographs are missing: how many, and the first ten paths.
    """
    root = Path(images_root)
    found, missing = [], []
    for photo in photos:
        path = root / photo.path
        candidates = (path, *(path.with_suffix(suffix) for suffix in IMAGE_SUFFIXES))
        existing = next((p for p in candidates if p.is_file()), None)
        found.append(existing or path)
        if existing is None:
            missing.append(path)
    if missing:
        shown = "".join(f"\n  {path}" for path in missing[:10])
        more = f"\n  and {len(missing) - 10:,} more" if len(missing) > 10 else ""
        raise FileNotFoundError(
            f"{len(missing):,} of {len(photos):,} photographs are missing:{shown}{more}\n"
            "`images_root` must be the folder that holds a folder for each person. "
            f"Received: images_root={images_root}"
        )
    return found


def load_images(
    paths: Sequence[PathLike],
    preprocessing: Preprocessing,
    *,
    cache: PathLike | None = None,
    verbose: bool = True,
) -> Pixels:
    """Decodes and resizes photographs on all cores, or opens what an earlier call has kept.

    Args:
        paths: The files.
        preprocessing: How they are decoded.
        cache: Folder for the pixels. With it, they are kept in a file there and mapped into
            memory; a later call for the same contents and settings opens that file and decodes
            nothing. The contents are read each time, so that a changed photograph never gives old
            pixels. Without it, pixels are kept in memory.
        verbose: Whether to show a progress bar.

    Returns:
        uint8 array `(len(paths), height, width, channels)`, read-only where it comes from a file.

    Raises:
        ImageError: If a file cannot be decoded; see `Preprocessing.decode`. Names the file.
    """
    shape = (len(paths), *preprocessing.shape)
    if cache is None:
        pixels = np.empty(shape, np.uint8)
        _decode_into(pixels, paths, preprocessing, verbose)
        return pixels
    kept = Path(cache) / f"{_fingerprint(paths, preprocessing)}.npy"
    if not _is_complete(kept, shape):
        with replacing(kept) as unfinished:
            mapped = np.lib.format.open_memmap(unfinished, "w+", np.uint8, shape)
            _decode_into(mapped, paths, preprocessing, verbose)
            mapped.flush()
    opened: Pixels = np.load(kept, mmap_mode="r")
    return opened


def _decode_into(
    pixels: Pixels, paths: Sequence[PathLike], preprocessing: Preprocessing, verbose: bool
) -> None:
    names = [str(path) for path in paths]
    decoded = (
        tf.data.Dataset.from_tensor_slices(names)
        .map(lambda name: preprocessing._decode(tf.io.read_file(name)), tf.data.AUTOTUNE)
        .batch(_CHUNK)
        .prefetch(tf.data.AUTOTUNE)
    )
    progress = keras.utils.Progbar(len(names), unit_name="photograph") if verbose else None
    done = 0
    try:
        for chunk in decoded.as_numpy_iterator():
            pixels[done : done + len(chunk)] = chunk
            done += len(chunk)
            if progress:
                progress.update(done)
    except tf.errors.OpError as error:
        # One of this chunk is at fault; decoded on its own, it is named.
        for name in names[done : done + _CHUNK]:
            preprocessing.decode(Path(name).read_bytes(), name)
        raise ImageError(_explain("A photograph", error)) from error


def _fingerprint(paths: Sequence[PathLike], preprocessing: Preprocessing) -> str:
    """A digest of everything that the pixels depend on."""

    def digest(path: PathLike) -> bytes:
        return hashlib.sha256(Path(path).read_bytes()).digest()

    settings = [_CACHE_FORMAT, tf.__version__, dataclasses.asdict(preprocessing)]
    whole = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    with ThreadPoolExecutor() as pool:
        for part in pool.map(digest, paths):
            whole.update(part)
    return whole.hexdigest()[:32]


def _is_complete(kept: Path, shape: tuple[int, ...]) -> bool:
    try:
        return bool(np.load(kept, mmap_mode="r").shape == shape)
    except (OSError, ValueError):
        return False
