import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from traits import TRAITS, write_traits


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A is plain, of brightness 0.2. B is black on the left and white on the right."""
    plain = np.full((105, 105), 51, np.uint8)
    halves = np.zeros((105, 105), np.uint8)
    halves[:, 53:] = 255
    for identity, picture in {"A": plain, "B": halves}.items():
        folder = tmp_path / "lfw2" / identity
        folder.mkdir(parents=True)
        for number in (1, 2):
            Image.fromarray(picture).save(folder / f"{identity}_{number:04}.jpg", quality=100)
    (tmp_path / "pairsDevTest.txt").write_text("1\nB\t1\t2\nA\t1\tB\t1\n")
    return tmp_path


def test_asymmetry_brightness_and_contrast(data: Path, tmp_path: Path) -> None:
    write_traits(data, tmp_path / "traits.csv")
    with (tmp_path / "traits.csv").open(newline="") as file:
        same, different = csv.DictReader(file)
    assert (same["left"], same["right"]) == ("B/B_0001.jpg", "B/B_0002.jpg")
    assert [float(same[name]) for name in TRAITS] == pytest.approx([104 / 105, 0, 0, 0], abs=0.01)
    white = 52 / 105
    expected = [104 / 105, 104 / 105, white - 0.2, (white * (1 - white)) ** 0.5]
    assert [float(different[name]) for name in TRAITS] == pytest.approx(expected, abs=0.01)
