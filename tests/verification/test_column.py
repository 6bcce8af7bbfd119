"""Tests of columns that grow."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamese_verify.verification.column import Column, TextColumn

# A file's name that is not UTF-8 has surrogates.
TEXTS = st.lists(st.text(st.characters(exclude_categories=()), max_size=5))


@given(parts=st.lists(TEXTS, max_size=5))
def test_texts_come_back_as_they_were(parts: list[list[str]]) -> None:
    column = TextColumn(parts[0] if parts else [])
    for part in parts[1:]:
        column.extend(part)
    texts = [text for part in parts for text in part]
    assert [column[row] for row in range(len(texts))] == texts


def test_a_disk_that_is_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", fail)
    column = Column(np.zeros((0, 3), np.float32), tmp_path)
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}'"):
        column.append(np.ones((2, 3), np.float32))


def test_rows_in_a_file_are_those_in_memory_and_leave_no_file(tmp_path: Path) -> None:
    start = np.zeros((0, 3), np.float32)
    mapped, plain = Column(start, tmp_path), Column(start)
    for n in (1, 5, 0, 40):
        rows = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
        mapped.append(rows)
        plain.append(rows)
    assert isinstance(mapped.rows, np.memmap)
    np.testing.assert_array_equal(mapped.rows, plain.rows)
    assert not list(tmp_path.iterdir())
