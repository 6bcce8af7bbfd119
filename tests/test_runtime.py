"""Tests of `OnnxVerifier`: the decisions of a `Verifier`, by a process without TensorFlow."""

import dataclasses
import io
import json
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from encoded_images import BY_PILLOW, ENCODED, NOISE, SMOOTH, encode, with_exif
from PIL import Image
from verifiers import draw_pairs

import siamese_verify as sv
from siamese_verify.data.decoding import ImageError
from siamese_verify.verification import onnx_record
from siamese_verify.verification.export import export_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
# Keras and tf2onnx warn of themselves.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow exports alone"),
]

SIZE = (24, 20)
FILES = {
    **ENCODED,
    **BY_PILLOW,
    **{f"JPEG, turned {n}": encode(SMOOTH, "JPEG", exif=with_exif(n)) for n in range(2, 9)},
    "PNG, grey of 16 bits": encode((np.arange(480, dtype=np.uint16) * 136).reshape(24, 20), "PNG"),
}
VERIFIERS = {
    "cosine, squash": (sv.CosineHead, sv.Preprocessing(SIZE)),
    "l1, letterbox": (sv.WeightedL1Head, sv.Preprocessing(SIZE, 3, resize="letterbox")),
    "euclidean, crop": (sv.EuclideanHead, sv.Preprocessing(SIZE, 1, (12, 12), resize="crop")),
}
LFW = Path(__file__).parents[2] / "shared" / "lfw"
CHILD = """
import json, sys
import siamese_verify as sv
exports, images, answers = sys.argv[1:]
images = json.load(open(images))
pairs = [(images[0], image) for image in images]
decisions = {
    path: [decision.to_dict() for decision in sv.OnnxVerifier.load(path).verify_many(pairs)]
    for path in json.loads(exports)
}
assert not {"tensorflow", "keras", "jax", "torch"} & sys.modules.keys()
json.dump(decisions, open(answers, "w"))
"""


def make_tower(channels: int, residual: bool) -> keras.Model:
    shape = (*SIZE, channels)
    if residual:
        return sv.FlipAverage(sv.ConvTower.residual(shape, 16, (4, 8), 0.1))
    return sv.ConvTower([sv.ConvBlock(4, 3, 2, batch_norm=True)], shape, 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def verifiers(folder: Path) -> dict[Path, sv.Verifier]:
    """Calibrated verifiers with a band for review, by the paths of their exports."""
    made = {}
    names = [f"person {i}" for i in range(14)]
    for i, (head, preprocessing) in enumerate(VERIFIERS.values()):
        keras.utils.set_random_seed(i)
        data = draw_pairs(folder / f"images {i}", names, preprocessing=preprocessing)
        model = sv.SiameseModel(make_tower(preprocessing.channels, i == 0), head())
        verifier = sv.Verifier(model, preprocessing)
        with warnings.catch_warnings(action="ignore"):  # The images are noise.
            verifier.calibrate(data, review=("frr=0.2", "far=0.2"))
        path = folder / f"{i}.onnx"
        export_model(verifier, path)
        made[path] = verifier
    return made


@pytest.fixture(scope="module")
def exported(verifiers: dict[Path, sv.Verifier]) -> Path:
    return next(iter(verifiers))


def decide_in_another_process(exports: list[Path], images: list[str], folder: Path) -> dict:
    listed, answers = folder / "images.json", folder / "answers.json"
    listed.write_text(json.dumps(images))
    paths = json.dumps([str(path) for path in exports])
    command = [sys.executable, "-c", CHILD, paths, str(listed), str(answers)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answers.read_text())


def check_decisions(
    verifiers: dict[Path, sv.Verifier], images: list[str], folder: Path
) -> list[dict]:
    """Compare the decisions of another process, and return them."""
    found = decide_in_another_process([*verifiers], images, folder)
    for path, verifier in verifiers.items():
        expected = verifier.verify_many([(images[0], image) for image in images])
        for one, other, image in zip(expected, found[str(path)], images, strict=True):
            expected_record = json.loads(json.dumps(one.to_dict()))
            assert other["score"] == pytest.approx(expected_record.pop("score"), abs=1e-4), image
            # The scores of noise lie so close together that the probability is steep.
            expected_record["probability"] = verifier.calibration.probability(other.pop("score"))
            assert other == expected_record, image
    return [decision for decisions in found.values() for decision in decisions]


def test_a_process_without_tensorflow_decides_alike_on_every_format(
    verifiers: dict[Path, sv.Verifier], tmp_path: Path
):
    images = []
    for i, (kind, contents) in enumerate(FILES.items()):
        images.append(str(tmp_path / f"{i} {kind.partition(',')[0]}"))
        Path(images[-1]).write_bytes(contents)
    decisions = check_decisions(verifiers, images, tmp_path)
    # The promise would be empty if all decisions were the same.
    assert len({decision["same"] for decision in decisions}) == 2
    assert len({decision["review"] for decision in decisions}) == 2
    assert len({tuple(decision["unlike_validation"]) for decision in decisions}) > 3


@pytest.mark.skipif(not LFW.is_dir(), reason="no images of LFW")
def test_it_decides_alike_on_100_photographs(verifiers: dict[Path, sv.Verifier], tmp_path: Path):
    images = sorted(map(str, LFW.rglob("*.jpg")))
    check_decisions(verifiers, random.Random(0).sample(images, 100), tmp_path)


def test_each_form_of_an_image_has_the_same_decision(exported: Path, tmp_path: Path):
    verifier = sv.OnnxVerifier.load(exported)
    path = tmp_path / "image.png"
    path.write_bytes(encode(SMOOTH, "PNG"))
    other = encode(NOISE, "PNG")
    forms = [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), Image.open(path)]
    decisions = verifier.verify_many([(form, other) for form in [*forms, SMOOTH]])
    assert all(decision == decisions[0] for decision in decisions)
    with path.open("rb") as file:
        assert verifier.verify(file, other) == decisions[0]


