"""Tests of the numbers of distinct texts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamese_verify.data.table_chunks import ArrowChunk
from siamese_verify.data.table_numbers import RowNumbers, TextNumbers, Texts

texts = st.text(max_size=20) | st.sampled_from(["", "\0", "\0\0", "a" * 8, "a" * 16, "a" * 17])


@given(st.lists(st.lists(texts, max_size=30), max_size=5))
def test_texts_are_numbered_as_by_a_dict(chunks: list[list[str]]):
    numbers, expected = TextNumbers(), dict[str, int]()
    for chunk in chunks:
        known = list(expected)
        for text in chunk:
            expected.setdefault(text, len(expected))
        found, new = numbers.number(Texts.of(chunk))
        assert found.tolist() == [expected[text] for text in chunk]
        assert Texts.of(chunk).decoded(new) == list(expected)[len(known) :]


def test_many_texts_are_numbered_as_by_a_dict():
    rng, numbers, expected = np.random.default_rng(0), TextNumbers(), dict[str, int]()
    for _ in range(4):
        chunk = [f"{'folder/' * (i % 5)}{i}.png" for i in rng.integers(30_000, size=20_000)]
        found, _ = numbers.number(Texts.of(chunk))
        assert found.tolist() == [expected.setdefault(text, len(expected)) for text in chunk]


def test_a_row_keeps_its_number_among_parts():
    rows = RowNumbers([range(2, 4), np.array([5, 9]), range(11, 12)])
    assert [rows[i] for i in range(len(rows))] == [2, 3, 5, 9, 11]


def test_a_part_of_a_column_of_pyarrow_holds_its_own_texts():
    arrow = pytest.importorskip("pyarrow")
    for kind in (arrow.string(), arrow.large_string()):
        part = arrow.array(["left out", "b", "ccc"], kind)[1:]
        texts = ArrowChunk({"path": part}, range(2)).texts("path")
        assert texts is not None
        assert texts.decoded(slice(None)) == ["b", "ccc"]
