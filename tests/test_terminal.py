"""Tests of standard error: a line for each message, and nothing of TensorFlow."""

import os
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamese_verify.messages import listed_in_lines
from siamese_verify.terminal import one_line, one_line_each, quiet


@given(st.text(max_size=300))
def test_any_message_is_one_line(text: str):
    assert one_line(ValueError(text)).isprintable()


def test_a_message_is_bounded_and_never_empty():
    assert len(one_line("x" * 10_000_000)) < 6_000
    assert one_line(MemoryError()) == "MemoryError"


def test_the_things_of_a_list_stay_apart_on_one_line():
    text = f"12 are missing:{listed_in_lines(range(12))}\nCorrect them."
    expected = "12 are missing: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more. Correct them."
    assert one_line(text) == expected
    assert one_line(f"2 are missing:{listed_in_lines('ab')}") == "2 are missing: a, b"


def test_each_warning_comes_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for text in ("one\n  line", "one line", "another\r"):
            warnings.warn(text, stacklevel=1)
    assert one_line_each(caught) == ["one line", "another"]


def test_only_the_true_standard_error_is_heard(capfd: pytest.CaptureFixture[str]):
    os.write(2, b"before ")
    with quiet() as terminal:
        os.write(2, b"W tensorflow ")
        terminal.write("progress ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before progress after"


def test_a_closed_standard_error_is_no_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stderr", None)
    with quiet() as terminal:
        terminal.write("progress")


def test_standard_error_is_heard_again_after_an_error(capfd: pytest.CaptureFixture[str]):
    with pytest.raises(ValueError, match="text"), quiet():
        raise ValueError("text")
    print("after", file=sys.stderr)
    assert capfd.readouterr().err == "after\n"
