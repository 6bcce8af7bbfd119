"""Tests of the files of verifiers: damaged, newer and dangerous ones raise an error."""

import inspect
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from verifiers import FACE_SIZE, build_for_faces, rewritten

import siamese_verify as sv
from siamese_verify.evaluation.calibration import CalibrationWarning, calibrate
from siamese_verify.verification.file import VerifierFileError


def test_keras_itself_loads_the_file_too(
    verifier: sv.Verifier, saved: Path, pairs: sv.PairDataset
) -> None:
    model = keras.models.load_model(saved)
    np.testing.assert_array_equal(
        model.score(pairs.images, pairs.indices),
        verifier.model.score(pairs.images, pairs.indices),
    )


def test_a_failed_save_leaves_the_old_file(
    verifier: sv.Verifier, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(OSError, match="no space"):
        verifier.save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_damaged_files_raise(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        weights, directory = archive.getinfo("model.weights.h5"), archive.start_dir
    middle = weights.header_offset + weights.file_size // 2

    def changed(position: int) -> bytes:
        return whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]

    damages = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "changed": changed(middle),
        "compressed": changed(directory + 10),  # by a method that there is not
        "encrypted": changed(directory + 8),
        "text": b"no archive",
    }
    for name, content in damages.items():
        path = tmp_path / f"{name}.keras"
        path.write_bytes(content)
        with pytest.raises(VerifierFileError, match=f"{name}.keras is damaged"):
            sv.Verifier.load(path)
    with pytest.raises(FileNotFoundError):
        sv.Verifier.load(tmp_path / "none.keras")


def swapped(target: Path, other: Path, *members: str) -> Path:
    """Put members of another file into a copy."""
    with zipfile.ZipFile(target) as mine, zipfile.ZipFile(other) as theirs:
        contents = {
            name: (theirs if name in members else mine).read(name) for name in mine.namelist()
        }
    path = target.with_name("swapped.keras")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("member", ["verifier.json", "config.json", "model.weights.h5"])
def test_a_file_with_parts_of_another_raises(
    member: str, verifier: sv.Verifier, tmp_path: Path
) -> None:
    model = build_for_faces()
    model.set_weights([2 * weights for weights in model.get_weights()])
    other = sv.Verifier(model, verifier.preprocessing)
    other.calibration = calibrate(np.arange(400.0), np.arange(400) // 200)
    verifier.save(tmp_path / "mine.keras")
    other.save(tmp_path / "other.keras")
    path = swapped(tmp_path / "mine.keras", tmp_path / "other.keras", member)
    with pytest.raises(VerifierFileError, match="was changed after it was saved"):
        sv.Verifier.load(path)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("calibration", {"threshold": 0.25}),
        ("calibration", {"far": [0.0, 0.0, 0.01]}),
        ("calibration", {"prior": 0.25}),
        ("preprocessing", {"max_pixels": 9}),
    ],
)
def test_a_changed_setting_raises(
    part: str, value: dict[str, object], saved: Path, tmp_path: Path
) -> None:
    def change(settings: dict) -> dict:
        return {**settings, part: {**settings[part], **value}}

    path = rewritten(saved, tmp_path / "x.keras", "verifier.json", change, signed=False)
    with pytest.raises(VerifierFileError, match=r"was changed after .* another verifier\.json"):
        sv.Verifier.load(path)
    if part == "calibration":  # The digests are not a signature.
        rewritten(saved, path, "verifier.json", change)
        assert sv.Verifier.load(path).calibration != sv.Verifier.load(saved).calibration


