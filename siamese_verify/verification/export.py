"""Export of models to other runtimes: ONNX, LiteRT and SavedModel, by Keras's exporters."""

from __future__ import annotations

import importlib.metadata
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.files import PathLike
from siamese_verify.inference import in_inference
from siamese_verify.layers.fast.spectral import direct_convolutions
from siamese_verify.messages import shown
from siamese_verify.model import SiameseModel
from siamese_verify.scoring import score_pairs
from siamese_verify.verification.export_formats import FORMATS, Format, check_can_export
from siamese_verify.verification.onnx_record import FORMAT
from siamese_verify.verification.verifier import Verifier

# Largest difference between the results of the file and of the model, by the precision of the
# tower, relative to the largest result. GPUs may round the products of float32 to 11 bits.
_TOLERANCES = {"float32": 1e-3, "float16": 2e-2, "bfloat16": 1e-1}
# Rows of the images whose pairs are compared. An image and itself score highest.
_PAIRS = np.array([[0, 0], [0, 1], [1, 2], [2, 3]])
# Height and width of the compared images where the tower accepts any.
_ANY_SIZE = 64


def export_model(source: Verifier | SiameseModel, path: PathLike, part: str = "pair") -> None:
    """Write a model that runs without this library, and scores as the model does in inference.

    Inputs are float32 images in [0, 1], `(batch, height, width, channels)`. A whole model has the
    inputs `left` and `right`, and returns scores `(batch, 1)`. In ONNX, it returns the embeddings
    of the left and the right images too, as its second and third output. A tower has the input
    `images`, and returns float32 embeddings `(batch, size)`. With LiteRT, the batch is one. A
    `SpectralConv2D` becomes a plain convolution of the same kernel, because other runtimes are fast
    at those convolutions.

    Before the function returns, it runs the file on a few images and compares the results with the
    model's own. They may differ by 0.1% of the largest result, or by 2% (10%) if the tower computes
    in float16 (bfloat16).

    The file holds a record in JSON: part, class of the head and version. The record of a `Verifier`
    also has the fingerprint, the preprocessing, all attributes of the `Calibration`, and what the
    validation images look like. The record is the text `siamese_verify` in the metadata of an ONNX
    file, followed by a digest of the file. It is the file `siamese_verify.json` in the zip archive
    at the end of a LiteRT file, and in the folder `assets.extra` of a SavedModel.

    `OnnxVerifier` decides with an ONNX file of a `Verifier` as the verifier does, without
    TensorFlow.

    Args:
        source: Calibrated verifier, or built model without a threshold.
        path: Path to write to: `NAME.onnx` (extra `onnx`), `NAME.tflite` (extra `litert`), or a
            folder for a SavedModel. An older export is replaced when the new one is complete.
        part: `"pair"` for the whole model, `"tower"` for embeddings only.

    Raises:
        ValueError: If `path` has another suffix or is a folder of other files, `part` is unknown,
            or the model is not built.
        RuntimeError: If the exported file does not run, or returns other results than the model.
            Also if the verifier has no threshold, or the model has changed since then. An older
            file stays as it was.
        ImportError: If the extra is not installed.
        NotImplementedError: If Keras's backend cannot write the format. TensorFlow writes all, and
            torch writes ONNX.

    Examples:
        >>> tower = ConvTower([ConvBlock(8, 3)], (16, 16, 1), embedding_size=32)
        >>> export_model(SiameseModel(tower, CosineHead()), "faces.onnx")  # doctest: +SKIP

    Reference:
        Keras, `Model.export`.
    """
    target = Path(path)
    if target.suffix not in FORMATS:
        raise ValueError(
            "`path` must end in .onnx or .tflite, or be a folder for a SavedModel. "
            f"Received: path={shown(path)}"
        )
    if part not in ("pair", "tower"):
        raise ValueError(f"`part` must be 'pair' or 'tower'. Received: part={shown(repr(part))}")
    model = source.model if isinstance(source, Verifier) else source
    if not model.built:
        raise ValueError(
            "A model is exported once it knows the shape of its images. Call it on images first. "
            f"Received: {shown(repr(model.name))}, which is not built"
        )
    kind, record = FORMATS[target.suffix], _record(source, part)
    check_can_export(target)
    with kind.replacing(target) as unfinished:
        with direct_convolutions(), warnings.catch_warnings():
            # Keras looks for `np.object` on its way to ONNX, of which NumPy warns.
            warnings.filterwarnings("ignore", ".*`np.object` will be defined", FutureWarning)
            _in_inference(model, part, kind).export(unfinished, format=kind.name, verbose=False)
        kind.attach(unfinished, record)
        _check_results(model, part, kind, unfinished)


