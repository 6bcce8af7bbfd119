"""`InMemory` and `OnDisk`: galleries that FAISS has compressed once, and that never change."""

from __future__ import annotations

import json
import os
import zlib
from typing import Any, BinaryIO, Protocol

import numpy as np

from siamese_verify.files import PathLike, open_regular_file, replacing
from siamese_verify.messages import shown
from siamese_verify.scoring import Floats
from siamese_verify.verification.indexes.index import Ids, Neighbors, digests, rows_of
from siamese_verify.verification.indexes.rows import Part, Rows

_END = b"siamese-verify index 2\n"
_PROBES = 64  # Probes that are compared together with their candidates.
_LISTS = 32  # Inverted lists that are read for each probe.
_SEEN_BY_TRAINING = 2**16
_BLOCK = 2**16  # Embeddings that are checked together.


class Compressed(Protocol):
    """Gallery of unit embeddings that does not change."""

    part: Part

    def search(self, probes: Floats, k: int, candidates: int) -> Neighbors:
        """Find neighbours of unit probes. Ids are -1 where there are fewer."""
        ...


class InMemory:
    """Codes of 4 bits for two values that FAISS scans all, and the embeddings themselves.

    The code has 4 bits for one value if the size is odd.
    """

    def __init__(self, rows: Rows):
        import faiss

        size = rows.sample(1).shape[1]
        form = f"PQ{size if size % 2 else size // 2}x4fs,RFlat"
        index: Any = faiss.index_factory(size, form, faiss.METRIC_INNER_PRODUCT)
        index.train(rows.sample(_SEEN_BY_TRAINING))
        for block in rows.blocks():
            index.add(block)
        exact: Any = faiss.downcast_index(index.refine_index)
        unit = faiss.rev_swig_ptr(exact.get_xb(), len(rows) * size).reshape(len(rows), size)
        self.part, self._index = Part(rows.ids, rows.digests, unit), index

    def search(self, probes: Floats, k: int, candidates: int) -> Neighbors:
        """Find neighbours (see `Compressed`)."""
        import faiss

        effort = faiss.IndexRefineSearchParameters()
        effort.k_factor = max(1.0, candidates / k)
        scores, rows = self._index.search(probes, k, params=effort)
        return Neighbors(
            np.where(rows < 0, -np.inf, scores.clip(-1, 1)).astype(np.float32),
            np.where(rows < 0, -1, self.part.ids[rows]),
        )


