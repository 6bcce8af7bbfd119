"""Tests of weights in files: only plain arrays, and no model that needs more than it has."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from test_archive import little_memory
from verifiers import make_enrolled, rewritten

import siamese_verify as sv
from siamese_verify.verification.file import VerifierFileError, digests

KERNEL = "layers/conv_tower/layers/dense/vars/0"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "whole.keras"
    make_enrolled().save(path)
    return path


def replace(**arguments: Any) -> Callable[[h5py.File], None]:
    """Make a function that puts another array in the place of a kernel."""

    def change(file: h5py.File) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, **arguments)

    return change


def link(target: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = target

    return change


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((2**14, 2**14), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=layout.shape)
    del file[KERNEL]
    file.create_virtual_dataset(KERNEL, layout)


def loop(file: h5py.File) -> None:
    file["one"] = file["another"] = file["/"]


def deep(file: h5py.File) -> None:
    file.create_group("x/" * 1_000)


def many_names(file: h5py.File) -> None:
    for i in range(100):
        file[f"name{i}"] = file[KERNEL]


@pytest.mark.parametrize(
    "change",
    [
        replace(shape=(2**15, 2**15), dtype="f4", chunks=(2**10, 2**10), compression="gzip"),
        replace(shape=(2**15, 2**15), dtype="f4"),
        replace(shape=(4,), dtype="f4", external=[("/etc/hostname", 0, 16)]),
        replace(data=["a text"], dtype=h5py.string_dtype()),
        replace(data=h5py.Empty("f4")),
        link(h5py.SoftLink("/head/vars/0")),
        link(h5py.ExternalLink("other.h5", "/x")),
        link(np.dtype("f4")),
        virtual,
        loop,
        deep,
        many_names,
    ],
)
def test_weights_that_are_not_plain_arrays_raise_and_need_little_memory(
    change: Callable[[h5py.File], None], whole: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(whole) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    buffer = io.BytesIO(members["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        change(file)
    members["model.weights.h5"] = buffer.getvalue()
    settings = json.loads(members.pop("verifier.json"))
    settings["digests"] = digests(members, settings)
    path = tmp_path / "changed.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, "verifier.json": json.dumps(settings)}.items():
            archive.writestr(name, content)
    with little_memory(), pytest.raises(VerifierFileError, match=r"is damaged: .* in its weights"):
        sv.Verifier.load(path)


def layer(kind: str, /, **config: object) -> dict[str, object]:
    return {"module": "keras.layers", "class_name": kind, "config": config}


@pytest.mark.parametrize(
    "layers",
    [
        [layer("Flatten"), layer("Dense", units=10**9)],
        [layer("Flatten"), layer("Dense", units=10**5), layer("Dense", units=10**5)],
        # This tower returns no vectors, which Keras finds after it has made the weights.
        [layer("Flatten"), layer("Embedding", input_dim=10**9, output_dim=8)],
        [layer("Conv2D", filters=10**9, kernel_size=3), layer("GlobalMaxPooling2D")],
    ],
)
def test_a_model_that_needs_more_weights_than_its_file_holds_is_never_made(
    layers: list[dict], whole: Path, tmp_path: Path
) -> None:
    for number, part in enumerate(layers):
        part["config"]["name"] = f"layer_{number}"
    start = layer("InputLayer", batch_shape=[None, 16, 16, 1], dtype="float32", name="images")
    tower = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "tower", "layers": [start, *layers]},
    }

    def change(config: dict) -> dict:
        return {**config, "config": {**config["config"], "tower": tower}}

    path = rewritten(whole, tmp_path / "huge.keras", "config.json", change)
    with little_memory():
        with pytest.raises(VerifierFileError, match=r"Its layers need [\d,]+ weights"):
            sv.Verifier.load(path)
        # Keras makes variables that wait for it at the next call of a layer.
        keras.layers.Dense(1)(keras.Input((1,)))