def _record(source: Verifier | SiameseModel, part: str) -> dict[str, Any]:
    """Collect what whoever runs the file must know."""
    version = importlib.metadata.version("siamese-verify")
    record = {"format": FORMAT, "version": version, "part": part}
    if isinstance(source, SiameseModel):
        return {**record, "head": type(source.head).__name__}
    bound = source._valid_calibration()
    return {
        **record,
        "head": type(source.model.head).__name__,
        "preprocessing": source.preprocessing.to_dict(),
        **bound.calibration.to_dict(),
        "fingerprint": bound.fingerprint,
        "decoding": bound.decoding,
        "looks": None if bound.looks is None else bound.looks.to_dict(),
    }


def _in_inference(model: SiameseModel, part: str, kind: Format) -> keras.Model:
    """Make a model of named inputs in which no layer is in training, whatever its default is."""
    names = ("left", "right") if part == "pair" else ("images",)
    inputs = [
        keras.Input(model.image_shape, kind.batch_size, name=name, dtype="float32")
        for name in names
    ]
    if part == "pair" and not kind.with_embeddings:
        outputs = model(tuple(inputs), training=False)
    else:
        images = keras.ops.concatenate(inputs, axis=0)
        embeddings = in_inference(model.tower)(images, training=False)
        outputs = keras.ops.cast(embeddings, "float32")
    if part == "pair" and kind.with_embeddings:
        # Some exporters fix the lengths of a split.
        both = keras.ops.reshape(outputs, (2, -1, outputs.shape[-1]))
        outputs = [model.head((both[0], both[1])), both[0], both[1]]
    whole = keras.Model(inputs, outputs)
    whole(inputs)  # Keras exports only a model that was called.
    return whole


def _check_results(model: SiameseModel, part: str, kind: Format, path: Path) -> None:
    """Raise an error unless the exported file returns what the model returns."""
    shape = [size or _ANY_SIZE for size in model.image_shape]
    images = np.random.default_rng(0).random((4, *shape), np.float32)
    if part == "pair":
        left, right = images[_PAIRS.T]
        inputs = {"left": left, "right": right}
    else:
        inputs = {"images": images}
    # A random layer starts the same series of numbers in the file as in the model. Only the second
    # results of the model show it.
    for _ in range(2):
        expected = model.embed(images)
    if part == "pair":
        expected = score_pairs(model.head, expected, _PAIRS)[:, None]
    try:
        actual = kind.run(path, inputs)
    except Exception as error:  # Each runtime has its own exceptions.
        raise RuntimeError(
            f"The exported {part} does not run, so no file was written. A layer of the model may "
            "not suit the format: try another format, or replace the layer. "
            f"Received: {type(error).__name__}: {shown(error)}"
        ) from error
    _compare(actual, expected, _TOLERANCES.get(model.tower.compute_dtype, 1e-1), part)


def _compare(
    actual: npt.NDArray[Any], expected: npt.NDArray[np.float32], tolerance: float, part: str
) -> None:
    largest = np.abs(expected).max()
    if actual.shape == expected.shape:
        difference = np.abs(actual - expected).max()
        if difference <= tolerance * largest:  # The comparison is false for NaN.
            return
        found = f"a difference of {difference:.3g}, at results up to {largest:.3g}"
    else:
        found = f"results of shape {actual.shape}, not {expected.shape}"
    raise RuntimeError(
        f"The exported {part} returns other results than the model, so no file was written. A "
        "layer may be random in inference too, or the format may compute it in another way: try "
        f"another format, or replace the layer. Received: {found}"
    )
