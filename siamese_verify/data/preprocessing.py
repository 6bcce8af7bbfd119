"""`Preprocessing`: the steps from an image file to the pixels that a network receives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import is_whole_number, whole_number
from siamese_verify.data import decoding
from siamese_verify.data.alignment import Align, aligned, by_name, name_of
from siamese_verify.data.resizing import (
    RESIZE_MODES,
    ResizeMode,
    brightness,
    center_crop,
    resize,
)
from siamese_verify.data.row_blocks import by_rows
from siamese_verify.data.setting_checks import checked_colour, checked_size
from siamese_verify.messages import shown

Pixels = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """The steps from an image file to the pixels that a network receives.

    The first frame of a file is decoded and turned upright as its Exif header or XMP packet says.
    Where it is transparent, it is laid on a background. Then it is aligned, cropped, and resized
    bilinearly with antialiasing. It is kept as uint8. `scale` and batches bring pixels to [0, 1]. A
    path, bytes, an open file, an array and a PIL image result in the same pixels.

    TensorFlow decodes JPEG, PNG, BMP, GIF and, where its version can, WebP. Where the process has
    not imported TensorFlow, Pillow decodes them to the same pixels. The extra `images` adds HEIC
    and all other formats that Pillow decodes.

    Args:
        image_size: Height and width of the result, in pixels.
        channels: 1 (grey) or 3 (RGB).
        center_crop: Height and width of the middle part to keep, in pixels of the file. By default
            all is kept.
        max_pixels: Largest number of pixels (width times height) that a file may hold. It is
            checked before decoding, so that a small file cannot fill the memory. It also limits a
            file's bytes, to 8 a pixel and 1 MiB for headers.
        background: Colour behind transparent pixels and around a letterbox: red, green and blue,
            each from 0 to 255.
        resize: Treatment of an image of another aspect ratio than `image_size`. "squash" changes
            the aspect ratio. "letterbox" keeps it, and fills the rest with `background`. "crop"
            keeps it, and cuts the longer side to its middle.
        align: Function that finds and straightens what an image shows. It gets each upright image
            as RGB, uint8 `(height, width, 3)`, and returns such an array of any size. Threads may
            call it at once. Saved verifiers name it, so it must stand at the top of a module, or be
            registered with `keras.saving.register_keras_serializable`. Loading such a verifier
            requires that the process has registered it.

    Raises:
        TypeError: If `align` is not callable.
        ValueError: If an argument is out of range, or `align` has no name.

    Examples:
        >>> preprocessing = Preprocessing(image_size=(2, 2))
        >>> preprocessing.prepare(np.full((8, 8, 3), 255, np.uint8)).shape
        (2, 2, 1)
    """

    image_size: tuple[int, int] = (105, 105)
    channels: int = 1
    center_crop: tuple[int, int] | None = None
    max_pixels: int = 50_000_000
    background: tuple[int, int, int] = (255, 255, 255)
    resize: ResizeMode = "squash"
    align: Align | None = None

    def __post_init__(self) -> None:
        for name in ("image_size", "center_crop"):
            size = getattr(self, name)
            if size is not None or name == "image_size":
                object.__setattr__(self, name, checked_size(name, size))
        if not is_whole_number(self.channels) or self.channels not in (1, 3):
            raise ValueError(
                f"`channels` must be 1 or 3. Received: channels={shown(repr(self.channels))}"
            )
        object.__setattr__(self, "channels", int(self.channels))
        object.__setattr__(self, "max_pixels", whole_number("max_pixels", self.max_pixels))
        object.__setattr__(self, "background", checked_colour("background", self.background))
        if self.resize not in RESIZE_MODES:
            raise ValueError(
                f"`resize` must be one of {', '.join(map(repr, RESIZE_MODES))}. "
                f"Received: resize={shown(repr(self.resize))}"
            )
        if self.align is not None:
            name_of(self.align)  # It raises an error for a function without a name.

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the result."""
        return (*self.image_size, self.channels)

    @property
    def fill(self) -> Pixels:
        """Background in the channels of the result."""
        colour = np.array(self.background, np.uint8)
        return colour if self.channels == 3 else brightness(colour).astype(np.uint8)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON has them, with the name of `align`.

        `resize` and `align` are left out at their default, as in files of earlier versions.
        """
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if self.resize == "squash":
            del settings["resize"]
        if self.align is None:
            del settings["align"]
        else:
            settings["align"] = name_of(self.align)
        return settings

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Preprocessing:
        """Make the preprocessing whose `to_dict` returned these settings.

        Raises:
            UnknownAlignError: If this process has not registered `align`.
            TypeError, ValueError: If a setting is unknown or out of range.
        """
        align = by_name(settings["align"]) if "align" in settings else None
        return cls(**{**settings, "align": align})

    def decode(self, contents: bytes, name: str = "image") -> Pixels:
        """Decode, align, crop and resize one file, turned upright.

        Args:
            contents: Bytes of an image file.
            name: Name of the file in errors.

        Returns:
            uint8 array `(height, width, channels)`.

        Raises:
            ImageError: If the file is empty, damaged, of an unknown format, larger than
                `max_pixels` or smaller than `center_crop`. Also if `align` fails.
            MemoryError: If the memory does not suffice.
        """
        decoded = decoding.decode(contents, name, self.max_pixels, self.background)
        return self.prepare(decoded, name)

    def prepare(self, colours: npt.NDArray[np.uint8], name: str = "image") -> Pixels:
        """Align, crop and resize upright RGB pixels, and make them grey if need be.

        Args:
            colours: uint8 array `(height, width, 3)`.
            name: Name of the image in errors.

        Raises:
            ImageError: If there are fewer pixels than `center_crop`, or if `align` fails.
            MemoryError: If the memory does not suffice.
        """
        if self.align is not None:
            colours = aligned(self.align, colours, name, self.max_pixels)
        if self.center_crop is not None:
            colours = center_crop(colours, self.center_crop, name)
        pixels = colours if self.channels == 3 else by_rows(brightness, colours, 1)
        if pixels.shape == self.shape:
            return np.ascontiguousarray(pixels)
        try:
            return resize(pixels, self.resize, self.image_size, self.fill)
        except MemoryError as error:
            raise MemoryError(f"The memory does not suffice to resize {shown(name)}.") from error


def scale(pixels: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Scale pixels from uint8 in [0, 255] to float32 in [0, 1], the range of networks' inputs.

    Args:
        pixels: uint8 array, or a floating-point array in [0, 1], whose values stay.

    Returns:
        float32 array of the same shape.

    Raises:
        ValueError: If the array is of another type, or holds a value outside [0, 1].

    Examples:
        >>> scale(np.array([0, 255], np.uint8)).tolist()
        [0.0, 1.0]
    """
    array = np.asarray(pixels)
    check_pixels(array)
    floats = array.astype(np.float32)
    return floats / np.float32(255) if array.dtype == np.uint8 else floats


def check_pixels(pixels: npt.NDArray[Any]) -> None:
    """Raise a `ValueError` unless pixels are uint8, or floating-point in [0, 1]."""
    if pixels.dtype == np.uint8:
        return
    if not (np.issubdtype(pixels.dtype, np.floating) or pixels.dtype.name == "bfloat16"):
        raise ValueError(
            "Pixels must be uint8 in [0, 255] or floating-point in [0, 1]. "
            f"Received: dtype={pixels.dtype}"
        )
    # The comparisons are false for NaN.
    if pixels.size and not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(
            "Floating-point pixels must lie in [0, 1]. Divide pixels by 255. "
            f"Received: values from {pixels.min()} to {pixels.max()}"
        )
