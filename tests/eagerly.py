"""Small trainings without graphs, since a graph needs more time to build than to run."""

import os
import sys
from collections.abc import Iterator

import keras
import pytest

# Code of a new process: `START.format(module)` calls the `main` of a module.
START = "import sys, {0}, eagerly; eagerly.run_eagerly(); {0}.main(sys.argv[1:])"
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}


def run_eagerly() -> None:
    """Make each model of this process run eagerly from now on."""
    keras.Model.run_eagerly = property(lambda self: True, lambda self, value: None)


@pytest.fixture(scope="module", autouse=True)
def eager() -> Iterator[None]:
    """Run the models of a test module eagerly. The module imports this fixture.

    JAX does not, since it compiles each operation.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "run_eagerly", keras.Model.run_eagerly)
        run_eagerly()
        yield
