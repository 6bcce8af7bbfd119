"""A table of drawn faces with two images that cannot be used, for tests of embeddings in files."""

import os
import warnings
from pathlib import Path

import numpy as np
from pyarrow import parquet

import siamese_verify as sv


def table_of(drawn: Path, folder: Path) -> dict[str, list[str]]:
    """List all drawn faces, a damaged image in the middle and a missing one at the end."""
    files = sorted((drawn / "lfw2").glob("*/*"))
    damaged = folder / "damaged.png"
    damaged.write_bytes(b"no image")
    files.insert(25, damaged)
    files.append(folder / "missing.png")
    return {
        "path": [os.fspath(file) for file in files],
        "identity": ["nobody" if file.parent == folder else file.parent.name for file in files],
    }


def write(verifier: sv.Verifier, table: object, folder: Path, **arguments: object) -> object:
    """Write embeddings of 20 rows to a file, whatever images are left out."""
    arguments = {"images_per_shard": 20, "verbose": False, **arguments}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*images are left out", UserWarning)
        return verifier.write_embeddings(table, folder, **arguments)


def states(folder: Path) -> dict[str, tuple[int, int]]:
    """Tell the files that were written again from the others."""
    return {
        file.name: (file.stat().st_ino, file.stat().st_mtime_ns)
        for file in folder.glob("*.parquet")
    }


def read(folder: Path) -> tuple[list[str], np.ndarray]:
    """Read paths and embeddings by pyarrow alone."""
    tables = [parquet.read_table(file) for file in sorted(folder.glob("*.parquet"))]
    embeddings = [table["embedding"].to_pylist() for table in tables]
    paths = [path for table in tables for path in table["path"].to_pylist()]
    return paths, np.array([row for rows in embeddings for row in rows], np.float32)
