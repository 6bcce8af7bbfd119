"""Files that were written before the sub-packages and the renamed classes still load.

`old_files/` was written at commit 18bc28b: verifiers with their galleries, and compiled models.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import siamese_verify as sv

FILES = Path(__file__).with_name("old_files")
EXPECTED = json.loads((FILES / "expected.json").read_text())
IMAGES = np.load(FILES / "images.npz")["images"]
PAIRS = np.array([[0, 1], [2, 3], [4, 5], [0, 0]])
HEADS = ["weighted_l1", "unconstrained", "euclidean", "sigmoid_cosine", "cosine"]


@pytest.mark.parametrize("name", HEADS)
def test_an_old_verifier_loads_with_its_threshold_and_scores(name: str) -> None:
    expected = EXPECTED[name]
    verifier = sv.Verifier.load(FILES / f"{name}.keras")
    assert verifier.threshold == expected["threshold"]
    assert verifier.fingerprint == expected["fingerprint"]
    np.testing.assert_allclose(verifier.model.score(IMAGES, PAIRS), expected["scores"], rtol=1e-5)


@pytest.mark.parametrize("name", HEADS)
def test_an_old_gallery_loads_into_its_verifier(name: str) -> None:
    verifier = sv.Verifier.load(FILES / f"{name}.keras")
    verifier.load_gallery(FILES / f"{name}.npz")
    assert list(verifier.gallery.identities) == EXPECTED[name]["identities"]
    assert verifier.identify(IMAGES[0], k=3) is not None


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
