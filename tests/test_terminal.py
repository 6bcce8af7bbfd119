"""Tests of standard error: a line for each message, and nothing of TensorFlow."""

import os
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamese_verify.terminal import one_line, one_line_each, quiet


@given(st.text(max_size=300))
def test_any_message_is_one_line(text: str):
    assert one_line(ValueError(text)).isprintable()


def test_a_message_is_bounded_and_never_empty():
    assert len(one_line("x" * 10_000_000)) < 6_000
    assert one_line(MemoryError()) == "MemoryError"


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
