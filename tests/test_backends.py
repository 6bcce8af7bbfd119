"""Tests of Keras's backends against each other, by files that each has written.

`backend_files/` holds a verifier, a gallery and a compiled model of each backend.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from backend_files.write import BACKENDS, FOLDER, IMAGES, INDICES, next_step

import siamese_verify as sv
from siamese_verify.backends import on_cpu, without_gradients
from siamese_verify.verification.export import export_model

each_writer = pytest.mark.parametrize("writer", BACKENDS)


def expected(writer: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{writer}.json").read_text())


def load(writer: str) -> sv.Verifier:
    return sv.Verifier.load(FOLDER / f"{writer}_verifier.keras")


@each_writer
def test_a_verifier_scores_as_on_the_backend_that_wrote_it(writer: str) -> None:
    verifier, there = load(writer), expected(writer)
    assert (verifier.fingerprint, verifier.threshold) == (there["fingerprint"], there["threshold"])
    scores = verifier.model.score(IMAGES, INDICES)
    assert np.ptp(scores) > 0.05
    np.testing.assert_allclose(scores, there["scores"], rtol=0, atol=1e-5)


@each_writer
def test_a_gallery_is_searched_as_on_the_backend_that_wrote_it(writer: str) -> None:
    verifier = load(writer)
    verifier.load_gallery(FOLDER / f"{writer}_gallery.npz")
    assert verifier.identify(IMAGES[2])[0].name == expected(writer)["match"] == "Ada"


@each_writer
def test_a_model_trains_on_as_on_the_backend_that_wrote_it(writer: str) -> None:
    model = keras.saving.load_model(FOLDER / f"{writer}_model.keras")
    assert int(model.optimizer.iterations) == 32
    here, there = next_step(model), expected(writer)
    assert here["loss"] == pytest.approx(there["loss"], rel=1e-4)
    assert here["eer"] == pytest.approx(there["eer"], abs=0.02)  # Scores that are nearly equal.
    changes = [figures["loss of next step"] - figures["loss"] for figures in (here, there)]
    # Adam divides by the gradient's size, and so also what rounding adds to a gradient near zero.
    assert changes[0] == pytest.approx(changes[1], rel=0.2)


def test_a_file_describes_its_model_alike_on_every_backend(tmp_path: Path) -> None:
    def configuration(path: Path) -> str:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))

    original = FOLDER / "tensorflow_model.keras"
    keras.saving.load_model(original).save(tmp_path / "again.keras")
    again = configuration(tmp_path / "again.keras")
    assert "torch" not in json.dumps(again)
    assert again["compile_config"] == configuration(original)["compile_config"]
    assert again["config"] == configuration(original)["config"]


def test_no_gradient_is_kept() -> None:
    dense = keras.layers.Dense(2)
    dense.build((None, 3))
    with without_gradients():
        outputs = dense(np.ones((1, 3), np.float32))
    assert not getattr(outputs, "requires_grad", False)
    assert on_cpu() in (True, False)


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow exports all")
@pytest.mark.parametrize("name", ["faces.tflite", "faces", "faces.onnx"])
def test_an_export_that_the_backend_cannot_write_says_what_to_use(
    name: str, tmp_path: Path
) -> None:
    model = load("tensorflow").model
    if (keras.backend.backend(), name) == ("torch", "faces.onnx"):
        pytest.skip("torch writes it")
    with pytest.raises(NotImplementedError, match=r"KERAS_BACKEND=tensorflow\. Received: path="):
        export_model(model, tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="Other tests export by TensorFlow")
@pytest.mark.filterwarnings("ignore")  # Warnings inside of the exporter would end it.
def test_torch_exports_onnx_that_scores_as_the_model(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = load("tensorflow").model
    export_model(model, tmp_path / "faces.onnx")
    left, right = IMAGES[INDICES[:9].T] / np.float32(255)
    session = runtime.InferenceSession(tmp_path / "faces.onnx")
    scores = session.run(None, {"left": left, "right": right})[0]
    np.testing.assert_allclose(scores, model.predict((left, right), verbose=0), atol=1e-5)
