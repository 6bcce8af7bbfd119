"""Tests of the example of products, on fewer products and epochs."""

import csv
from pathlib import Path

import find_products
import pytest
from eagerly import eager  # noqa: F401

import siamese_verify as sv

FILES = [*Path(find_products.__file__).parent.glob("*.py")]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_products_are_found_in_a_catalogue_that_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    find_products.main(tmp_path, epochs=1, products=40)
    with (tmp_path / "broken.csv").open(newline="") as file:
        broken = list(csv.DictReader(file))
    assert broken
    assert {Path(row["path"]).suffix for row in broken} <= {".png", ".webp"}
    said = capsys.readouterr().out
    assert "recall@1" in said
    assert "after the sync: 11 products, 0 new images" in said
    verifier = sv.Verifier.load(tmp_path / "products.keras")
    verifier.load_gallery(tmp_path / "catalogue.npz")
    gallery = verifier.gallery
    probe = gallery.images[0]
    (match,) = verifier.identify(probe)
    assert match.name == gallery.names[0]
    assert set(match.metadata) == {"shelf"}


def test_each_file_has_fewer_than_eighty_lines() -> None:
    assert all(len(file.read_text().splitlines()) < 80 for file in FILES)