@pytest.mark.parametrize("member", ["verifier.json", "config.json"])
@pytest.mark.parametrize(
    "text", [b"", b"[]", b"null", b"\xff\xfe\x00", b"[" * 10**5 + b"]" * 10**5, b"9" * 10**4]
)
def test_texts_of_any_kind_raise(member: str, text: bytes, saved: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    path = tmp_path / "x.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**contents, member: text}.items():
            archive.writestr(name, content)
    with pytest.raises(VerifierFileError, match=r"x\.keras (is damaged|was changed|cannot be)"):
        sv.Verifier.load(path)


def test_a_newer_file_raises(saved: Path, tmp_path: Path) -> None:
    path = rewritten(saved, tmp_path / "x.keras", "verifier.json", lambda x: {**x, "format": 99})
    with pytest.raises(VerifierFileError, match=r"newer siamese-verify.*Received: format=99"):
        sv.Verifier.load(path)


def test_a_model_without_a_threshold_raises(tmp_path: Path) -> None:
    build_for_faces().save(tmp_path / "model.keras")
    with pytest.raises(VerifierFileError, match="without preprocessing and threshold"):
        sv.Verifier.load(tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("part", "match"),
    [
        ({"module": "keras.layers", "class_name": "Lambda", "config": {}}, "holds code"),
        ({"class_name": "__lambda__", "config": {}}, "holds code"),
        ({"module": "os", "class_name": "function", "config": "system"}, "not registered"),
        ({"module": "keras.layers", "class_name": "TFSMLayer", "config": {}}, "holds code"),
        ({"module": "keras.utils", "class_name": "function", "config": "get_file"}, "not part of"),
        ({"module": "keras.models", "class_name": "function", "config": "load_model"}, "not part"),
        ({"module": "keras", "class_name": "function", "config": "utils.get_file"}, "not part of"),
        ({"module": "keras.src.saving", "class_name": "function", "config": "load"}, "not part of"),
        ({"module": "keras", "class_name": "layers.Lambda", "config": {}}, "not part of"),
        (
            {
                "module": "keras_hub.x",
                "class_name": "function",
                "config": "f",
                "registered_name": "siamese_verify>ConvTower",
            },
            "'f', which is not registered",
        ),
        ({"module": None, "class_name": "Own", "config": {}}, "'Own', which is not registered"),
        ({"class_name": "__typespec__", "config": [], "spec_name": "X"}, "holds code"),
        ({"module": 3, "class_name": "Layer", "config": {}}, "not registered"),
        ({"module": "keras.models", "class_name": "load_model", "config": {}}, "not part of"),
        ({"module": "keras.layers", "class_name": "Nothing", "config": {}}, "loaded by Keras"),
        ({"module": "evil", "class_name": "Layer", "registered_name": "evil>Layer"}, "evil>Layer"),
    ],
)
def test_code_in_a_file_is_not_run(
    saved: Path, tmp_path: Path, part: dict[str, object], match: str
) -> None:
    def change(config: dict[str, object]) -> dict[str, object]:
        return {**config, "config": {**config["config"], "head": part}}

    path = rewritten(saved, tmp_path / "x.keras", "config.json", change)
    with pytest.raises(VerifierFileError, match=match):
        sv.Verifier.load(path)


def test_any_model_made_of_keras_parts_is_saved_and_loaded(
    pairs: sv.PairDataset, paths: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    images = keras.Input((*FACE_SIZE, 1))
    x = keras.layers.Conv2D(
        4, 3, activation="relu", kernel_regularizer="l2", kernel_constraint="max_norm",
        kernel_initializer=keras.initializers.HeNormal(keras.random.SeedGenerator(1)),
    )(images)  # fmt: skip
    x = keras.layers.Dropout(0.1, seed=1)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Activation(keras.activations.gelu)(keras.ops.sqrt(keras.ops.abs(x)) / 2 + x)
    x = keras.layers.GlobalAveragePooling2D(dtype="mixed_bfloat16")(x)
    tower = keras.Model(images, keras.layers.Dense(8, dtype="float32")(x))
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    tower.compile(keras.optimizers.SGD(schedule), loss=keras.losses.MeanSquaredError())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        verifier = sv.Verifier(tower, pairs.preprocessing, head=sv.CosineHead()).calibrate(pairs)
    verifier.save(tmp_path / "faces.keras")
    again = sv.Verifier.load(tmp_path / "faces.keras")
    assert again.verify(*paths[0]) == verifier.verify(*paths[0])


def test_a_network_of_keras_applications_is_saved_and_loaded(tmp_path: Path) -> None:
    # The smallest network of the class has the parts of the others, two of them of this module.
    network = inspect.getmodule(keras.applications.ConvNeXtTiny).ConvNeXt(
        depths=[1] * 4,
        projection_dims=[4] * 4,
        drop_path_rate=0.1,
        include_top=False,
        weights=None,
        input_shape=(32, 32, 3),
        pooling="avg",
    )
    tower = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Rescaling(255.0), network])
    preprocessing = sv.Preprocessing((32, 32), 3)
    verifier = sv.Verifier(tower, preprocessing, head=sv.CosineHead())
    verifier.calibration = calibrate(np.arange(400.0), np.arange(400) // 200)
    verifier.save(tmp_path / "faces.keras")
    assert sv.Verifier.load(tmp_path / "faces.keras").preprocessing == preprocessing


def test_a_file_with_another_suffix_is_not_read(saved: Path, tmp_path: Path) -> None:
    # Keras would read one that ends in .h5 as HDF5, which may stand before the checked archive.
    path = tmp_path / "faces.h5"
    path.write_bytes(saved.read_bytes())
    with pytest.raises(VerifierFileError, match=r"must end in \.keras"):
        sv.Verifier.load(path)


@pytest.mark.parametrize("name", ["faces", "faces.h5"])
def test_saving_with_another_suffix_raises(
    verifier: sv.Verifier, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ValueError, match=r"must end in \.keras"):
        verifier.save(tmp_path / name)
