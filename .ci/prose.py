"""Check sentences: `python .ci/prose.py [PATH ...]` prints `file:line: rule: sentence`.

It checks pages, docstrings, comments and texts for the user. Codespell, proselint and ruff
hold other rules. CONTRIBUTING.md lists the rules that only a reader can check.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import passages

MOST_WORDS = 25
FOLDERS = ("siamese_verify", "examples", "benchmarks", "docs", "tests", ".ci")
FIELD_WORDS = "use the word of docs/glossary.md"
# A duration may follow the verb, or a noun that makes an idiom with it.
DURATION = r"(?:\S+ ){0,4}(?:seconds?|minutes?|hours?|days?|time|long|longer|place|effect|turns)\b"
RULES: list[tuple[str, str]] = [
    (r";", "write two sentences instead of a semicolon"),
    (r"^(?:Of|Those)\b", "start with the noun"),
    (r"^(?:What|How|Who|Whom|That of|The one)\b[^?]*$", "start with the noun that is described"),
    (r"\b(?:is|are|of|from|than|by) what\b[^?]*$", "name the noun instead of 'what'"),
    (r"\bthat of\b|\bthose(?= (?:of|who|that|which|with|in|from|for)\b|[.,:)]|$)", "name the noun"),
    (r"\bthe ones?\b(?= (?:that|of|which|with|who|in)\b|[.,:)]|$)", "name the noun"),
    (r"\bwhat is there\b", "name the noun"),
    (r"\banew\b", "write 'again'"),
    (r"\bby heart\b|(?<!soon )\bas it is\b|\bfor long(?=[.,:)]|$)", "write it plainly"),
    (r"\bmend(?:s|ed|ing)?\b", "write 'fix' or 'repair'"),
    (r"\bbeside\b", "write 'compared with' or 'next to'"),
    (rf"\btakes?\b(?! (?:away|{DURATION}))", "write 'needs', 'uses' or 'accepts'"),
    (r"\brefuse[sd]?\b", "write 'raises X'"),
    (r"\bgo(?:es)? with\b", "write 'requires'"),
    (r"\bgives\b", "write 'returns' or the exact verb"),
    (r"(?<!here )\b(?:is|are) no\b(?! (?:longer|more|less|other|such)\b)", "write 'is not a'"),
    (r"\b(?:photo(?:graph)?s?|pictures?)\b", FIELD_WORDS),
    (r"\b(?:person(?!, a )|persons|people)\b", FIELD_WORDS),
    (r"\bthe cut\b", FIELD_WORDS),
]
COMPILED = [
    (re.compile(pattern, re.IGNORECASE if pattern[0] != "^" else 0), advice)
    for pattern, advice in RULES
]
# Pages on LFW use its word for identities, and the glossary lists kinds of identities.
MAY_SAY_PEOPLE = re.compile(r"docs/lfw|experiments/|card_texts|glossary|standin|traits")
SENTENCE_END = re.compile(r"(?<!\bal\.)(?<!e\.g\.)(?<!i\.e\.)(?<=[.!?])[\"')\]]*\s+(?=[A-Z\"'(\[])")
SPANS = re.compile(r"`+[^`]+`+|<?https?://[^\s)>]+>?|<[^<>\n]+>|!\[[^]]*\]\([^)]*\)")
LINKS = re.compile(r"\[([^][]*)\](?:\([^)]*\)|\[[^]]*\])")


def faults(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line in the text, advice and sentence of everything that breaks a rule."""
    text = SPANS.sub(lambda found: "X" + "\n" * found[0].count("\n"), text)
    text = LINKS.sub(lambda found: found[1], text).replace("*", "")
    end = 0
    for match in [*SENTENCE_END.finditer(text), None]:
        start, end = end, match.end() if match else len(text)
        line = text[:start].count("\n")
        sentence = " ".join(text[start:end].split())
        words = sum(any(map(str.isalnum, word)) for word in sentence.split())
        if words > MOST_WORDS:
            yield line, f"{words} words, at most {MOST_WORDS}", sentence
        for pattern, advice in COMPILED:
            if found := pattern.search(sentence):
                yield line, f"'{found[0][:30]}': {advice}", sentence


def check(path: Path) -> Iterator[str]:
    """Yield `file:line: rule: sentence` for everything in a file that breaks a rule."""
    source = path.read_text(encoding="utf-8")
    is_code = path.suffix == ".py"
    strings = is_code and path.parts[0] in ("siamese_verify", "examples")
    found = passages.python(source, strings) if is_code else passages.markdown(source)
    may_say_people = MAY_SAY_PEOPLE.search(path.as_posix())
    for start, text in found:
        for line, advice, sentence in faults(text):
            if not (may_say_people and re.match("'(?:person|people)", advice)):
                yield f"{path}:{start + line}: {advice}: {sentence[:120]}"


def files(paths: list[Path]) -> Iterator[Path]:
    """Yield the Markdown and Python files in paths, or in the repository if there are none."""
    for path in paths or [*Path().glob("*.md"), *Path().glob("*.py"), *map(Path, FOLDERS)]:
        yield from [path] if path.is_file() else sorted(path.rglob("*.[mp][dy]"))


def main(arguments: list[str]) -> bool:
    """Print everything that breaks a rule, and return whether something does."""
    found = [fault for path in files([Path(name) for name in arguments]) for fault in check(path)]
    print(*found, sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
