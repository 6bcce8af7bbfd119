"""Tests of the package as a whole: its names, and what importing it costs."""

import importlib.resources
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import siamese_verify

# Public names that must not disappear.
CONTRACT = [
    "PairList",
    "PairDataset",
    "ConvTower",
    "SpectralConv2D",
    "WeightedL1Head",
    "EuclideanHead",
    "CosineHead",
    "ContrastiveLoss",
    "BestThresholdAccuracy",
    "EqualErrorRate",
    "TrueAcceptRate",
    "SiameseModel",
]


FRESH = """
import json, sys, time
sys.modules.update(matplotlib=None, sklearn=None)  # cannot be imported
import keras, tensorflow
start = time.process_time()
import siamese_verify
found = {"seconds": time.process_time() - start, "modules": [*sys.modules]}
found["names"] = [getattr(siamese_verify, name).__name__ for name in siamese_verify.__all__]
import siamese_verify.plots
try:
    siamese_verify.plots.plot_history([])
except ImportError as error:
    found["error"] = str(error)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def fresh():
    """Findings of a fresh process without matplotlib that imports the package after Keras."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", FRESH]
    process = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(process.stdout)


@pytest.mark.parametrize("name", CONTRACT)
def test_the_names_of_the_contract_are_public(name):
    assert name in siamese_verify.__all__


@pytest.mark.parametrize("name", siamese_verify.__all__)
def test_a_public_name_is_imported_from_the_top_level(name):
    public = getattr(siamese_verify, name)
    assert public.__name__ == name
    assert public.__doc__
    assert name in dir(siamese_verify)


def test_type_checkers_see_the_names_that_are_imported():
    stub = Path(siamese_verify.__file__).with_suffix(".pyi").read_text()
    names = re.findall(
        r"^from ([\w.]+) import (?:\(\s+)?(\w+) as \2(?:,\s+\))?$", stub, re.MULTILINE
    )
    assert len(names) == len(siamese_verify.__all__) == stub.count("import ")
    for module, name in names:
        assert getattr(importlib.import_module(module), name) is getattr(siamese_verify, name)


def test_an_unknown_name_raises_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        siamese_verify.Nothing  # noqa: B018
    assert not hasattr(siamese_verify, "Nothing")


def test_the_package_works_without_matplotlib(fresh):
    assert fresh["names"] == siamese_verify.__all__
    assert "matplotlib" in fresh["error"]


def test_importing_adds_at_most_a_quarter_of_a_second_to_keras_and_tensorflow(fresh):
    assert "siamese_verify.model" in fresh["modules"]
    # The seconds are processor time, which other programs on the machine do not lengthen.
    assert fresh["seconds"] <= 0.25


def test_importing_changes_no_environment_variable():
    code = "import os; before = dict(os.environ); import siamese_verify; "
    code += "siamese_verify.PairList; assert dict(os.environ) == before"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("TF_ENABLE_ONEDNN_OPTS", None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_the_package_says_that_it_is_typed():
    assert importlib.resources.files("siamese_verify").joinpath("py.typed").is_file()
