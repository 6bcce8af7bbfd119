"""Small trainings without graphs, which take longer to build than to run."""

import os
import sys
from collections.abc import Iterator

import keras
import pytest

# Of a process of its own: `START.format(module)`, then the arguments of its `main`.
START = "import sys, {0}, eagerly; eagerly.run_eagerly(); {0}.main(sys.argv[1:])"
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}


def run_eagerly() -> None:
    """From now on, each model of this process does."""
    keras.Model.run_eagerly = property(lambda self: True, lambda self, value: None)


@pytest.fixture(scope="module", autouse=True)
def eager() -> Iterator[None]:
    """For a module of tests that imports it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "run_eagerly", keras.Model.run_eagerly)
        run_eagerly()
        yield
