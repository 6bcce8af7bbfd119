"""Tests of the check that CI makes of every sentence."""

from pathlib import Path

import passages
import prose
import pytest


@pytest.mark.parametrize(
    "sentence",
    [
        "Of the model.",
        "Those are left out.",
        "What is kept.",
        "The first; the second.",
        "A mean of the scores and that of the labels.",
        "Images, without those.",
        "Decoded anew.",
        "An array is returned as it is.",
        "A head takes two embeddings.",
        "A damaged file is refused.",
        "A loss that goes with the head.",
        "The seed gives the same split.",
        "A cosine is no probability.",
        "A photograph of a face.",
        "Each person is in one part.",
        "word " * 26,
    ],
)
def test_a_sentence_that_breaks_a_rule_is_found(sentence):
    assert list(prose.faults(sentence))


@pytest.mark.parametrize(
    "sentence",
    [
        "Name of the model.",
        "What is an identity?",
        "Training takes two minutes.",
        "There is no figure.",
        "Besides, those images are kept.",
        "Koch et al. (2015) describe `a; b`, at [a page](https://example.org/a;b).",
        "The sum takes at most a minute.",
        "Both processes take turns.",
        "Each time is printed as soon as it is measured.",
        "word " * 25,
    ],
)
def test_a_plain_sentence_passes(sentence):
    assert list(prose.faults(sentence)) == []


def test_a_sentence_ends_before_a_capital_letter_or_code():
    short = "Word " * 20 + "et al. (2015). `name` is " + "word " * 20 + "here."
    assert list(prose.faults(short)) == []


def test_code_tables_headings_and_references_are_left_out():
    page = """# Of a heading

| Of a | table; |

```python
x = 1; y = 2
```

Of a paragraph
of two lines.

- Of an item.

## References

Of a reference; 2015.
"""
    assert list(passages.markdown(page)) == [
        (9, "Of a paragraph\nof two lines.\n"),
        (12, "Of an item.\n"),
    ]


def test_docstrings_comments_and_messages_are_read_with_their_lines():
    source = '''"""Of a module."""

def f(size):
    """Read a file.

    Args:
        size: Of the file, in
            bytes.

    Examples:
        >>> f(1); f(2)
    """
    # Of a comment.
    raise ValueError(f"Of {size} it is too short. " "Received: ...")
'''
    assert sorted(passages.python(source, strings=True)) == [
        (1, "Of a module.\n"),
        (4, "Read a file.\n"),
        (7, "Of the file, in\nbytes.\n"),
        (13, "Of a comment.\n"),
        (14, "Of X it is too short. Received: ...\n"),
    ]


def test_a_fault_is_printed_with_its_file_and_line(tmp_path: Path, capsys):
    (tmp_path / "page.md").write_text("A plain line.\n\nFirst. Second\nline. Of the third.\n")
    assert prose.main([str(tmp_path)])
    assert (
        f"{tmp_path}/page.md:4: 'Of': start with the noun: Of the third." in capsys.readouterr().out
    )
    (tmp_path / "page.md").write_text("A plain line.\n")
    assert not prose.main([str(tmp_path)])
