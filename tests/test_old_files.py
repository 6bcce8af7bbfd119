"""Files that were written before the sub-packages and the renamed classes still load.

`old_files/` was written at commit 18bc28b: verifiers with their galleries, and compiled models.
"""

import dataclasses
import json
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from eagerly import eager  # noqa: F401
from verifiers import draw_pairs

import siamese_verify as sv

FILES = Path(__file__).with_name("old_files")
EXPECTED = json.loads((FILES / "expected.json").read_text())
IMAGES = np.load(FILES / "images.npz")["images"]
PAIRS = np.array([[0, 1], [2, 3], [4, 5], [0, 0]])
HEADS = ["weighted_l1", "unconstrained", "euclidean", "sigmoid_cosine", "cosine"]


def load(name: str) -> sv.Verifier:
    with pytest.warns(UserWarning, match=r"decodes differently\. Calibrate again"):
        return sv.Verifier.load(FILES / f"{name}.keras")


@pytest.mark.parametrize("name", HEADS)
def test_an_old_verifier_loads_with_its_threshold_and_scores(name: str) -> None:
    expected = EXPECTED[name]
    verifier = load(name)
    assert verifier.threshold == expected["threshold"]
    assert verifier.fingerprint == expected["fingerprint"]
    np.testing.assert_allclose(verifier.model.score(IMAGES, PAIRS), expected["scores"], rtol=1e-5)


@pytest.mark.parametrize("name", HEADS)
def test_an_old_gallery_loads_into_its_verifier(name: str) -> None:
    verifier = load(name)
    with pytest.warns(UserWarning, match=r"decodes differently\. Enroll all identities again"):
        verifier.load_gallery(FILES / f"{name}.npz")
    assert list(verifier.gallery.identities) == EXPECTED[name]["identities"]
    assert verifier.identify(IMAGES[0], k=3) is not None


@pytest.mark.parametrize("change", ["save", "set"])
def test_an_old_verifier_is_told_of_until_it_is_calibrated(change: str, tmp_path: Path) -> None:
    verifier, path = load("cosine"), tmp_path / "again.keras"
    if change == "set":
        verifier.calibration = dataclasses.replace(verifier.calibration, threshold=0.25)
    verifier.save(path)
    with pytest.warns(UserWarning, match=r"again\.keras was calibrated on images"):
        again = sv.Verifier.load(path)
    assert again.threshold == verifier.threshold
    pairs = draw_pairs(tmp_path / "images", "abcdef", preprocessing=verifier.preprocessing)
    with warnings.catch_warnings(action="ignore"):  # The pairs are few.
        again.calibrate(pairs)
    again.save(path)
    assert sv.Verifier.load(path).threshold == again.threshold


def test_an_old_compiled_pair_model_trains_on() -> None:
    model = keras.saving.load_model(FILES / "training.keras")
    assert int(model.optimizer.iterations) > 0
    images = IMAGES.astype(np.float32) / 255
    left, right = images[PAIRS[:, 0]], images[PAIRS[:, 1]]
    figures = model.evaluate((left, right), np.array([1, 0, 1, 0]), verbose=0, return_dict=True)
    assert "equal_error_rate" in figures
    model.fit((left, right), np.array([1, 0, 1, 0]), verbose=0)


@pytest.mark.parametrize("name", ["classifier", "contrastive"])
def test_an_old_compiled_tower_trains_on(name: str) -> None:
    if name == "contrastive" and tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15):
        pytest.skip("The file holds a Dense layer of Keras 3.15, which an older Keras cannot read.")
    model = keras.saving.load_model(FILES / f"{name}.keras")
    inputs = IMAGES / 255.0 if name == "classifier" else np.ones((6, 8), np.float32)
    if name == "classifier":
        outputs = model.predict(inputs, verbose=0)
        np.testing.assert_allclose(outputs, EXPECTED[name]["outputs"], atol=1e-5)
    steps = int(model.optimizer.iterations)
    model.fit(inputs, np.arange(6) % 3, verbose=0)
    assert int(model.optimizer.iterations) == steps + 1
