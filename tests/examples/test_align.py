import re
from pathlib import Path

import align
import numpy as np
import pytest

import siamese_verify as sv


def test_turned_drawings_become_alike(capsys: pytest.CaptureFixture[str]) -> None:
    align.main()
    lines = capsys.readouterr().out.splitlines()
    for line in lines:
        without, aligned = map(float, re.findall(r"\d\.\d\d", line))
        assert aligned > max(0.7, without + 0.1), line
    assert len(lines) == 4


def test_an_image_without_ink_stays() -> None:
    blank = np.full((9, 7, 3), 255, np.uint8)
    np.testing.assert_array_equal(align.straighten(blank), blank)
    assert sv.Preprocessing(align=align.straighten).to_dict()["align"] == "examples>straighten"


def test_it_has_fewer_than_sixty_lines_of_code() -> None:
    lines = Path(align.__file__).read_text().split('"""', 2)[2].splitlines()
    assert len([line for line in lines if line.strip()]) < 60
