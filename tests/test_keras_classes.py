"""Tests of `keras_classes`: Keras knows all classes, whatever is imported first."""

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import siamese_verify as sv
from siamese_verify.keras_classes import ImportWatcher

# Modules that import Keras not at all, half-way, and after others of the package.
FIRST = ["data.pairs", "data.store", "verification.verifier"]
# One module of each package, since each needs a process that imports TensorFlow.
MORE = [
    *("layers.tower", "layers.heads.cosine", "training.callbacks.pair_evaluation"),
    *("training.losses.pairs", "inference", "onednn", "plots", "verification.gallery"),
]
# Without this line, Keras imports two packages that are not needed here, for seconds.
CODE = """
import sys
sys.modules.update(matplotlib=None, sklearn=None)
import siamese_verify.{module}, keras
assert keras.saving.get_registered_object("siamese_verify>EqualErrorRate")
keras.models.load_model({path!r})
assert "ImportWatcher" not in [type(finder).__name__ for finder in sys.meta_path]
"""
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(sv.__path__, "siamese_verify.")
    if not module.name.startswith("siamese_verify.testing")  # It needs pytest.
)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keras") / "faces.keras"
    tower = sv.FlipAverage(sv.ConvTower([sv.ConvBlock(2, 3)], (8, 8, 1), 4))
    sv.SiameseModel(tower, sv.EuclideanHead()).save(path)
    return path


@pytest.mark.parametrize(
    "module",
    [*FIRST, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)],
)
def test_keras_loads_a_model_whichever_module_is_imported_first(
    module: str, model_file: Path
) -> None:
    code = CODE.format(module=module, path=str(model_file))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_every_class_of_the_package_is_among_those_that_are_imported() -> None:
    def known() -> set[str]:
        return {name for name in keras.saving.get_custom_objects() if "siamese_verify>" in name}

    before = known()
    for module in MODULES:
        importlib.import_module(module)
    assert known() == before


FILES = {
    "signal_library.py": "ready = True",
    "watched/__init__.py": "",
    "watched/plain.py": "value = 1",
    "watched/classes.py": "from watched.half import value; import signal_library",
    "watched/half.py": "import signal_library\nimport watched.plain\nvalue = 2",
    "watched/broken.py": "import signal_library\nraise RuntimeError('broken')",
}


@pytest.fixture
def watcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportWatcher:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    before = {*sys.modules}
    yield ImportWatcher(["watched.classes"], "watched", "signal_library")
    for name in {*sys.modules} - before:
        del sys.modules[name]


def test_nothing_is_imported_before_the_signal(watcher: ImportWatcher) -> None:
    watcher.start()
    importlib.import_module("watched.plain")
    assert "watched.classes" not in sys.modules
    assert watcher in sys.meta_path


@pytest.mark.parametrize("first", ["signal_library", "watched.half", "watched.classes"])
def test_the_modules_are_imported_once_no_import_is_under_way(
    first: str, watcher: ImportWatcher
) -> None:
    watcher.start()
    importlib.import_module(first)
    assert sys.modules["watched.classes"].value == 2
    assert watcher not in sys.meta_path


def test_the_modules_are_imported_at_once_after_the_signal(watcher: ImportWatcher) -> None:
    importlib.import_module("signal_library")
    watcher.start()
    assert "watched.classes" in sys.modules
    assert watcher not in sys.meta_path


def test_a_failed_import_is_no_obstacle(watcher: ImportWatcher) -> None:
    watcher.start()
    with pytest.raises(RuntimeError, match="broken"):
        importlib.import_module("watched.broken")
    importlib.import_module("watched.plain")
    assert "watched.classes" in sys.modules