class OnDisk:
    """File with inverted lists of codes of 8 bits for two values, and the embeddings themselves.

    FAISS and NumPy map the file, so that memory holds only what was read lately, and the system can
    free it. The file is a FAISS index (IVF-PQ). Embeddings, ids and digests follow it, and the
    last line tells where. Each row has two digests: of the embedding as it was received, and of the
    unit embedding in the file. The latter finds damage before a score of the row is returned.
    """

    def __init__(self, path: PathLike, end: dict[str, int]):
        import faiss

        n, size, start = end["n"], end["size"], end["start"]
        self._path = path
        unit = np.memmap(path, np.float32, "r", start, (n, size))
        numbers = np.memmap(path, np.int64, "r", start + unit.nbytes, (3, n))
        if _checksum(path, end["head"], numbers.tobytes()) != end["crc"]:
            raise _damaged(path)
        self.part, self._unit_digests = Part(numbers[0], numbers[1], unit), numbers[2]
        try:
            self._index: Any = faiss.read_index(os.fspath(path), faiss.IO_FLAG_MMAP)
        except RuntimeError as error:
            raise _damaged(path) from error

    def check(self) -> None:
        """Raise a `ValueError` if an embedding is not as it was written."""
        for start in range(0, len(self.part.ids), _BLOCK):
            self._check(np.arange(start, min(start + _BLOCK, len(self.part.ids))))

    def _check(self, rows: Ids) -> None:
        rows = np.unique(rows[rows >= 0])
        if not np.array_equal(digests(self.part.embeddings[rows]), self._unit_digests[rows]):
            raise _damaged(self._path)

    @classmethod
    def opened(cls, path: PathLike, size: int) -> OnDisk | None:
        """Open a file, or return None if there is none, or one of embeddings of another size.

        Raises:
            ValueError: If the file is damaged or something else.
        """
        try:
            with open_regular_file(path) as file:
                end = _read_end(file)
        except FileNotFoundError:
            return None
        if end is None:
            raise _damaged(path)
        return cls(path, end) if end["size"] == size else None

    @classmethod
    def written(cls, path: PathLike, rows: Rows) -> OnDisk:
        """Write a file of rows. It replaces an older file only when it is complete."""
        import faiss

        with replacing(path) as unfinished:
            index = _inverted_lists(rows)
            faiss.write_index(index, os.fspath(unfinished))
            with open(unfinished, "ab") as file:
                # FAISS writes the codes and the ids of 8 bytes last.
                head = file.tell() - len(rows) * (index.code_size + 8)
                file.write(bytes(-file.tell() % 64))
                size, start, of_unit = 0, file.tell(), []
                for block in rows.blocks():
                    size = block.shape[1]
                    file.write(block.tobytes())
                    of_unit.append(digests(block))
                numbers = np.stack([rows.ids, rows.digests, np.concatenate(of_unit)]).tobytes()
                file.write(numbers)
                crc = _checksum(unfinished, head, numbers)
                end = {"n": len(rows), "size": size, "start": start, "head": head, "crc": crc}
                file.write(json.dumps(end).encode().rjust(200) + _END)
        return cls(path, end)

    def search(self, probes: Floats, k: int, candidates: int) -> Neighbors:
        """Find neighbours (see `Compressed`).

        Raises:
            ValueError: If the file was damaged.
        """
        import faiss

        # More lists where one needs so many candidates that few lists would not hold them.
        n, lists = self._index.ntotal, self._index.nlist
        count = min(max(candidates, k), n)
        effort = faiss.SearchParametersIVF()
        effort.nprobe = min(lists, _LISTS + 2 * count * lists // n)
        scores = np.full((len(probes), k), -np.inf, np.float32)
        ids = np.full((len(probes), k), -1, np.int64)
        for start in range(0, len(probes), _PROBES):
            some = slice(start, start + _PROBES)
            try:
                _, found = self._index.search(probes[some], count, params=effort)
            except RuntimeError as error:
                raise _damaged(self._path) from error
            rows = rows_of(self.part.ids, found)
            ordered = np.sort(found, axis=1)
            is_twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
            if (rows[found >= 0] < 0).any() or is_twice.any():
                raise _damaged(self._path)
            exact = (self.part.embeddings[rows] @ probes[some, :, None])[:, :, 0].clip(-1, 1)
            exact[found < 0] = -np.inf
            order = np.lexsort((found, -exact))[:, :k]
            scores[some] = np.take_along_axis(exact, order, axis=1)
            ids[some] = np.take_along_axis(found, order, axis=1)
            self._check(np.take_along_axis(rows, order, axis=1))
        return Neighbors(scores, ids)


def _damaged(path: PathLike) -> ValueError:
    return ValueError(
        f"{shown(path)} is not an index of this version, or it is damaged, so it cannot be "
        f"searched. Delete it to have it made from the gallery. Received: path={shown(path)}"
    )


def _checksum(path: PathLike, head: int, numbers: bytes) -> int:
    """Compute the checksum of the file up to FAISS's codes, and of ids and digests.

    FAISS ends the process rather than raise an error for some damage.
    """
    with open(path, "rb") as file:
        return zlib.crc32(numbers, zlib.crc32(file.read(head)))


def _inverted_lists(rows: Rows) -> Any:
    """Train and fill the inverted lists: one for each of as many images as there are lists."""
    import faiss

    size, lists = rows.sample(1).shape[1], int(len(rows) ** 0.5)
    # Without "np", FAISS would order the codes for searches by Hamming distance, in six seconds.
    form = f"IVF{lists},PQ{size if size % 2 else size // 2}x8np"
    index: Any = faiss.index_factory(size, form, faiss.METRIC_INNER_PRODUCT)
    index.train(rows.sample(max(_SEEN_BY_TRAINING, 40 * lists)))
    start = 0
    for block in rows.blocks():
        index.add_with_ids(block, rows.ids[start : start + len(block)])
        start += len(block)
    return index


def _read_end(file: BinaryIO) -> dict[str, int] | None:
    """Read where the parts of a file are, or return None if they are not there."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - 200 - len(_END)))
    end = file.read()
    if len(end) != 200 + len(_END) or not end.endswith(_END):
        return None
    try:
        where = {name: int(value) for name, value in json.loads(end[:200]).items()}
        expected = where["start"] + where["n"] * (4 * where["size"] + 24) + len(end)
        sizes = where["n"], where["size"], where["start"] - where["head"], where["head"]
        is_whole = length == expected and min(sizes) > 0 and where["crc"] >= 0
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return where if is_whole else None
