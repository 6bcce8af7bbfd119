"""ZIP archives, checked before they are read: a small file must not fill the memory."""

from __future__ import annotations

import contextlib
import os
import struct
import zipfile
from collections.abc import Collection, Iterator
from typing import BinaryIO

from siamese_verify.files import PathLike, open_regular_file
from siamese_verify.messages import shown

# All members together may hold this many times the bytes of the file, and a little more. This
# library compresses nothing, and weights compress by less than half.
_LARGEST_RATIO = 4
_ALWAYS_ALLOWED = 2**20
_LARGEST_DIRECTORY = 2**16
# Smaller archives need no ZIP64, whose larger directory stands elsewhere.
_SMALLEST_ZIP64 = 2**31
_END = struct.Struct("<4s4H2LH")  # The record at the end of a ZIP archive without a comment.
_ZIP64_LOCATOR = b"PK\x06\x07", 20


def open_file(path: PathLike, error_type: type[ValueError]) -> BinaryIO:
    """Open a file as `open_regular_file` does.

    Raises:
        error_type: If the path is a folder, a pipe or a device, or not a path at all.
        OSError: If it cannot be opened.
    """
    try:
        return open_regular_file(path)
    except ValueError as error:
        raise error_type(str(error)) from error


def checked_archive(file: BinaryIO, names: Collection[str]) -> zipfile.ZipFile:
    """Open an archive whose members are known, and hold at most a few times the file's bytes.

    Args:
        file: Open file.
        names: Names that members may have.

    Raises:
        ValueError: If the archive holds other members, one of them twice, too many bytes, or
            members that are encrypted or compressed in an unusual way.
        zipfile.BadZipFile: If the file is not an archive.
    """
    size = _check_directory(file)
    archive = zipfile.ZipFile(file)
    members = archive.infolist()
    found = [member.filename for member in members]
    if len(set(found)) < len(found) or not set(found) <= set(names):
        raise ValueError(f"It holds other members than it was written with: {shown(found)}")
    for member in members:
        # Other methods inflate a whole block at once, of any size.
        is_usual = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if member.flag_bits & 1 or not is_usual:
            raise ValueError(f"Its member {member.filename} is encrypted or compressed unusually")
    declared = sum(member.file_size for member in members)
    if declared > _LARGEST_RATIO * size + _ALWAYS_ALLOWED:
        raise ValueError(
            f"Its members declare {declared:,} bytes, far more than the {size:,} of the file"
        )
    return archive


def _check_directory(file: BinaryIO) -> int:
    """Check the length of the list of members, which `zipfile` reads at once. Return the size."""
    size = file.seek(0, os.SEEK_END)
    signature, length = _ZIP64_LOCATOR
    file.seek(max(0, size - _END.size - length))
    end = file.read()
    if size < _END.size:
        raise ValueError("It does not end as an archive does")
    start, *_, directory_size, _, _ = _END.unpack(end[-_END.size :])
    if start != b"PK\x05\x06":
        raise ValueError("It does not end as an archive does")
    if directory_size > _LARGEST_DIRECTORY or (
        end.startswith(signature) and size < _SMALLEST_ZIP64
    ):
        raise ValueError("Its list of members is too long")
    return size


@contextlib.contextmanager
def explaining(error_type: type[ValueError], fact: str, where: str = "") -> Iterator[None]:
    """Raise an `error_type` for whatever the block raises, except where memory is short.

    Args:
        error_type: Class of the error.
        fact: Start of its text.
        where: End of its text.
    """
    try:
        yield
    except (MemoryError, error_type):
        raise
    except Exception as error:
        raise error_type(f"{fact}: {reason(error)}{where}") from error


def reason(error: BaseException) -> str:
    """Describe the first cause of an error, on one line."""
    while earlier := error.__cause__ or error.__context__:
        error = earlier
    is_clear = isinstance(error, (ValueError, TypeError)) and str(error)
    return shown(error if is_clear else repr(error), 400).rstrip(".")
