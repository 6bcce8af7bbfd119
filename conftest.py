"""Fixtures for the code in README, docs and docstrings, which runs as tests on drawn faces."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # TensorFlow reads it when imported.

import keras
import numpy as np
import pytest
from hypothesis import settings
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

import siamese_verify

# A busy machine, or a first compilation, exceeds any deadline.
settings.register_profile("no_deadline", deadline=None)
# For tests that have run once already, on another backend or version.
settings.register_profile("again", settings.get_profile("no_deadline"), max_examples=8)
settings.load_profile("no_deadline")

if keras.backend.backend() == "torch":
    import torch

    # Otherwise, torch warns of the first place in a process, and of no other.
    torch.set_warn_always(True)

# The first needs the extra `docs`. The second starts TensorFlow with two devices, in a process of
# its own.
collect_ignore = [
    "docs/sections.py",
    "tests/in_a_group.py",
    "tests/on_two_devices.py",
    "tests/on_two_replicas.py",
]


@pytest.fixture(scope="session")
def drawn_lfw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `lfw/`, in the layout of Labeled Faces in the Wild."""
    from standin import write_standin

    folder = tmp_path_factory.mktemp("newcomer")
    write_standin(folder / "lfw", train_identities=12, test_identities=4)
    return folder


@pytest.fixture
def newcomer(drawn_lfw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Change to a folder for a reader's code, in which training ends after one epoch.

    Models run eagerly, since their graphs need more time to build than to run.
    """
    from eagerly import run_eagerly

    (tmp_path / "lfw").symlink_to(drawn_lfw / "lfw")
    images = sorted((drawn_lfw / "lfw" / "lfw2").glob("*/*"))
    for name, image in zip(("a.jpg", "b.jpg"), images, strict=False):
        (tmp_path / name).symlink_to(image)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras.Model, "run_eagerly", keras.Model.run_eagerly)
    run_eagerly()
    keras.config.set_max_epochs(1)
    yield
    keras.config.set_max_epochs(None)


@pytest.fixture(autouse=True)
def doctest_setup(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    """Provide the names that examples in docstrings use."""
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("newcomer")
        doctest_namespace["np"] = np
        doctest_namespace.update({n: getattr(siamese_verify, n) for n in siamese_verify.__all__})


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=["*.md"],
    fixtures=["newcomer"],
).pytest()
