"""Tests that the tests named in the documentation exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_promise_names_an_existing_test():
    promises = re.findall(r"([\w/]+\.py)::(test_\w+)", (ROOT / "docs/guarantees.md").read_text())
    assert len(promises) > 20
    sources = {file: ROOT / "tests" / file for file, _ in promises}
    assert [file for file, path in sources.items() if not path.is_file()] == []
    missing = [
        f"{file}::{name}"
        for file, name in promises
        if f"def {name}(" not in sources[file].read_text()
    ]
    assert missing == []
