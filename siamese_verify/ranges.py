"""Ranges of pixels: what models accept, and signs that a network receives another range.

Networks receive floats in [0, 1] here. A network that expects [0, 255] sees nearly black images
then: all scores are alike, and nothing fails.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from siamese_verify.data.preprocessing import check_pixels
from siamese_verify.data.stored_images import StoredImages
from siamese_verify.layers.backbone import BackboneTower
from siamese_verify.layers.tower import ConvTower
from siamese_verify.messages import shown
from siamese_verify.tensors import Tensor
from siamese_verify.user_warnings import warn_user

# Methods whose first argument holds the left and the right images.
_METHODS = (
    *("__call__", "fit", "evaluate", "predict"),
    *("train_on_batch", "test_on_batch", "predict_on_batch"),
)
# Axes of a batch of images. A head can also be trained on vectors, of any range.
_DIMENSIONS = 4
# Largest float of an image of uint8 values 0 and 1, allowing for float16.
_DIVIDED_TWICE = 1.01 / 255
# Width of [0, 1] after a layer that expects [0, 255] and scales it to 1 or 2, allowing for more.
_COLLAPSED = 0.02
# Layers that change no range, and may come before a layer that does.
_SAME_RANGE = {
    *("CenterCrop", "Cropping2D", "Dropout", "Identity", "InputLayer", "RandomCrop"),
    *("RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "Resizing"),
    "ZeroPadding2D",
}
# Embeddings that differ this much less than their images. On LFW, networks that got their own range
# reached 0.03 or more, fresh or trained. Networks with batch norm that got another range reached
# 0.01 or less. Without batch norm, the spread may not change.
_SMALLEST_SPREAD = 0.015
# Images that differ less say nothing about embeddings, nor do fewer of them.
_DIFFERENT_IMAGES, _FEWEST_IMAGES, _MOST_IMAGES = 0.1, 8, 64
_ADVICE = (
    "Put keras.layers.Rescaling(255.0) before it: "
    "keras.Sequential([keras.Input(shape), keras.layers.Rescaling(255.0), tower])"
)


def checks_pixels(model_class: type[keras.Model]) -> type[keras.Model]:
    """Make the methods of a model's class check the arrays of images that they are given.

    Arrays are checked where they hold values. Tensors of a graph that is traced do not, and a data
    set or generator shows its batches only in training.
    """
    for name in _METHODS:
        setattr(model_class, name, _checking(getattr(model_class, name)))
    return model_class


def _checking(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def checked(self: keras.Model, *args: Any, **kwargs: Any) -> Any:
        given = [*args[:1], *(kwargs.get(name) for name in ("x", "inputs"))]
        validation = kwargs.get("validation_data")
        if isinstance(validation, (tuple, list)):
            given.append(validation[0])
        for images in given:
            for array in images if isinstance(images, (tuple, list)) else ():
                values = _values(array)
                if values is not None and values.ndim == _DIMENSIONS:
                    warn_of_dark_pixels(values)
        return method(self, *args, **kwargs)

    return checked


def _values(array: Any) -> npt.NDArray[Any] | None:
    """View an array or a tensor as NumPy does, or return None while a graph is traced."""
    if not hasattr(array, "__array__"):
        return None
    try:
        return np.asarray(array)
    # While a graph is traced: TensorFlow, torch, JAX and Keras's symbolic tensors, in this order.
    except (NotImplementedError, RuntimeError, TypeError, ValueError):
        return None


def scaled(images: Tensor) -> Tensor:
    """Scale pixels to floats in [0, 1], as `scale` does for arrays outside of a graph."""
    dtype = keras.backend.standardize_dtype(images.dtype)
    if dtype != "uint8" and not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            f"Images must be uint8 in [0, 255] or floating-point in [0, 1]. Received: dtype={dtype}"
        )
    floats = ops.cast(images, keras.config.floatx())
    return floats / 255 if dtype == "uint8" else floats


def warn_of_dark_pixels(images: npt.NDArray[Any] | StoredImages) -> None:
    """Check pixels, and warn of images that were probably divided by 255 twice.

    Raises:
        ValueError: If the images are of another type or range (see `scale`).

    Warns:
        UserWarning: If no pixel is brighter than 1 of 255.
    """
    if not isinstance(images, StoredImages):
        check_pixels(images)
    darkest = 1 if images.dtype == np.uint8 else _DIVIDED_TWICE
    # Nearly always, the first image is bright enough.
    if 0 in images.shape or any(image.max() > darkest for image in images):
        return
    least = min(image.min() for image in images)
    largest = max(image.max() for image in images)
    if not largest:
        return
    if images.dtype == np.uint8:
        cause = "Floats in [0, 1] were probably cast to uint8. Pass the floats instead"
    else:
        cause = "They were probably divided by 255 twice. Divide them once, or pass uint8"
    warn_user(
        "No pixel is brighter than 1 of 255, so that all images look black to a network. "
        f"{cause}. Received: {images.dtype} values from {least:.3g} to {largest:.3g}"
    )


def warn_of_own_range(tower: keras.Model) -> None:
    """Warn if a tower rescales its images from [0, 255], although it receives [0, 1]."""
    ends = np.array([[0.0], [1.0]])  # The least and the largest value, of each channel.
    for layer in _first_layers(tower):
        if isinstance(layer, keras.layers.Rescaling):
            ends = ends * np.asarray(layer.scale) + np.asarray(layer.offset)
            is_collapsed = np.ptp(ends, axis=0).max() < _COLLAPSED
        elif isinstance(layer, keras.layers.Normalization):
            # Such a layer of a network's own follows its images' mean.
            is_collapsed = np.max(_mean(layer)) > np.max(ends)
        elif type(layer).__name__ in _SAME_RANGE:
            continue
        else:
            return
        if is_collapsed:
            warn_user(
                f"The tower {shown(repr(tower.name))} scales its images from [0, 255] itself, in "
                f"its layer {shown(repr(layer.name))}. It receives floats in [0, 1], which become "
                f"nearly equal. {_ADVICE}. Received: tower={shown(repr(tower.name))}"
            )
            return
        if isinstance(layer, keras.layers.Normalization):
            return


def _first_layers(tower: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yield the layers of a model in their order, with the layers of inner models."""
    for layer in getattr(tower, "layers", ()):
        if isinstance(layer, keras.Model):
            yield from _first_layers(layer)
        else:
            yield layer


