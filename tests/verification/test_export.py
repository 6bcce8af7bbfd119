"""Tests of exported models: they score in other runtimes as the model does."""

import dataclasses
import importlib.metadata
import itertools
import json
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import siamese_verify as sv
from siamese_verify.evaluation.calibration import calibrate
from siamese_verify.verification.export import export_model
from siamese_verify.verification.export_formats import FORMATS

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


@pytest.mark.parametrize(
    ("name", "head"),
    [
        *zip(RUNTIMES, HEADS, strict=True),
        *(
            pytest.param(name, head, marks=pytest.mark.slow)
            for name, head in itertools.product(RUNTIMES, HEADS)
            if [*RUNTIMES].index(name) != [*HEADS].index(head)
        ),
    ],
)
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


@pytest.fixture(scope="module")
def verifier() -> sv.Verifier:
    return calibrated()


@pytest.fixture(scope="module", params=RUNTIMES)
def exported_tower(
    request: pytest.FixtureRequest, verifier: sv.Verifier, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    if request.param == "faces.onnx":
        pytest.importorskip("tf2onnx")
    path = tmp_path_factory.mktemp("tower") / request.param
    export_model(verifier, path, part="tower")
    return path


def test_an_exported_tower_embeds_as_the_model(
    exported_tower: Path, verifier: sv.Verifier, images: np.ndarray
) -> None:
    embeddings = RUNTIMES[exported_tower.name](exported_tower, images=images[0])
    np.testing.assert_allclose(embeddings, verifier.model.embed(images[0]), atol=1e-5)


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


def test_an_export_to_onnx_does_not_warn_of_numpy(tmp_path: Path) -> None:
    tf2onnx_lib = pytest.importorskip("keras.src.export.tf2onnx_lib")
    pytest.importorskip("tf2onnx")
    tf2onnx_lib.patch_tf2onnx.cache_clear()  # Keras patches once.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export_model(build("cosine"), tmp_path / "faces.onnx", part="tower")
    assert not [str(w.message) for w in caught if w.category is FutureWarning]


def test_layers_in_a_tower_of_a_tower_are_exported_as_plain_convolutions(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    model = build("cosine")
    export_model(sv.SiameseModel(sv.FlipAverage(model.tower), model.head), tmp_path / "faces")
    graph = tf.saved_model.load(tmp_path / "faces").signatures["serving_default"].graph
    functions = graph.as_graph_def().library.function
    operations = [node.op for function in functions for node in function.node_def]
    assert operations.count("Conv2D") >= 2
    assert "Einsum" not in operations
    assert "BatchMatMulV2" not in operations


class OwnTower(keras.Model):
    """A tower without the argument `training`, which its layers must learn of all the same."""

    def __init__(self, inner: keras.Model) -> None:
        super().__init__()
        self.inner = inner

    def build(self, _: tuple) -> None:
        pass

    def call(self, images: object) -> object:
        return self.inner(images)


def random_in_training() -> keras.Model:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((24, 24, 1)),
            layers.RandomFlip(),
            layers.RandomContrast(0.9),
            layers.Conv2D(4, 3, 3),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(8),
        ]
    )


TOWERS = {
    "sequential": random_in_training,
    "nested": lambda: keras.Sequential([keras.Input((24, 24, 1)), random_in_training()]),
    "flip": lambda: sv.FlipAverage(random_in_training()),
    "crops": lambda: sv.MultiCropTower([random_in_training()] * 2, [0.5, 1.0], (24, 24)),
    "own": lambda: OwnTower(random_in_training()),
}


@pytest.mark.parametrize("kind", TOWERS)
@pytest.mark.parametrize(
    "name", ["faces", *(pytest.param(n, marks=pytest.mark.slow) for n in RUNTIMES if "." in n)]
)
@pytest.mark.parametrize("part", ["pair", pytest.param("tower", marks=pytest.mark.slow)])
def test_layers_that_are_random_in_training_are_exported_in_inference(
    part: str, name: str, kind: str, images: np.ndarray, tmp_path: Path
) -> None:
    model = sv.SiameseModel(TOWERS[kind](), sv.WeightedL1Head())
    model.build(((None, 24, 24, 1),) * 2)
    export_model(model, tmp_path / name, part)
    if part == "pair":
        results = RUNTIMES[name](tmp_path / name, left=images[0], right=images[1])
        expected = model.predict(tuple(images), verbose=0)
    else:
        results = RUNTIMES[name](tmp_path / name, images=images[0])
        expected = model.embed(images[0])
    np.testing.assert_allclose(results, expected, atol=1e-5)


def read_record(path: Path) -> dict:
    if path.suffix == ".onnx":
        session = pytest.importorskip("onnxruntime").InferenceSession(path)
        return json.loads(session.get_modelmeta().custom_metadata_map["siamese_verify"])
    if path.suffix == ".tflite":
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("siamese_verify.json"))
    return json.loads((path / "assets.extra" / "siamese_verify.json").read_text())


