"""Tests that the documentation names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_promise_names_a_test_that_exists():
    promises = re.findall(r"(test_\w+\.py)::(test_\w+)", (ROOT / "docs/guarantees.md").read_text())
    assert len(promises) > 20
    sources = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    missing = [
        f"{file}::{name}" for file, name in promises if f"def {name}(" not in sources.get(file, "")
    ]
    assert missing == []
