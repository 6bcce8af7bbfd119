"""Augmentation by a Keras layer or a function of the user, which runs in Python between batches."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.data.augmentation import Augmentation
from siamese_verify.messages import shown

Augment: TypeAlias = bool | Augmentation | Callable[..., Any]
"""Augmentation in any form that batches accept."""
_ROUNDING = 1 / 510
"""Largest distance from [0, 1] that counts as rounding: half a level of 255."""
_SEED_STATE = "seed_generator_state"


@dataclasses.dataclass(frozen=True, repr=False)
class OwnAugmentation:
    """Augmentation by a Keras layer or a function of the user.

    Args:
        change: Keras layer, or function from images to images. It also gets `seed` if it has a
            parameter of this name.
    """

    change: Callable[..., Any]

    def __post_init__(self) -> None:
        try:
            inspect.signature(self.change).bind(None, **self._arguments(None))
        except ValueError:  # A function in C may have no signature.
            pass
        except TypeError as error:
            raise TypeError(
                "`augment` must be callable with images, or with images and `seed`: "
                f"{shown(error)}. Received: augment={shown(repr(self.change))}"
            ) from error

    def __repr__(self) -> str:
        """Name the function or the layers, the same in each process."""
        parts = getattr(self.change, "layers", [self.change])
        names = [getattr(part, "__qualname__", type(part).__qualname__) for part in parts]
        return f"OwnAugmentation({', '.join(names)})"

    def __call__(
        self, pixels: npt.NDArray[np.uint8], seed: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.float32]:
        """Change a batch of images.

        Args:
            pixels: uint8 array `(n, height, width, channels)`.
            seed: Two integers.

        Returns:
            float32 array of the same shape, in [0, 1].

        Raises:
            ValueError: If the result has another shape, type or range.
        """
        images = pixels.astype(np.float32) / np.float32(255)
        if isinstance(self.change, keras.layers.Layer):
            _set_seeds(self.change, seed)
            result = self.change(images, training=True)
        else:
            result = self.change(images, **self._arguments(seed))
        return self._checked(keras.ops.convert_to_numpy(result), pixels.shape)

    def _arguments(self, seed: Any) -> dict[str, Any]:
        try:
            return {"seed": seed} if "seed" in inspect.signature(self.change).parameters else {}
        except ValueError:
            return {}

    def _checked(self, result: Any, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        images = np.asarray(result)
        is_float = np.issubdtype(images.dtype, np.floating) or images.dtype.name == "bfloat16"
        if images.shape != shape or not is_float:
            raise ValueError(
                f"`augment` must return floats of the shape of its images, {shape}. "
                f"Received: {images.dtype} of shape {images.shape} from {shown(self)}"
            )
        images = images.astype(np.float32)
        # The comparison is false for NaN.
        if not (images.min() >= -_ROUNDING and images.max() <= 1 + _ROUNDING):
            raise ValueError(
                "`augment` must return images in [0, 1], the range in which it gets them. Clip "
                "noise, and write value_range=(0, 1) for layers of Keras that have it. "
                f"Received: values from {images.min()} to {images.max()} from {shown(self)}"
            )
        clipped: npt.NDArray[np.float32] = images.clip(0, 1)
        return clipped


def as_augmentation(augment: Augment) -> Augmentation | OwnAugmentation | None:
    """Return the augmentation that `augment` means, or None.

    Raises:
        TypeError: If it is neither a bool, an `Augmentation`, a Keras layer nor a function.
    """
    if isinstance(augment, bool):
        return Augmentation() if augment else None
    if isinstance(augment, Augmentation):
        return augment
    if not callable(augment):
        raise TypeError(
            "`augment` must be a bool, an Augmentation, a Keras layer or a function. "
            f"Received: augment={shown(repr(augment))}"
        )
    return OwnAugmentation(augment)


def _set_seeds(layer: keras.layers.Layer, seed: npt.NDArray[np.int32]) -> None:
    """Set the state of each random generator in a layer, so that nothing else decides."""
    states = [state for state in layer.variables if state.path.endswith(_SEED_STATE)]
    for number, state in enumerate(states):
        rng = np.random.default_rng((*seed.tolist(), number))
        state.assign(rng.integers(2**31, size=state.shape))
