"""Fixtures of the tests of verifiers: drawn faces as pairs, and a calibrated verifier in a file."""

import warnings
from pathlib import Path

import pytest
from standin import write_standin
from verifiers import FACE_SIZE, build_for_faces

import siamese_verify as sv
from siamese_verify.evaluation.calibration import CalibrationWarning


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_standin(
        tmp_path_factory.mktemp("data") / "drawn", train_identities=20, test_identities=8
    )


@pytest.fixture(scope="module")
def pairs(drawn: Path) -> sv.PairDataset:
    """Validation pairs, half of them genuine, of identities that are in no training pair."""
    return sv.PairDataset.from_lfw(
        drawn / "pairsDevTrain.txt", drawn / "lfw2", FACE_SIZE, verbose=False
    )


@pytest.fixture(scope="module")
def verifier(pairs: sv.PairDataset) -> sv.Verifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)  # The pairs are few.
        return sv.Verifier(build_for_faces(), pairs.preprocessing).calibrate(pairs)


@pytest.fixture(scope="module")
def table(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Columns of all drawn faces, with two images that cannot be used."""
    from embedding_tables import table_of  # It needs the extra `tables`.

    return table_of(drawn, tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="module")
def shards(
    verifier: sv.Verifier, table: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Files of 20 rows, with the embeddings of the table."""
    from embedding_tables import write

    folder = tmp_path_factory.mktemp("shards")
    write(verifier, table, folder)
    return folder


@pytest.fixture(scope="module")
def paths(drawn: Path, pairs: sv.PairDataset) -> list[tuple[Path, Path]]:
    return pairs.pairs.paths(drawn / "lfw2")


@pytest.fixture(scope="module")
def saved(verifier: sv.Verifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "faces.keras"
    verifier.save(path)
    return path


@pytest.fixture
def enrolled(saved: Path, drawn: Path, pairs: sv.PairDataset) -> sv.Verifier:
    """Verifier with all identities but the last enrolled."""
    verifier = sv.Verifier.load(saved)
    identities = {}
    for sample in pairs.pairs.samples:
        identities.setdefault(sample.identity, []).append(drawn / "lfw2" / sample.path)
    identities.pop(pairs.pairs.identities[-1])
    verifier.enroll(identities, unlike="ignore")  # One of them is the noisiest of all.
    return verifier
