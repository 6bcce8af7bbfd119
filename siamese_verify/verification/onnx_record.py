"""The record in an ONNX file: what decides besides the weights, and a digest that binds the two.

An ONNX file is a message of Protocol Buffers. Bytes that are appended to it count as its last
fields. So the record, and then a digest of all bytes before it, are appended as two entries of the
metadata. They are read without the package `onnx`.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

KEY = "siamese_verify"
FORMAT = 2
"""Number of the record's format. Format 1 had no embeddings and no digest."""
_DIGEST_KEY = f"{KEY}.sha256"
_METADATA, _NAME, _VALUE = 14, 1, 2
"""Numbers of ModelProto's field `metadata_props`, and of the fields of an entry."""


def attach(path: Path, record: dict[str, Any]) -> None:
    """Add a record to an ONNX file."""
    contents = path.read_bytes() + _entry(KEY, json.dumps(record))
    path.write_bytes(contents + _entry(_DIGEST_KEY, hashlib.sha256(contents).hexdigest()))


def check_digest(file: BinaryIO) -> None:
    """Raise a `ValueError` unless a file with a record is as `attach` left it."""
    digest = hashlib.sha256()
    rest = file.seek(0, os.SEEK_END) - len(_entry(_DIGEST_KEY, 64 * "0"))
    file.seek(0)
    while rest > 0 and (block := file.read(min(rest, 2**20))):
        digest.update(block)
        rest -= len(block)
    if file.read() != _entry(_DIGEST_KEY, digest.hexdigest()):
        raise ValueError(
            "it was damaged or changed after the export, so its threshold may not hold. Get the "
            "original file, or export the verifier again"
        )


def _entry(name: str, value: str) -> bytes:
    """Encode an entry of the metadata."""
    fields = _field(_NAME, name.encode()) + _field(_VALUE, value.encode())
    return _field(_METADATA, fields)


def _field(number: int, content: bytes) -> bytes:
    """Encode a field of Protocol Buffers whose content has a length (wire type 2)."""
    length, rest = b"", len(content)
    while rest > 0x7F:
        length, rest = length + bytes([rest & 0x7F | 0x80]), rest >> 7
    return bytes([number << 3 | 2]) + length + bytes([rest]) + content
