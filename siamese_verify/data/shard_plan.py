"""Which images go into which file, and under which name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from siamese_verify.data.folders import OR_SKIP, describe_missing, find_files
from siamese_verify.data.loading import check_distinct_files
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.sample_list import Rows, SampleList
from siamese_verify.data.shard_index import FORMAT
from siamese_verify.data.shard_records import encoded
from siamese_verify.data.skipping import OnError
from siamese_verify.data.store import digest_of_settings
from siamese_verify.files import PathLike

PREFIX = "shard-"


class Plan(NamedTuple):
    """A file to write: the rows of its samples, and a name, which is the digest of its inputs."""

    rows: Rows
    name: str


def divide(samples: SampleList, per_shard: int, seed: int) -> list[Rows]:
    """Divide the samples among files: identities in a random order, each in one file if it fits."""
    digests = [
        hashlib.blake2b(encoded(name), digest_size=16, salt=seed.to_bytes(16, "little")).digest()
        for name in samples.identities
    ]
    rank = np.empty(len(digests), np.int64)
    rank[sorted(range(len(digests)), key=digests.__getitem__)] = np.arange(len(digests))
    ranks = rank[samples.identity_codes]
    order = np.argsort(ranks, kind="stable").astype(np.int32)
    ends = np.cumsum(np.bincount(ranks)).tolist()
    cuts = [0]
    for start, end in zip([0, *ends], ends, strict=False):
        if end - cuts[-1] > per_shard and start > cuts[-1]:
            cuts.append(start)
        while end - cuts[-1] > per_shard:
            cuts.append(cuts[-1] + per_shard)
    return np.split(order, cuts[1:])


def plan_files(
    samples: SampleList,
    root: PathLike | None,
    preprocessing: Preprocessing,
    divided: Sequence[Rows],
    on_error: OnError,
) -> list[Plan]:
    """Name each file after its contents, and check that all images are there, each once."""
    settings = json.dumps([FORMAT, digest_of_settings(preprocessing)])
    plans = []
    located: list[Path | None] = [Path()] * len(samples)
    files = np.zeros(len(samples), np.int64)
    for rows in divided:
        digest = hashlib.blake2b(settings.encode(), digest_size=16)
        chosen = [samples[row] for row in rows.tolist()]
        for row, sample, file in zip(rows.tolist(), chosen, find_files(root, chosen), strict=True):
            state = None if file is None else _state(file)
            digest.update(json.dumps([*sample, state]).encode())
            files[row] = row if file is None else hash(str(file))
            if file is None:
                located[row] = None
        plans.append(Plan(rows, f"{PREFIX}{digest.hexdigest()}"))
    if on_error == "raise" and (problem := describe_missing(root, samples, located, OR_SKIP)):
        raise FileNotFoundError(problem)
    check_distinct_files(len(samples), len(np.unique(files)))
    return plans


def _state(file: Path) -> tuple[str, int, int]:
    """Return what tells a file from another one, without reading it."""
    status = file.stat()
    # Images of another folder may have the same names, sizes and times.
    return os.path.abspath(file), status.st_size, status.st_mtime_ns
