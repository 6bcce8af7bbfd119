"""Fixtures: drawn pairs, and a small verifier of them in a file."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from standin import write_standin

import siamese_verify as sv
from siamese_verify.commands import training
from siamese_verify.evaluation.calibration import CalibrationWarning

SIZE = (24, 24)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_standin(
        tmp_path_factory.mktemp("data") / "drawn", train_identities=12, test_identities=6
    )


@pytest.fixture(scope="session")
def data(drawn: Path) -> sv.PairDataset:
    return sv.PairDataset.from_lfw(drawn / "pairsDevTest.txt", drawn / "lfw2", SIZE, verbose=False)


@pytest.fixture(scope="session")
def model(data: sv.PairDataset, tmp_path_factory: pytest.TempPathFactory) -> str:
    tower = sv.ConvTower([sv.ConvBlock(8, 3, 2)], (*SIZE, 1), 16)
    verifier = sv.Verifier(sv.SiameseModel(tower, sv.CosineHead()), data.preprocessing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)  # The pairs are few.
        verifier.calibrate(data)
    path = tmp_path_factory.mktemp("model") / "faces.keras"
    verifier.save(path)
    return str(path)


@pytest.fixture(scope="session")
def small_training() -> Iterator[None]:
    """Train a tiny network of tiny images, since the commands are tested and not the figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_FILTERS", (4,))
        patch.setattr(training, "_FEWEST_STEPS", 1)
        patch.setattr(training, "_FEWEST_EPOCHS", 1)
        yield