def calibrated() -> sv.Verifier:
    preprocessing = sv.Preprocessing((24, 24), center_crop=(30, 30))
    verifier = sv.Verifier(build("cosine"), preprocessing)
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], 200)
    verifier.calibration = calibrate(rng.normal(labels) / 3, labels, "far=0.1")
    return verifier


def test_an_export_of_a_verifier_holds_its_threshold_policy_rates_and_preprocessing(
    exported_tower: Path, verifier: sv.Verifier
) -> None:
    record = read_record(exported_tower)
    assert record["threshold"] == verifier.threshold
    assert record["fingerprint"] == verifier.fingerprint
    assert (record["part"], record["head"]) == ("tower", "CosineHead")
    assert record["version"] == importlib.metadata.version("siamese-verify")
    assert sv.Preprocessing(**record["preprocessing"]) == verifier.preprocessing
    names = [field.name for field in dataclasses.fields(verifier.calibration)]
    of_calibration = {name: record[name] for name in names}
    assert type(verifier.calibration).from_dict(of_calibration) == verifier.calibration


def test_an_export_of_a_model_has_no_threshold(tmp_path: Path) -> None:
    export_model(build("l1"), tmp_path / "faces")
    assert read_record(tmp_path / "faces").keys() == {"format", "version", "part", "head"}


def test_a_verifier_without_a_valid_threshold_is_not_exported(tmp_path: Path) -> None:
    verifier = calibrated()
    verifier.model.set_weights([2 * w for w in verifier.model.get_weights()])
    with pytest.raises(RuntimeError, match="have changed since calibrate"):
        export_model(verifier, tmp_path / "faces")
    verifier.calibration = None
    with pytest.raises(RuntimeError, match="has no threshold"):
        export_model(verifier, tmp_path / "faces")
    assert not any(tmp_path.iterdir())


def older_export(path: Path) -> dict[Path, bytes]:
    """Write an older export, and return all files of its folder."""
    if path.suffix:
        path.write_bytes(b"older")
    else:
        path.mkdir()
        (path / "saved_model.pb").write_bytes(b"older")
    return contents(path.parent)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Noise(keras.layers.Layer):
    """A layer that is random in inference too."""

    def call(self, images: object) -> object:
        return images * (1 + keras.random.uniform((1, 24, 24, 1)))


@pytest.mark.parametrize("part", ["pair", "tower"])
@pytest.mark.parametrize("name", RUNTIMES)
def test_an_export_with_other_results_raises_and_leaves_the_older_export(
    name: str, part: str, tmp_path: Path
) -> None:
    if name == "faces.onnx":
        pytest.importorskip("tf2onnx")
    before = older_export(tmp_path / name)
    tower = keras.Sequential([keras.Input((24, 24, 1)), Noise(), keras.layers.Flatten()])
    with pytest.raises(RuntimeError, match=r"other results than the model|does not run"):
        export_model(sv.SiameseModel(tower, sv.EuclideanHead()), tmp_path / name, part)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", RUNTIMES)
def test_an_export_that_does_not_run_raises_and_leaves_the_older_export(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("an operation is unknown")

    before = older_export(tmp_path / name)
    suffix = Path(name).suffix
    write = (lambda path: path.write_bytes(b"newer")) if suffix else Path.mkdir
    monkeypatch.setattr(keras.Model, "export", lambda _, path, **__: write(path))
    changed = FORMATS[suffix]._replace(attach=lambda *_: None, run=fail)
    monkeypatch.setitem(FORMATS, suffix, changed)
    with pytest.raises(RuntimeError, match=r"does not run.*Received: OSError: an operation"):
        export_model(build("l1"), tmp_path / name)
    assert contents(tmp_path) == before


def test_a_newer_saved_model_replaces_the_older_one(images: np.ndarray, tmp_path: Path) -> None:
    export_model(build("cosine"), tmp_path / "faces")
    newer = build("cosine")
    newer.set_weights([2 * w for w in newer.get_weights()])
    export_model(newer, tmp_path / "faces", part="tower")
    embeddings = run_saved_model(tmp_path / "faces", images=images[0])
    np.testing.assert_allclose(embeddings, newer.embed(images[0]), atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_a_folder_of_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(ValueError, match="is not a SavedModel, so it is not replaced"):
        export_model(build("cosine"), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "chapter 1"


@pytest.mark.parametrize(("name", "extra"), [("faces.onnx", "onnx"), ("faces.tflite", "litert")])
def test_a_missing_runtime_names_its_extra(
    name: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ImportError, match=rf"siamese-verify\[{extra}\]"):
        export_model(build("cosine"), tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_a_model_that_is_not_built_is_not_exported(tmp_path: Path) -> None:
    model = sv.SiameseModel(keras.Sequential([keras.layers.Flatten()]), sv.CosineHead())
    with pytest.raises(ValueError, match="Call it on images first"):
        export_model(model, tmp_path / "faces")


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
