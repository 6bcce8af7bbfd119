"""Texts of users in messages are short, and on one line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamese_verify.messages import shown


@given(st.text(max_size=500) | st.binary(max_size=500), st.integers(1, 300))
def test_any_text_is_one_bounded_line(value, longest):
    line = shown(value, longest)
    assert line.isprintable()
    # An escaped character has at most ten.
    assert len(line) <= 10 * longest + 30


@pytest.mark.parametrize("text", ["Ada Lovelace", "José", "岡田"])
def test_a_readable_name_stays(text):
    assert shown(text) == shown(Path(text)) == shown(text.encode()) == text


@pytest.mark.parametrize("sign", ["\n", "\r", "\x1b[2K", "\u2028", "\0", "\udcff"])
def test_no_sign_can_begin_a_line_or_hide_one(sign):
    assert shown(f"Ada{sign}no problems").splitlines() == [shown(f"Ada{sign}no problems")]
    assert sign not in shown(f"Ada{sign}no problems")
