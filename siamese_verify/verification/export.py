"""Models for other runtimes: ONNX, LiteRT and SavedModel, by Keras's own exporters."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import keras

from siamese_verify.files import PathLike, replacing
from siamese_verify.layers.fast.spectral import SpectralConv2D
from siamese_verify.model import SiameseModel

# Keras's name of each format, by how the path ends; a folder is a SavedModel.
_FORMATS = {".onnx": "onnx", ".tflite": "litert", "": "tf_saved_model"}


def export_model(model: SiameseModel, path: PathLike, part: str = "pair") -> None:
    """Writes a model that runs without this library.

    The inputs are float32 images in [0, 1], `(batch, height, width, channels)`: `left` and `right`
    of a whole model, which gives scores `(batch, 1)`; `images` of a tower, which gives embeddings
    `(batch, size)`. With LiteRT, the batch is one. A `SpectralConv2D` becomes a plain convolution
    of the same kernel, which runtimes for inference are good at.

    Args:
        model: A built model.
        path: Where to write: `NAME.onnx` (extra `onnx`), `NAME.tflite` (extra `litert`), or a
            folder for a SavedModel.
        part: `"pair"` for the whole model, `"tower"` for embeddings only.

    Raises:
        ValueError: If the path ends otherwise, or there is no such part.
        ImportError: If the extra is not installed.

    Reference:
        Keras, `Model.export`.
    """
    target = Path(path)
    if target.suffix not in _FORMATS:
        raise ValueError(
            "A path ends in .onnx or .tflite, or is that of a folder for a SavedModel. "
            f"Received: path={path}"
        )
    if part not in ("pair", "tower"):
        raise ValueError(f"`part` must be 'pair' or 'tower'. Received: part={part!r}")
    tower = keras.models.clone_model(model.tower, clone_function=_as_direct, recursive=True)
    tower.set_weights(model.tower.get_weights())
    shape = tower.input_shape[1:]
    names = ("left", "right") if part == "pair" else ("images",)
    batch_size = 1 if target.suffix == ".tflite" else None
    inputs = [keras.Input(shape, batch_size, name=name) for name in names]
    embeddings = [tower(images) for images in inputs]
    outputs: Any = model.head(tuple(embeddings)) if part == "pair" else embeddings[0]
    whole = keras.Model(inputs, outputs)
    whole(inputs)  # Keras exports no model that was never called.
    is_folder = not target.suffix  # which cannot be replaced at once
    with contextlib.nullcontext(target) if is_folder else replacing(target) as unfinished:
        whole.export(unfinished, format=_FORMATS[target.suffix], verbose=False)


def _as_direct(layer: keras.layers.Layer) -> keras.layers.Layer:
    config = layer.get_config()
    if isinstance(layer, SpectralConv2D):
        config["method"] = "direct"
    return type(layer).from_config(config)
