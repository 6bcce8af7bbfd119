"""Check that docstrings render on the built site: `python .ci/rendered.py SITE`.

A section that the parser does not know becomes a box with run-together text, and the strict build
does not notice. Doctest lines must stand in code, and no section header may stand in a paragraph.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

# A section that was read as text stands in one paragraph with its title.
HEADER = re.compile(r"(Args|Returns|Raises|Yields|Examples?|Attributes|Call arguments):\s+\S")
UNKNOWN_BOXES = {"example", "call-arguments", "args", "returns", "raises"}


class Page(HTMLParser):
    """Garbage on one page, as `(line, text)`.

    Args:
        text: HTML of the page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.garbage: list[tuple[int, str]] = []
        self._code = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count open code blocks and note boxes of unknown sections."""
        self._code += tag in ("pre", "code")
        boxes = UNKNOWN_BOXES & set((dict(attrs).get("class") or "").split())
        if tag == "details" and boxes:
            self.garbage.append((self.getpos()[0], f"a box for the section {boxes.pop()!r}"))

    def handle_endtag(self, tag: str) -> None:
        """Count closed code blocks."""
        self._code -= tag in ("pre", "code")

    def handle_data(self, data: str) -> None:
        """Note doctest lines and section headers outside of code."""
        if not self._code and (">>>" in data or HEADER.match(data.strip())):
            self.garbage.append((self.getpos()[0], data.strip()[:80]))


def main(site: Path) -> int:
    """Print the garbage on every page and return how many pieces there are."""
    pages = sorted(site.rglob("*.html"))
    if not any(">>>" in page.read_text() or "&gt;&gt;&gt;" in page.read_text() for page in pages):
        print(f"{site} shows no example at all.")
        return 1
    found = [(page, *piece) for page in pages for piece in Page(page.read_text()).garbage]
    for page, line, text in found:
        print(f"{page.relative_to(site)}:{line}: not rendered: {text}")
    return len(found)


if __name__ == "__main__":
    sys.exit(min(main(Path(sys.argv[1])), 1))
