"""Tests of files that are complete or absent."""

import os
from pathlib import Path

from siamese_verify.files import replacing


def test_a_replaced_file_is_complete_and_its_folder_is_made(tmp_path: Path):
    target = tmp_path / "new" / "folder" / "model.keras"
    for text in ("first", "second"):
        with replacing(target) as unfinished:
            assert unfinished.suffix == ".keras"
            unfinished.write_text(text)
        assert target.read_text() == text
    assert os.listdir(target.parent) == ["model.keras"]
