"""Tests of the example of signatures, on fewer writers and epochs."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import verify_signatures
from drawn_signatures import draw_signatures
from eagerly import eager  # noqa: F401

import siamese_verify as sv

FILES = [*Path(verify_signatures.__file__).parent.glob("*.py")]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_signatures(tmp_path_factory.mktemp("signatures"), writers=20, each=4)


def read(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_names_files_as_cedar_does(table: Path) -> None:
    rows = read(table)
    assert rows[0] == {"path": "full_org/original_1_1.png", "writer": "1", "kind": "genuine"}
    assert rows[-1] == {"path": "full_forg/forgeries_20_4.png", "writer": "20", "kind": "skilled"}
    assert all((table.parent / row["path"]).is_file() for row in rows)


def test_the_same_seed_draws_the_same_signatures(table: Path, tmp_path: Path) -> None:
    again = draw_signatures(tmp_path, writers=2, each=4)
    for row in read(again):
        assert (tmp_path / row["path"]).read_bytes() == (table.parent / row["path"]).read_bytes()


def test_a_skilled_forgery_is_closer_than_the_signature_of_another_writer(table: Path) -> None:
    """Otherwise the two kinds would not differ in what they ask of a verifier."""
    ink: dict[tuple[str, str], list[np.ndarray]] = {}
    for row in read(table):
        contents = (table.parent / row["path"]).read_bytes()
        image = tf.io.decode_png(contents).numpy()[..., 0] < 128
        ink.setdefault((row["writer"], row["kind"]), []).append(image.mean(axis=0))
    means = {key: np.mean(images, axis=0) for key, images in ink.items()}
    genuine = [means[str(writer), "genuine"] for writer in range(1, 21)]
    skilled = [means[str(writer), "skilled"] for writer in range(1, 21)]
    distances = np.linalg.norm(np.array(genuine)[:, None] - np.array(skilled), axis=2)
    assert np.diag(distances).mean() < 0.8 * distances[~np.eye(20, dtype=bool)].mean()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_figures_come_by_kind_for_unseen_writers(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify_signatures.main(table, tmp_path, epochs=1)
    said = capsys.readouterr().out
    assert "random" in said
    assert "skilled" in said
    verifier = sv.Verifier.load(tmp_path / "signatures.keras")
    image = table.parent / "full_org/original_1_1.png"
    assert verifier.verify(image, image).same


def test_a_forgery_is_an_impostor_pair_under_one_name(table: Path) -> None:
    pairs = verify_signatures.pairs(read(table))
    is_one_name = pairs.identity_codes[:, 0] == pairs.identity_codes[:, 1]
    assert np.array_equal(pairs.groups == "skilled", is_one_name & (pairs.labels == 0))
    assert np.array_equal(pairs.groups == "random", ~is_one_name)
    assert len(pairs.same) == 20 * 6


def test_each_file_has_fewer_than_eighty_lines() -> None:
    assert all(len(file.read_text().splitlines()) < 80 for file in FILES)
