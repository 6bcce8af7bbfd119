"""One image has one answer: by each route, in each format, however its camera was held.

The expected scores come from Pillow and NumPy alone: a linear tower and a cosine.
"""

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from encoded_images import BY_PILLOW, ENCODED, SMOOTH, by_pillow, encode
from PIL import Image, ImageOps

from siamese_verify import CosineHead, Preprocessing, SiameseModel, Verifier
from siamese_verify.data.reading import read_image
from siamese_verify.evaluation.calibration import calibrate
from siamese_verify.verification.export import export_model

PREPROCESSING = Preprocessing((12, 10), 3, center_crop=(11, 12))
KERNEL = np.random.default_rng(0).normal(size=(12 * 10 * 3, 16)).astype(np.float32)
OTHER = encode(SMOOTH[::-1], "PNG")


def turned(file_format: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(SMOOTH, file_format, exif=exif)


OTHERS = ("TIFF, alpha", "TIFF, turned", "PGM", "WebP, turned", "WebP, animation", "AVIF, turned")
FILES = {
    **ENCODED,
    **{kind: BY_PILLOW[kind] for kind in OTHERS},
    **{
        f"{form}, orientation {n}": turned(form, n) for form in ("JPEG", "PNG") for n in range(1, 9)
    },
}


def routes(contents: bytes, folder: Path) -> dict[str, Any]:
    path = folder / "image"
    path.write_bytes(contents)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(contents)))
    return {
        "path": path,
        "bytes": contents,
        "file": io.BytesIO(contents),
        "PIL": Image.open(io.BytesIO(contents)),
        "array": np.asarray(upright.convert("RGBA")),
    }


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    inputs = keras.Input((12, 10, 3))
    outputs = keras.layers.Dense(16, use_bias=False)(keras.layers.Flatten()(inputs))
    tower = keras.Model(inputs, outputs)
    tower.set_weights([KERNEL])
    verifier = Verifier(SiameseModel(tower, CosineHead()), PREPROCESSING)
    verifier.calibration = calibrate(np.linspace(0, 1, 400), np.arange(400) % 2)
    return verifier


def expected_score(one: np.ndarray, other: np.ndarray) -> float:
    a, b = (image.reshape(-1) / 255 @ KERNEL.astype(float) for image in (one, other))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("kind", FILES)
def test_each_route_has_the_pixels_and_the_score_of_pillow(
    kind: str, verifier: Verifier, tmp_path: Path
):
    by_reference = by_pillow(FILES[kind], PREPROCESSING)
    score = expected_score(by_reference, by_pillow(OTHER, PREPROCESSING))
    for route, image in routes(FILES[kind], tmp_path).items():
        pixels = read_image(image, PREPROCESSING).astype(int)
        assert np.abs(pixels - by_reference).max() <= 1, route
    for route, image in routes(FILES[kind], tmp_path).items():
        assert verifier.verify(image, OTHER).score == pytest.approx(score, abs=1e-4), route


@pytest.mark.filterwarnings("ignore:In the future `np:FutureWarning")  # tf2onnx uses NumPy 1.
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Only TensorFlow exports.")
def test_an_exported_file_and_pillow_have_the_same_scores(verifier: Verifier, tmp_path: Path):
    onnxruntime = pytest.importorskip("onnxruntime")
    export_model(verifier.model, tmp_path / "pair.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "pair.onnx")
    files = [*FILES.values(), OTHER]
    images = np.stack([by_pillow(file, PREPROCESSING) for file in files]).astype(np.float32) / 255
    others = np.repeat(images[-1:], len(images), axis=0)
    scores, *_ = session.run(None, {"left": images, "right": others})
    decided = [verifier.verify(file, OTHER).score for file in files]
    np.testing.assert_allclose(scores[:, 0], decided, atol=1e-4)
