"""Networks of `keras.applications` and of KerasHub, with the range of pixels that they need."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from siamese_verify.layers.input_range import InputRange
from siamese_verify.messages import shown


def load_network(
    name: str, weights: str | None, image_size: tuple[int, int]
) -> tuple[keras.Model, InputRange]:
    """Load a network without its classifier, and the layer that brings images to its range.

    Args:
        name: As for `backbone`.
        weights: As for `backbone`.
        image_size: Height and width of an image.

    Raises:
        ValueError, ImportError, OSError: As `backbone`.
    """
    application = getattr(keras.applications, name, None) if name[:1].isupper() else None
    if application is None:
        return _from_preset(name, weights is not None, image_size)
    input_range = _probed_range(inspect.getmodule(application).preprocess_input)  # type: ignore[union-attr]
    return _from_application(application, weights, (*image_size, 3)), input_range


def _from_application(
    application: Callable[..., keras.Model], weights: str | None, input_shape: tuple[int, int, int]
) -> keras.Model:
    try:
        with warnings.catch_warnings():
            # Features of another size than 224 need no other weights.
            warnings.filterwarnings("ignore", "`input_shape` is undefined or non-square")
            return application(include_top=False, weights=weights, input_shape=input_shape)
    except Exception as error:
        if type(error) is not Exception:  # Keras raises this type where a download fails.
            raise
        raise OSError(
            f"The weights cannot be fetched: {shown(error)}. Connect to the network, or give the "
            f"path of a file of weights. Received: weights={shown(repr(weights))}"
        ) from error


def _probed_range(preprocess_input: Callable[[Any], Any]) -> InputRange:
    """Read from its results what `preprocess_input` of an application does to a pixel."""
    black, red, white = (
        np.ravel(preprocess_input(np.array([[[pixel]]], np.float32)))
        for pixel in ((0, 0, 0), (255, 0, 0), (255, 255, 255))
    )
    scale, offset = white - black, black
    return InputRange(scale.tolist(), offset.tolist(), is_bgr=bool(red[0] == black[0]))


def _from_preset(
    name: str, has_weights: bool, image_size: tuple[int, int]
) -> tuple[keras.Model, InputRange]:
    try:
        hub = importlib.import_module("keras_hub")
    except ImportError as error:
        raise ImportError(
            f"{shown(repr(name))} is not a class of keras.applications, and KerasHub, which may "
            "have such a preset, is not installed. Correct the name, or pip install keras-hub. "
            f"Received: name={shown(repr(name))}"
        ) from error
    size = {"image_shape": (*image_size, 3)}
    network = hub.models.Backbone.from_preset(name, load_weights=has_weights, **size)
    converter = hub.layers.ImageConverter.from_preset(name)
    scale = 1.0 if converter.scale is None else np.ravel(converter.scale)
    offset = 0.0 if converter.offset is None else np.ravel(converter.offset)
    return network, InputRange((np.multiply(scale, 255)).tolist(), np.asarray(offset).tolist())