def test_it_has_what_the_verifier_has(verifiers: dict[Path, sv.Verifier]):
    for path, verifier in verifiers.items():
        again = sv.OnnxVerifier.load(path)
        for name in ("threshold", "calibration", "fingerprint", "preprocessing"):
            assert getattr(again, name) == getattr(verifier, name), name


def test_many_pairs_have_the_decisions_of_each_alone(exported: Path):
    verifier = sv.OnnxVerifier.load(exported)
    images = np.random.default_rng(0).integers(0, 256, (300, *SIZE), np.uint8)
    pairs = [(image, images[0]) for image in images]
    decisions = verifier.verify_many(pairs)
    for place in (0, 9, 255, 256, 299):
        alone = verifier.verify(*pairs[place])
        assert decisions[place].score == pytest.approx(alone.score, abs=1e-5)
    assert verifier.verify_many([]) == []


def test_what_is_no_image_or_no_pair_raises(exported: Path):
    verifier = sv.OnnxVerifier.load(exported)
    with pytest.raises(ImageError, match="cannot be read as an image"):
        verifier.verify(b"text", SMOOTH)
    with pytest.raises(TypeError, match=r"A pair must be two images. Received: pairs\[1\]="):
        verifier.verify_many([(SMOOTH, SMOOTH), (SMOOTH,)])
    with pytest.raises(FileNotFoundError):
        verifier.verify("nowhere.jpg", SMOOTH)


def rewritten(source: Path, target: Path, **changes: object) -> Path:
    """Copy an export, with another record and a digest that fits."""
    model = onnx.load(source)
    (text,) = (p.value for p in model.metadata_props if p.key == onnx_record.KEY)
    record = {**json.loads(text), **changes}
    del model.metadata_props[:]
    onnx.save(model, target)
    onnx_record.attach(target, {k: value for k, value in record.items() if value != "absent"})
    return target


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 3}, r"newer version .*Update siamese-verify\. Received: format=3, above 2"),
        ({"format": 1}, "earlier version .*Export the verifier again"),
        ({"part": "tower"}, "holds a tower.*Export the whole verifier.*Received: part=tower"),
        ({"fingerprint": "absent"}, "a model without a threshold. Export a calibrated Verifier"),
        ({"threshold": "high"}, "`threshold` must be a finite number"),
        ({"decoding": 99}, "decoding=99"),
        ({"frr": "absent"}, "frr"),
        ({"preprocessing": {"channels": 2}}, "`channels` must be 1 or 3"),
        ({"preprocessing": {"align": "faces>upright"}}, "'faces>upright'.*align=function"),
    ],
)
def test_a_file_that_cannot_decide_is_named_with_the_reason(
    changes: dict, message: str, exported: Path, tmp_path: Path
):
    path = rewritten(exported, tmp_path / "changed.onnx", **changes)
    with pytest.raises(
        sv.OnnxFileError, match=rf"(?s)^\S*changed.onnx cannot be loaded[.:] .*{message}"
    ):
        sv.OnnxVerifier.load(path)


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9, -2_000, -150, -20, -1])
def test_a_file_that_was_damaged_anywhere_raises(place: float, exported: Path, tmp_path: Path):
    contents = bytearray(exported.read_bytes())
    place = int(place * len(contents)) if 0 < place < 1 else place
    contents[place] ^= 1
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(contents)
    with pytest.raises(sv.OnnxFileError, match=r"damaged\.onnx cannot be loaded"):
        sv.OnnxVerifier.load(damaged)
    damaged.write_bytes(exported.read_bytes()[:place])
    with pytest.raises(sv.OnnxFileError, match=r"damaged\.onnx cannot be loaded"):
        sv.OnnxVerifier.load(damaged)


