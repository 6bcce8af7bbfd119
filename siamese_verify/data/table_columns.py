"""Contents that the columns of a table may have."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import PurePath, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from siamese_verify.checks import is_missing
from siamese_verify.data.table_chunks import Chunk, ListChunk, TextChunk, pyarrow
from siamese_verify.data.table_numbers import TextNumbers, Texts
from siamese_verify.data.table_text import TableError
from siamese_verify.files import PathLike
from siamese_verify.messages import shown_repr
from siamese_verify.names import normalized

LABELS = {
    **dict.fromkeys(("1", "true", "same", "genuine"), 1),
    **dict.fromkeys(("0", "false", "different", "impostor"), 0),
}
LONGEST_GROUP = 200
"""Largest number of characters of a group, since NumPy keeps each group as long as the longest."""
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")


class UnfitError(Exception):
    """A value that its column cannot hold. The text states what the column holds."""


class Codes:
    """Numbers of the distinct texts of columns, in the order of their first occurrence.

    Args:
        parse: Function from a text to its value. Raises `UnfitError` if the column cannot hold it.
        as_text: Function from another value to its text.

    Attributes:
        parsed: Value of each distinct text.
    """

    def __init__(self, parse: Callable[[str], Any], as_text: Callable[[Any], str]):
        self.parsed: list[Any] = []
        self._numbers = TextNumbers()
        self._parse, self._as_text = parse, as_text

    def encode(
        self, source: str, chunk: Chunk, columns: Sequence[str]
    ) -> list[npt.NDArray[np.int32]]:
        """Return the number of each value in some columns of a chunk.

        Raises:
            TableError: If a column cannot hold a value. Names the first row and its column.
        """
        try:
            return [self._number(chunk, column) for column in columns]
        except UnfitError:
            raise min(
                (e for c in columns if (e := self._find_unfit(source, chunk, c)) is not None),
                key=lambda error: error.row or 0,
            ) from None

    def forget(self) -> None:
        """Free the memory of the numbers. The values remain."""
        self._numbers = TextNumbers()

    def _number(self, chunk: Chunk, column: str) -> npt.NDArray[np.int32]:
        if isinstance(chunk, TextChunk):
            return self._number_texts(chunk.columns[column])
        if isinstance(chunk, ListChunk):
            return self._number_values(chunk.columns[column])
        texts = chunk.texts(column)
        if texts is not None:
            return self._number_texts(texts)
        values = chunk.columns[column]
        if pyarrow().types.is_nested(values.type):  # Lists, which pyarrow does not encode.
            return self._number_values(values.to_pylist())
        encoded = values.dictionary_encode("encode")
        return self._number_values(encoded.dictionary.to_pylist())[encoded.indices.to_numpy()]

    def _number_values(self, values: list[Any]) -> npt.NDArray[np.int32]:
        texts = values if set(map(type, values)) <= {str} else list(map(self._text, values))
        return self._number_texts(Texts.of(texts))

    def _number_texts(self, texts: Texts) -> npt.NDArray[np.int32]:
        numbers, new = self._numbers.number(texts)
        self.parsed.extend(map(self._parse, texts.decoded(new)))
        return numbers

    def _text(self, value: Any) -> str:
        return value if isinstance(value, str) else self._as_text(value)

    def _find_unfit(self, source: str, chunk: Chunk, column: str) -> TableError | None:
        for row, value in zip(chunk.lines, chunk.values(column), strict=True):
            try:
                self._parse(self._text(value))
            except UnfitError as error:
                received = f"Received: {shown_repr(value)}"
                return TableError(source, f"{error} {received}", int(row), column)
        return None


def path_codes(root: PathLike | None) -> Codes:
    """Make codes of paths in their shortest spelling, which are joined to `root`."""
    expected = "A path must be text that is not empty."
    if root is not None and not isinstance(root, (str, os.PathLike)):
        raise TypeError(f"`root` must be the path of a folder. Received: root={shown_repr(root)}")
    start = "" if root is None else os.path.join(root, "")

    def parse(text: str) -> str:
        if not text.strip() or "\0" in text:
            raise UnfitError(expected)
        if start and (PurePath(text).anchor or ".." in PurePath(text).parts):
            raise UnfitError("With `root`, a path must lead to a file below it.")
        return start + shortest(text)

    def as_text(value: Any) -> str:
        if isinstance(value, os.PathLike) and isinstance(path := os.fspath(value), str):
            return path
        raise UnfitError(expected)

    return Codes(parse, as_text)


def shortest(path: str) -> str:
    """Spell a path in one way, without `./` and `//`. Keeps `..`, which may follow a link.

    Examples:
        >>> shortest("./a//b/../c.png")
        'a/b/../c.png'
    """
    return str(PurePosixPath(path)) if "./" in path or "//" in path else path


def identity_codes() -> Codes:
    """Make codes of identities, whose names are kept in Unicode's composed form."""
    expected = "An identity must be a name or a whole number."

    def parse(text: str) -> str:
        if not text.strip() or "\0" in text:
            raise UnfitError(expected)
        return normalized(text)

    return Codes(parse, lambda value: _whole(value, expected))


def label_codes() -> Codes:
    """Make codes of labels, whose values are 0 and 1."""
    expected = (
        "A label must be 1, true, same or genuine, or 0, false, different or impostor, in any case."
    )

    def parse(text: str) -> int:
        label = LABELS.get(text.strip().lower())
        if label is None:
            raise UnfitError(expected)
        return label

    def as_text(value: Any) -> str:
        # NumPy's and pandas' missing values are equal to nothing, or not even a truth value.
        if isinstance(value, (bool, int, float, np.bool_, np.number)) and value in (0, 1):
            return str(int(value))
        raise UnfitError(expected)

    return Codes(parse, as_text)


def fold_codes() -> Codes:
    """Make codes of folds, whose values are whole numbers."""
    expected = "A fold must be a whole number, at least 0."

    def parse(text: str) -> int:
        if not _WHOLE_NUMBER.fullmatch(text):
            raise UnfitError(expected)
        return int(text)

    return Codes(parse, lambda value: _whole(value, expected))


def group_codes() -> Codes:
    """Make codes of groups. An empty or a missing value means none."""
    expected = f"A group must be a name of at most {LONGEST_GROUP} characters, or empty."

    def parse(text: str) -> str:
        if len(text) > LONGEST_GROUP or "\0" in text:
            raise UnfitError(expected)
        return text

    def as_text(value: Any) -> str:
        return "" if is_missing(value) else _whole(value, expected)

    return Codes(parse, as_text)


def _whole(value: Any, expected: str) -> str:
    if isinstance(value, Integral) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):  # It has more digits than Python writes.
            return str(int(value))
    raise UnfitError(expected)