def _mean(layer: keras.layers.Normalization) -> npt.NDArray[Any]:
    mean = layer.input_mean if layer.input_mean is not None else layer.mean
    return np.asarray(0.0 if mean is None else keras.ops.convert_to_numpy(mean))


def warn_of_equal_embeddings(
    tower: keras.Model, images: npt.NDArray[Any] | StoredImages, embeddings: npt.NDArray[np.float32]
) -> None:
    """Warn if different images have nearly equal embeddings."""
    if len(images) < _FEWEST_IMAGES or _is_own(tower):
        return
    of_images, of_embeddings = _spread(images[:_MOST_IMAGES]), _spread(embeddings[:_MOST_IMAGES])
    if of_images < _DIFFERENT_IMAGES or not of_embeddings < _SMALLEST_SPREAD * of_images:
        return
    warn_user(
        f"The embeddings of the tower {shown(repr(tower.name))} hardly differ between images, so "
        "that all scores are alike. It may expect another range than [0, 1], as many networks "
        f"of keras.applications do. If it expects [0, 255]: {_ADVICE}. If it has a "
        "preprocess_input, apply that after it. Received: embeddings that vary by "
        f"{of_embeddings:.2%} of their size, of images that vary by {of_images:.0%}"
    )


def _is_own(tower: keras.layers.Layer) -> bool:
    """Tell whether a tower is one of ours or wraps one, which are made for [0, 1]."""
    return isinstance(tower, (BackboneTower, ConvTower)) or any(
        map(_is_own, getattr(tower, "layers", ()))
    )


def _spread(vectors: npt.NDArray[Any]) -> float:
    """Compute the standard deviation of vectors, relative to their length."""
    rows = np.asarray(vectors, np.float64).reshape(len(vectors), -1)
    size = np.square(rows).sum()
    return float(np.sqrt(np.square(rows - rows.mean(axis=0)).sum() / size)) if size else 0.0