@pytest.mark.parametrize("contents", [b"", b"text", b"\x08\x08"])
def test_a_file_that_is_no_model_raises(contents: bytes, tmp_path: Path):
    (tmp_path / "model.onnx").write_bytes(contents)
    with pytest.raises(sv.OnnxFileError, match=r"model\.onnx cannot be loaded"):
        sv.OnnxVerifier.load(tmp_path / "model.onnx")
    with pytest.raises(sv.OnnxFileError, match="is not a regular file"):
        sv.OnnxVerifier.load(tmp_path)


def test_a_model_of_another_tool_has_no_record(exported: Path, tmp_path: Path):
    model = onnx.load(exported)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(sv.OnnxFileError, match="holds no record of a verifier"):
        sv.OnnxVerifier.load(tmp_path / "model.onnx")


def test_an_older_decoding_warns(exported: Path, tmp_path: Path):
    path = rewritten(exported, tmp_path / "older.onnx", decoding=1)
    with pytest.warns(UserWarning, match=r"older\.onnx was calibrated on images that this version"):
        sv.OnnxVerifier.load(path)


def test_a_function_that_aligns_can_be_passed(exported: Path, tmp_path: Path):
    def upside_down(image: np.ndarray) -> np.ndarray:
        return image[::-1]

    plain = sv.OnnxVerifier.load(exported)
    settings = {**plain.preprocessing.to_dict(), "align": "faces>upside_down"}
    path = rewritten(exported, tmp_path / "aligned.onnx", preprocessing=settings)
    verifier = sv.OnnxVerifier.load(path, align=upside_down)
    assert verifier.verify(SMOOTH, NOISE).score == plain.verify(SMOOTH[::-1], NOISE[::-1]).score
    with pytest.raises(ValueError, match=r"leave out `align`\. Received: align=<function"):
        sv.OnnxVerifier.load(exported, align=upside_down)


def test_a_missing_onnxruntime_names_the_extra(exported: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r'pip install "siamese-verify\[runtime\]"'):
        sv.OnnxVerifier.load(exported)


def test_the_command_verify_reads_an_export_without_tensorflow(
    verifiers: dict[Path, sv.Verifier], tmp_path: Path
):
    (path, verifier), *_ = verifiers.items()
    paths = [str(tmp_path / "one.png"), str(tmp_path / "other.png")]
    for name, image in zip(paths, (SMOOTH, NOISE), strict=True):
        Path(name).write_bytes(encode(image, "PNG"))
    code = (
        "import sys; from siamese_verify import cli; code = cli.main(sys.argv[1:])\n"
        "assert not {'tensorflow', 'keras'} & sys.modules.keys(); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "verify", str(path), *paths, "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    decision = verifier.verify(*paths)
    assert result.returncode == (0 if decision else 1), result.stderr
    assert json.loads(result.stdout)["score"] == pytest.approx(decision.score, abs=1e-4)


def test_a_decision_has_the_same_fields(verifiers: dict[Path, sv.Verifier]):
    (path, verifier), *_ = verifiers.items()
    one, other = verifier.verify(SMOOTH, NOISE), sv.OnnxVerifier.load(path).verify(SMOOTH, NOISE)
    same = {"score": one.score, "probability": one.probability}
    assert dataclasses.replace(other, **same) == one


def test_an_export_that_was_written_earlier_decides_as_then():
    files = Path(__file__).with_name("old_files")
    verifier = sv.OnnxVerifier.load(files / "runtime.onnx")
    decision = verifier.verify(files / "runtime-1.jpg", files / "runtime-2.png").to_dict()
    expected = json.loads((files / "runtime.json").read_text())
    for name in ("score", "probability"):
        assert decision.pop(name) == pytest.approx(expected.pop(name), abs=1e-4)
    assert json.loads(json.dumps(decision)) == expected
