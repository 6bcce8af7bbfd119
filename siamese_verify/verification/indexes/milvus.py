"""`MilvusIndex`: a gallery in the vector database Milvus, as a file, a server or a cluster."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.checks import whole_number
from siamese_verify.files import PathLike
from siamese_verify.messages import shown
from siamese_verify.scoring import Floats, unit_rows
from siamese_verify.verification.indexes.index import (
    Contents,
    Ids,
    Neighbors,
    check_cosine,
    checked_addition,
    checked_removal,
    digests,
    rows_of,
)

_BATCH = 5_000  # Embeddings of one request, which a server bounds to 64 MB.
_MOST = 16_384  # Neighbours that Milvus returns at most.


class MilvusIndex:
    """Index in the vector database Milvus, which several processes and machines can share.

    The same calls work on a file, a server and a cluster. Only the URL differs. The database keeps
    each change. It needs the extra `milvus`.

    A change of more than 5,000 embeddings goes to the database in several requests, so a search
    meanwhile may see a part of it. Milvus returns at most 16,384 neighbours of a probe.

    Args:
        head: A `CosineHead`.
        size: Number of values of an embedding.
        url: Path of a file that ends in `.db`, for Milvus Lite, or the address of a server, such
            as `http://localhost:19530`.
        collection: Name of the collection. Each gallery needs its own.
        token: Token, or `user:password`, of a server that wants one.

    Raises:
        ValueError: If the head is not a `CosineHead`, or the collection is of embeddings of another
            size.
        ConnectionError: If the database cannot be reached or used. Names the URL.
        ImportError: If the client is not installed.

    Examples:
        >>> import functools
        >>> index_type = functools.partial(MilvusIndex, url="faces.db", collection="faces")

    Reference:
        Wang et al., "Milvus: A Purpose-Built Vector Data Management System", 2021.
    """

    def __init__(
        self,
        head: keras.layers.Layer,
        size: int,
        url: PathLike,
        collection: str = "gallery",
        token: str = "",
    ):
        check_cosine("MilvusIndex", head)
        self._known = Contents(np.empty(0, np.int64), np.empty(0, np.int64))
        self._size, self._collection = whole_number("size", size), collection
        self._shown = _without_password(os.fspath(url))
        with self._naming():
            from pymilvus import MilvusClient

            self._client: Any = MilvusClient(os.fspath(url), token=token)
            if not self._client.has_collection(collection):
                self._create()
            fields = self._client.describe_collection(collection)["fields"]
            found = {field["name"]: field["params"].get("dim") for field in fields}
            self._client.load_collection(collection)
        if found != {"id": None, "digest": None, "vector": self._size + 1}:
            raise ValueError(
                f"The collection {shown(collection)} of {self._shown} is not an index of "
                f"embeddings of {self._size:,} values. Name another collection. "
                f"Received: collection={shown(collection)}"
            )

    def __len__(self) -> int:
        with self._naming():
            counted = self._client.query(self._collection, filter="", output_fields=["count(*)"])
        return int(counted[0]["count(*)"])

    def contents(self) -> Contents:
        """Tell what the database holds (see `StoredIndex`)."""
        found = [np.empty((0, 2), np.int64)]
        with self._naming():
            batches = self._client.query_iterator(
                self._collection, batch_size=_BATCH, output_fields=["id", "digest"]
            )
            while batch := batches.next():
                found.append(np.array([[row["id"], row["digest"]] for row in batch], np.int64))
            batches.close()
        ids, own = np.concatenate(found).T
        order = np.argsort(ids)
        self._known = Contents(ids[order], own[order])
        return self._known

    def add(self, ids: Ids, embeddings: Floats) -> None:
        """Add embeddings, as `ExactIndex.add` does."""
        ids, embeddings = checked_addition(self._size, ids, embeddings, self._present)
        known, own = self._known, digests(embeddings)
        for start in range(0, len(ids), _BATCH):
            some = slice(start, start + _BATCH)
            columns = ids[some].tolist(), own[some].tolist(), _with_zeros_marked(embeddings[some])
            rows = [
                {"id": id_, "digest": digest, "vector": vector}
                for id_, digest, vector in zip(*columns, strict=True)
            ]
            with self._naming():
                self._client.insert(self._collection, rows)
        at = np.searchsorted(known.ids, ids)
        self._known = Contents(np.insert(known.ids, at, ids), np.insert(known.digests, at, own))

    def remove(self, ids: Ids) -> None:
        """Remove embeddings, as `ExactIndex.remove` does."""
        gone = checked_removal(ids, self._present).tolist()
        for start in range(0, len(gone), _BATCH):
            with self._naming():
                self._client.delete(self._collection, ids=gone[start : start + _BATCH])
        left = ~np.isin(self._known.ids, gone)
        self._known = Contents(self._known.ids[left], self._known.digests[left])

    def search(self, probes: Floats, k: int) -> Neighbors:
        """Find nearly all of the `k` neighbours of each probe, as `ExactIndex.search` does.

        Where Milvus finds fewer, scores are -inf and ids -1.

        Raises:
            RuntimeError: If another process has put other embeddings in the place of known ones.
        """
        k = min(whole_number("k", k), _MOST)
        if not len(probes):
            width = min(k, len(self))
            return Neighbors(np.empty((0, width), np.float32), np.empty((0, width), np.int64))
        with self._naming():
            found = self._client.search(
                self._collection,
                list(_with_zeros_marked(probes)),
                limit=k,
                search_params={"params": {"ef": max(100, k)}},
                output_fields=["id", "digest"],
                consistency_level="Strong",
            )
        self._check_known(found)
        width = max(map(len, found))
        scores = np.full((len(probes), width), -np.inf, np.float32)
        ids = np.full((len(probes), width), -1, np.int64)
        for row, hits in enumerate(found):
            best = sorted((-hit["distance"], hit["id"]) for hit in hits)
            scores[row, : len(best)] = [min(1.0, -distance) for distance, _ in best]
            ids[row, : len(best)] = [id_ for _, id_ in best]
        return Neighbors(scores, ids)

    def _check_known(self, found: Sequence[Sequence[Mapping[str, Any]]]) -> None:
        """Raise an error if neighbours are not what their ids stood for."""
        hits = [(hit["id"], hit["entity"]["digest"]) for row in found for hit in row]
        ids, own = np.array(hits, np.int64).reshape(-1, 2).T
        rows = rows_of(self._known.ids, ids)
        changed = (rows >= 0) & (np.append(self._known.digests, 0)[rows] != own)
        if changed.any():
            raise RuntimeError(
                f"Another process has filled the collection {shown(self._collection)} of "
                f"{self._shown} with another gallery, so its answers would name the wrong "
                "identities. Load the present gallery in a new verifier, or name another "
                f"collection. Received: {np.unique(ids[changed]).size:,} other embeddings"
            )

    def _create(self) -> None:
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("digest", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self._size + 1)
        index = self._client.prepare_index_params()
        # This index computes scores from the embeddings themselves, and so does the head.
        form = {"M": 16, "efConstruction": 100}
        index.add_index("vector", index_type="HNSW", metric_type="IP", params=form)
        self._client.create_collection(
            self._collection, schema=schema, index_params=index, consistency_level="Strong"
        )

    def _present(self, ids: Ids) -> npt.NDArray[np.bool_]:
        held: list[int] = []
        for start in range(0, len(ids), _BATCH):
            with self._naming():
                some = ids[start : start + _BATCH].tolist()
                found = self._client.query(
                    self._collection, filter=f"id in {some}", output_fields=["id"]
                )
            held += [row["id"] for row in found]
        return np.isin(ids, np.array(held, np.int64))

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        """Let errors name the database."""
        try:
            yield
        except ImportError as error:
            raise ImportError(
                "Milvus is not installed. Install it with: pip install 'siamese-verify[milvus]'. "
                f"Received: url={self._shown}"
            ) from error
        except Exception as error:  # The client has errors of its own, of gRPC and of Python.
            raise ConnectionError(
                f"Milvus at {self._shown} cannot be used: {_without_password(error)}. Check the "
                f"address and the server. Received: url={self._shown}"
            ) from error


def _without_password(text: object) -> str:
    """Show an address, or a text with one, without the user and password that it may hold."""
    return shown(re.sub(r"//[^/\s]*@", "//", str(text)))


def _with_zeros_marked(embeddings: Floats) -> Floats:
    """Make unit embeddings with one more value, by which two zeros score 1, as a head does."""
    zero = ~embeddings.any(axis=1)
    return np.column_stack([unit_rows(embeddings), zero]).astype(np.float32)
