"""`Index`: the protocol of a search in a gallery, and the checks that every index needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import keras
import numpy as np
import numpy.typing as npt

from siamese_verify.layers.heads.cosine import CosineHead
from siamese_verify.messages import listed, shown
from siamese_verify.scoring import Floats

Ids = npt.NDArray[np.int64]
_BLOCK = 2**14


class Neighbors(NamedTuple):
    """Embeddings of the gallery that are most alike to each probe, best first."""

    scores: Floats
    """Scores, float32 `(m, k)`. Where an index found fewer than `k`, they are -inf."""
    ids: Ids
    """Ids of the embeddings, int64 `(m, k)`. Where an index found fewer than `k`, they are -1."""


class Index(Protocol):
    """Index of a gallery, which finds the embeddings most alike to a probe.

    `index_type(head, size)` makes one, for a head and for embeddings of `size` values. Threads may
    search while one thread changes it. A search sees all of a change or none of it.
    """

    def add(self, ids: Ids, embeddings: Floats) -> None:
        """Add embeddings `(n, size)` under new ids `(n,)`, which are not negative."""
        ...

    def remove(self, ids: Ids) -> None:
        """Remove the embeddings of these ids."""
        ...

    def search(self, probes: Floats, k: int) -> Neighbors:
        """Find the `k` neighbours of each probe `(m, size)`, or all if the index has fewer."""
        ...

    def __len__(self) -> int:
        """Count the embeddings."""
        ...


IndexType = Callable[[keras.layers.Layer, int], Index]


class Contents(NamedTuple):
    """Ids of an index, and a digest of the embedding of each, in the order of the ids."""

    ids: Ids
    """int64 `(n,)`, ascending."""
    digests: Ids
    """Digests by `digests`, int64 `(n,)`."""


@runtime_checkable
class StoredIndex(Index, Protocol):
    """Index that outlives its process, in a file or a database."""

    def contents(self) -> Contents:
        """Tell what the index holds."""
        ...


def fill(index: Index, ids: Ids, embeddings: Floats) -> None:
    """Let a new index hold these embeddings and no others.

    A `StoredIndex` may hold most of them already. Only embeddings that it lacks are added, and
    only others are removed. It cannot answer for another gallery or another model, because the
    content of every embedding is compared.

    Args:
        index: Index that `index_type(head, size)` has made.
        ids: int64 array `(n,)`.
        embeddings: float32 array `(n, size)`.
    """
    new = np.ones(len(ids), bool)
    if isinstance(index, StoredIndex):
        held = index.contents()
        wanted = np.rec.fromarrays([ids, digests(embeddings)])
        present = np.rec.fromarrays(held)
        index.remove(held.ids[~np.isin(present, wanted)])
        new = ~np.isin(wanted, present)
    if new.any():
        index.add(ids[new], embeddings if new.all() else embeddings[new])


def digests(embeddings: Floats) -> Ids:
    """Compute a number from each embedding that another embedding hardly has, int64 `(n,)`.

    It finds changes by accident. Nobody is kept from finding two embeddings with one digest.
    """
    rng = np.random.default_rng(0)
    factors = np.asarray(rng.integers(2**62, size=embeddings.shape[1]), np.int64) * 2 + 1

    def digests_of(block: Floats) -> Ids:
        bits = np.ascontiguousarray(block, np.float32).view(np.uint32)
        total = np.zeros(len(bits), np.uint64)
        for i, factor in enumerate(factors.tolist()):
            product = (bits[:, i] + np.uint64(1)) * np.uint64(factor)
            total += product ^ (product >> np.uint64(29))
        return total.view(np.int64)

    return _by_blocks(digests_of, embeddings)


def _by_blocks(
    function: Callable[[Floats], npt.NDArray[Any]], embeddings: Floats
) -> npt.NDArray[Any]:
    """Apply a function to embeddings, whose temporary arrays stay small."""
    starts = range(0, max(len(embeddings), 1), _BLOCK)
    return np.concatenate([function(embeddings[i : i + _BLOCK]) for i in starts])


def checked_addition(
    size: int, ids: Ids, embeddings: Floats, present: Callable[[Ids], npt.NDArray[np.bool_]]
) -> tuple[Ids, Floats]:
    """Check what `Index.add` is given.

    Args:
        size: Number of values of an embedding.
        ids: New ids.
        embeddings: New embeddings.
        present: Function that tells which ids the index holds.

    Returns:
        Ids in ascending order, and their embeddings.

    Raises:
        ValueError: If shapes do not fit, an id is negative or already there, or an embedding is
            not finite.
    """
    ids, embeddings = np.asarray(ids, np.int64), np.asarray(embeddings, np.float32)
    if ids.ndim != 1 or embeddings.shape != (len(ids), size):
        raise ValueError(
            f"`embeddings` must have one row of {size:,} values for each id. "
            f"Received: ids {ids.shape}, embeddings {embeddings.shape}"
        )
    unique, counts = np.unique(ids, return_counts=True)
    wrong = unique[(counts > 1) | (unique < 0) | present(unique)]
    if len(wrong):
        raise ValueError(
            f"Ids must be new, different, and not negative. Received: ids={listed(wrong.tolist())}"
        )
    good = _by_blocks(_are_finite, embeddings)
    if not good.all():  # One NaN, which compares with nothing, would hide all others.
        raise ValueError(
            "Embeddings must be finite. "
            f"Received: {np.count_nonzero(~good):,} that are not, the first in row {good.argmin()}"
        )
    return (
        (unique, embeddings)
        if np.array_equal(unique, ids)
        else (unique, embeddings[np.argsort(ids)])
    )


def _are_finite(embeddings: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(embeddings).all(axis=1))


def checked_removal(ids: Ids, present: Callable[[Ids], npt.NDArray[np.bool_]]) -> Ids:
    """Check what `Index.remove` is given, and return the ids, each once.

    Raises:
        ValueError: If an id is not in the index.
    """
    ids = np.unique(np.asarray(ids, np.int64))
    there = present(ids)
    if not there.all():
        raise ValueError(
            f"Only ids of the index can be removed. Received: ids={listed(ids[~there].tolist())}"
        )
    return ids


def rows_of(held: Ids, ids: Ids) -> Ids:
    """Find the places of ids among ascending ids, and -1 for others."""
    rows = np.searchsorted(held, ids)
    there = rows < len(held)
    there[there] = held[rows[there]] == ids[there]
    return np.where(there, rows, -1)


def check_cosine(name: str, head: keras.layers.Layer) -> None:
    """Raise a `ValueError` unless the head is a `CosineHead`."""
    if type(head) is not CosineHead:  # A subclass may score in another way.
        raise ValueError(
            f"{name} searches by cosine only. Use ExactIndex for other heads. "
            f"Received: head={shown(head)}"
        )
