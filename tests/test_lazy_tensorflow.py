"""Tests of the library where TensorFlow is missing, or is not the backend."""

import importlib
import importlib.util
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import siamese_verify as sv
from siamese_verify.lazy_tensorflow import tf

RNG = np.random.default_rng(0)
# Images of 12 identities: four of each, in a row, which differ in brightness.
IMAGES = RNG.integers(60, size=(48, 12, 12, 1)) + 16 * (np.arange(48) // 4)[:, None, None, None]
IMAGES = IMAGES.astype(np.uint8)
INDICES = RNG.integers(48, size=(200, 2))
LABELS = (INDICES[:, 0] // 4 == INDICES[:, 1] // 4).astype(int)
MISSING = r"TensorFlow is not installed.*pass NumPy arrays to `fit`.*Received: use of tf\."


def model() -> sv.SiameseModel:
    tower = sv.ConvTower([sv.ConvBlock(4, 3, batch_norm=True)], (12, 12, 1), embedding_size=8)
    return sv.SiameseModel(tower, sv.WeightedL1Head())


def pairs() -> sv.PairDataset:
    names = [f"id{row // 4}" for row in range(48)]
    return sv.PairDataset.from_arrays(IMAGES, LABELS, indices=INDICES, identities=names)


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide TensorFlow from imports."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)


@pytest.mark.usefixtures("missing")
@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="The backend needs it")
def test_batches_without_tensorflow_say_what_to_use() -> None:
    with pytest.raises(ImportError, match=MISSING):
        pairs().batches(8)


@pytest.mark.usefixtures("missing")
def test_each_use_of_tensorflow_without_it_says_what_to_use() -> None:
    with pytest.raises(ImportError, match=MISSING + "data"):
        _ = tf.data.Dataset


def test_python_may_ask_the_stand_in_for_its_own_names() -> None:
    assert not hasattr(tf, "__path__")


def test_a_public_name_and_its_module_do_not_import_tensorflow() -> None:
    code = (
        "import sys, siamese_verify as sv; names = [getattr(sv, name) for name in sv.__all__];"
        "import siamese_verify.testing, siamese_verify.commands.train;"
        "assert 'tensorflow' not in sys.modules"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None, reason="for an environment without it"
)
class TestWithout:
    """Tests for an environment in which TensorFlow is not installed."""

    def test_each_module_is_imported(self) -> None:
        for module in pkgutil.walk_packages(sv.__path__, "siamese_verify."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)

    @pytest.mark.filterwarnings("ignore:All .* were in calibration")
    def test_a_model_learns_from_arrays_and_decides_after_loading(self, tmp_path: Path) -> None:
        keras.utils.set_random_seed(0)
        trained, data = model(), pairs()
        metrics = [sv.BestThresholdAccuracy(), sv.EqualErrorRate(), sv.TrueAcceptRate(0.1)]
        trained.compile(sv.FusedAdam(0.01), "binary_crossentropy", metrics=metrics)
        sides = tuple(IMAGES[INDICES.T])
        history = trained.fit(sides, LABELS, epochs=6, verbose=0, callbacks=[sv.EpochSeconds()])
        assert history.history["loss"][-1] < history.history["loss"][0]
        trained.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        scores = trained.predict(sides, verbose=0)
        np.testing.assert_allclose(again.predict(sides, verbose=0), scores, atol=1e-6)
        np.testing.assert_allclose(trained.score(IMAGES, INDICES), scores[:, 0], atol=1e-5)
        verifier = sv.Verifier(trained, sv.Preprocessing((12, 12))).calibrate(data)
        verifier.enroll({"Ada": IMAGES[:2], "Bob": IMAGES[-2:]})
        verifier.save(tmp_path / "verifier.keras")
        loaded = sv.Verifier.load(tmp_path / "verifier.keras")
        assert loaded.verify(IMAGES[0], IMAGES[1]) == verifier.verify(IMAGES[0], IMAGES[1])
        assert loaded.evaluate(data).auc == verifier.evaluate(data).auc
