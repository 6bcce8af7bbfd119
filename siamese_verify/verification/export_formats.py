"""The formats of exported models: how each is replaced, carries its record, and is run."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.files import replacing, scratch_folder
from siamese_verify.lazy_tensorflow import tf
from siamese_verify.messages import shown
from siamese_verify.verification.onnx_record import KEY, attach

Arrays = Mapping[str, npt.NDArray[np.float32]]
Record = dict[str, Any]
# The files and folders of a SavedModel. A folder with others is never replaced.
_SAVED_MODEL = {"assets", "assets.extra", "fingerprint.pb", "saved_model.pb", "variables"}


class Format(NamedTuple):
    """Format of an exported model.

    Args:
        name: Name by which Keras knows the format.
        extra: Extra of this package that writes and runs the format.
        modules: Modules of the extra.
        backends: Backends of Keras that write the format.
        batch_size: Number of images in a batch. None stands for any.
        with_embeddings: Whether a pair model also returns its embeddings.
        replacing: Context in which a new export is written, which then replaces the older one.
        attach: Function that adds the record to an export.
        run: Function that runs an export on arrays, given by the names of the inputs.
    """

    name: str
    extra: str
    modules: tuple[str, ...]
    backends: tuple[str, ...]
    batch_size: int | None
    with_embeddings: bool
    replacing: Callable[[Path], contextlib.AbstractContextManager[Path]]
    attach: Callable[[Path, Record], None]
    run: Callable[[Path, Arrays], npt.NDArray[Any]]


def check_can_export(path: Path) -> None:
    """Check that this process can write the format of a path.

    Raises:
        NotImplementedError: If the backend cannot.
        ImportError: If a module of the format is not installed.
    """
    suffix, backend = path.suffix, keras.backend.backend()
    if backend not in FORMATS[suffix].backends:
        raise NotImplementedError(
            f"With Keras's backend {backend}, models are not exported to "
            f"{suffix or 'a SavedModel'}. Save the model to a .keras file, and export that in a "
            "process with the environment variable KERAS_BACKEND=tensorflow. "
            f"Received: path={shown(path)}"
        )
    for module in FORMATS[suffix].modules:
        if module == "tf2onnx" and backend != "tensorflow":
            continue
        if importlib.util.find_spec(module) is None:
            raise ImportError(
                f"An export to {suffix} needs {module}, to write the file and to run it once. "
                f'Install it: pip install "siamese-verify[{FORMATS[suffix].extra}]"'
            )


def _run_onnx(path: Path, inputs: Arrays) -> npt.NDArray[Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, dict(inputs))[0])


def _attach_to_litert(path: Path, record: Record) -> None:
    # LiteRT reads from the start of a file and zip from its end, so that both read their part.
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{KEY}.json", json.dumps(record))


def _run_litert(path: Path, inputs: Arrays) -> npt.NDArray[Any]:
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path)).get_signature_runner()
    n = len(next(iter(inputs.values())))
    batches = [{name: array[i : i + 1] for name, array in inputs.items()} for i in range(n)]
    return np.concatenate([next(iter(run(**batch).values())) for batch in batches])


def _attach_to_saved_model(path: Path, record: Record) -> None:
    folder = path / "assets.extra"
    folder.mkdir(exist_ok=True)
    (folder / f"{KEY}.json").write_text(json.dumps(record), encoding="utf-8")


def _run_saved_model(path: Path, inputs: Arrays) -> npt.NDArray[Any]:
    run = tf.saved_model.load(path).signatures["serving_default"]
    outputs = run(**{name: tf.constant(array) for name, array in inputs.items()})
    return np.asarray(next(iter(outputs.values())))


@contextlib.contextmanager
def _replacing_saved_model(path: Path) -> Iterator[Path]:
    """Yield a temporary folder, which replaces `path` when the block ends without an error."""
    if path.exists() and not (path.is_dir() and {*os.listdir(path)} <= _SAVED_MODEL):
        raise ValueError(
            f"{shown(path)} exists and is not a SavedModel, so it is not replaced. Choose another "
            f"folder, or a path that ends in .onnx or .tflite. Received: path={shown(path)}"
        )
    with scratch_folder(path.parent) as scratch:
        yield scratch / path.name
        # A folder with files cannot be replaced in one step. The older one stands outside of the
        # scratch folder, so that nothing removes it if the process is killed here.
        older = path.with_name(f".older-{uuid.uuid4().hex}-{path.name}")
        if path.exists():
            path.rename(older)
        try:
            (scratch / path.name).rename(path)
        finally:
            if older.exists() and not path.exists():
                older.rename(path)
            shutil.rmtree(older, ignore_errors=True)


FORMATS = {
    ".onnx": Format(
        *("onnx", "onnx", ("onnx", "onnxruntime", "tf2onnx"), ("tensorflow", "torch"), None, True),
        *(replacing, attach, _run_onnx),
    ),
    ".tflite": Format(
        *("litert", "litert", ("ai_edge_litert",), ("tensorflow",), 1, False),
        *(replacing, _attach_to_litert, _run_litert),
    ),
    "": Format(
        *("tf_saved_model", "", (), ("tensorflow",), None, False),
        *(_replacing_saved_model, _attach_to_saved_model, _run_saved_model),
    ),
}
"""Each format by the suffix of its path."""
