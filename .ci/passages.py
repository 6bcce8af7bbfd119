"""Passages of Markdown and Python files: paragraphs, list items, entries of a docstring, comments.

Headings, tables, code, doctests and references are left out.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

HEADER = re.compile(r"^([A-Z][A-Za-z ]+):$")
ENTRY = re.compile(r"^ {4}(?:\*{0,2}[\w.]+(?: \([^)]*\))?(?:, )?)+: ")
NOT_PROSE = re.compile(r"\s*(?:\||#|>>>|\.\.\.|:::|```|<|python \S|$)")
TOOL_COMMENT = re.compile(r"#!|# (?:type|noqa|ruff)")
ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.) ")
Passage = tuple[int, str]


def markdown(source: str, first: int = 1) -> Iterator[Passage]:
    """Yield the passages of a page or of a docstring, whose first line has the number `first`."""
    text, start, fence, left_out, entries = "", first, False, False, False
    for number, line in enumerate(source.splitlines(), first):
        if line.lstrip().startswith(("```", "~~~")):
            fence = not fence
        header = HEADER.match(line)
        if header or line.startswith("#"):
            left_out = "Reference" in line or (bool(header) and "Example" in line)
            entries = bool(header) and not left_out
        skipped = fence or left_out or header or NOT_PROSE.match(line)
        entry = ENTRY.match(line) if entries else None
        if skipped or entry or ITEM.match(line):
            if text:
                yield start, text
            text = ""
        if not skipped:
            start = start if text else number
            line = ITEM.sub("", line[entry.end() :] if entry else line)
            text += line.strip().lstrip("> ") + "\n"
    if text:
        yield start, text


def python(source: str, strings: bool) -> Iterator[Passage]:
    """Yield the passages of docstrings, comments and, if `strings`, of texts for the user."""
    tree = ast.parse(source)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docstrings.add(id(first.value))
                yield from markdown(ast.get_docstring(node) or "", first.lineno)
    yield from comments(source)
    if strings:
        for line, text in literals(tree, docstrings):
            if len(text.split()) > 4:
                yield from markdown(text, line)


def comments(source: str) -> Iterator[Passage]:
    """Yield comments. Consecutive lines are one passage."""
    text, start, last = "", 0, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not TOOL_COMMENT.match(token.string):
            if text and token.start[0] > last + 1:
                yield start, text
                text = ""
            start = start if text else token.start[0]
            text, last = text + token.string.lstrip("# ") + "\n", token.start[0]
    if text:
        yield start, text


def literals(node: ast.AST, left_out: set[int]) -> Iterator[Passage]:
    """Yield string literals, in which each formatted value is a word."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
        yield node.lineno, node.value
    elif isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else "X" for p in node.values]
        yield node.lineno, "".join(map(str, parts))
    else:
        for child in ast.iter_child_nodes(node):
            yield from literals(child, left_out)
