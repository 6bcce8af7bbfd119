"""Export of models to other runtimes: ONNX, LiteRT and SavedModel, by Keras's exporters."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import keras

from siamese_verify.files import PathLike, replacing
from siamese_verify.layers.fast.spectral import SpectralConv2D
from siamese_verify.model import SiameseModel

# Keras's name of each format, by the suffix of the path. A folder is a SavedModel.
_FORMATS = {".onnx": "onnx", ".tflite": "litert", "": "tf_saved_model"}


def export_model(model: SiameseModel, path: PathLike, part: str = "pair") -> None:
    """Write a model that runs without this library.

    Inputs are float32 images in [0, 1], `(batch, height, width, channels)`. A whole model has the
    inputs `left` and `right`, and returns scores `(batch, 1)`. A tower has the input `images`, and
    returns embeddings `(batch, size)`. With LiteRT, the batch is one. A `SpectralConv2D` becomes a
    plain convolution of the same kernel, because other runtimes are fast at those convolutions.

    Args:
        model: Built model.
        path: Path to write to: `NAME.onnx` (extra `onnx`), `NAME.tflite` (extra `litert`), or a
            folder for a SavedModel.
        part: `"pair"` for the whole model, `"tower"` for embeddings only.

    Raises:
        ValueError: If `path` has another suffix, or `part` is unknown.
        ImportError: If the extra is not installed.

    Examples:
        >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
        >>> export_model(SiameseModel(tower, CosineHead()), "faces.onnx")  # doctest: +SKIP

    Reference:
        Keras, `Model.export`.
    """
    target = Path(path)
    if target.suffix not in _FORMATS:
        raise ValueError(
            "`path` must end in .onnx or .tflite, or be a folder for a SavedModel. "
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
    whole(inputs)  # Keras exports only a model that was called.
    is_folder = not target.suffix  # A folder cannot be replaced in one step.
    with contextlib.nullcontext(target) if is_folder else replacing(target) as unfinished:
        whole.export(unfinished, format=_FORMATS[target.suffix], verbose=False)


def _as_direct(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Copy a layer, a spectral one as a plain convolution."""
    config = layer.get_config()
    if isinstance(layer, SpectralConv2D):
        config["method"] = "direct"
    return type(layer).from_config(config)
