"""Tests of exported models: they score in other runtimes as the model does."""

from pathlib import Path

import keras
import numpy as np
import pytest

import siamese_verify as sv
from siamese_verify.verification.export import export_model

# Keras, tf2onnx and LiteRT warn of themselves.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow exports alone"),
]

HEADS = {"l1": sv.WeightedL1Head, "euclidean": sv.EuclideanHead, "cosine": sv.CosineHead}


def build(head: str) -> sv.SiameseModel:
    """All layers that a tower may have, a spectral one among them."""
    keras.utils.set_random_seed(0)
    blocks = [
        sv.ConvBlock(4, 3, 2, batch_norm=True),
        sv.ConvBlock(8, 5, 2, dropout=0.2, method="spectral"),
    ]
    tower = sv.ConvTower(blocks, (24, 24, 1), 16, normalize=True)
    model = sv.SiameseModel(tower, HEADS[head]())
    # Averages and scales must differ from their initial values.
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.1 * rng.random(w.shape) for w in model.get_weights()])
    return model


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).random((2, 5, 24, 24, 1), dtype=np.float32)


def run_onnx(path: Path, **inputs: np.ndarray) -> np.ndarray:
    runtime = pytest.importorskip("onnxruntime")
    return runtime.InferenceSession(path).run(None, inputs)[0]


def run_litert(path: Path, **inputs: np.ndarray) -> np.ndarray:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path))
    runner = interpreter.get_signature_runner()
    one_by_one = zip(*inputs.values(), strict=True)
    outputs = [
        runner(**{name: x[None] for name, x in zip(inputs, each, strict=True)})
        for each in one_by_one
    ]
    return np.concatenate([next(iter(output.values())) for output in outputs])


def run_saved_model(path: Path, **inputs: np.ndarray) -> np.ndarray:
    tf = pytest.importorskip("tensorflow")
    run = tf.saved_model.load(path).signatures["serving_default"]
    return next(iter(run(**{name: tf.constant(x) for name, x in inputs.items()}).values())).numpy()


RUNTIMES = {"faces.onnx": run_onnx, "faces.tflite": run_litert, "faces": run_saved_model}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", RUNTIMES)
def test_an_exported_pair_model_scores_as_the_model(
    name: str, head: str, images: np.ndarray, tmp_path: Path
) -> None:
    if name == "faces.onnx":
        pytest.importorskip("tf2onnx")
    model = build(head)
    export_model(model, tmp_path / name)
    left, right = images
    expected = model.predict((left, right), verbose=0)
    scores = RUNTIMES[name](tmp_path / name, left=left, right=right)
    assert scores.shape == expected.shape
    np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("name", RUNTIMES)
def test_an_exported_tower_embeds_as_the_model(
    name: str, images: np.ndarray, tmp_path: Path
) -> None:
    if name == "faces.onnx":
        pytest.importorskip("tf2onnx")
    model = build("cosine")
    export_model(model, tmp_path / name, part="tower")
    embeddings = RUNTIMES[name](tmp_path / name, images=images[0])
    np.testing.assert_allclose(embeddings, model.embed(images[0]), atol=1e-5)


@pytest.mark.parametrize("several", [False, True])
def test_an_exported_flip_average_embeds_as_the_model(
    several: bool, images: np.ndarray, tmp_path: Path
) -> None:
    model = build("cosine")
    tower = sv.MultiCropTower([model.tower], [0.5], (24, 24)) if several else model.tower
    model = sv.SiameseModel(sv.FlipAverage(tower), model.head)
    export_model(model, tmp_path / "faces", part="tower")
    embeddings = run_saved_model(tmp_path / "faces", images=images[0])
    np.testing.assert_allclose(embeddings, model.embed(images[0]), atol=1e-5)


def test_layers_in_a_tower_of_a_tower_are_exported_as_plain_convolutions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = []
    monkeypatch.setattr(keras.Model, "export", lambda self, *_, **__: exported.append(self))
    model = build("cosine")
    export_model(sv.SiameseModel(sv.FlipAverage(model.tower), model.head), tmp_path / "faces")
    convolutions = [
        layer for layer in exported[0]._flatten_layers() if isinstance(layer, keras.layers.Conv2D)
    ]
    assert [layer.spectral for layer in convolutions] == [False, False]


@pytest.mark.parametrize(
    ("name", "part", "match"),
    [
        ("faces.pb", "pair", r"must end in \.onnx or \.tflite"),
        ("faces.onnx", "head", "part='head'"),
    ],
)
def test_an_unknown_suffix_or_part_raises(name: str, part: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=match):
        export_model(build("cosine"), tmp_path / name, part)


def test_a_failed_export_leaves_the_old_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(_: object, path: Path, **__: object) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left on the disk")

    path = tmp_path / "faces.onnx"
    path.write_bytes(b"old")
    monkeypatch.setattr(keras.Model, "export", fail)
    with pytest.raises(OSError, match="no space left"):
        export_model(build("cosine"), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
