"""Inputs of the commands: verifiers, pairs and images, each read in one way."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from siamese_verify.commands.values import TABLES
from siamese_verify.data.folders import samples_by_identity
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import Sample, group_by_identity
from siamese_verify.data.scanning import EXTRA_SUFFIXES
from siamese_verify.data.table_checks import check_distinct, check_present
from siamese_verify.data.table_sources import open_table
from siamese_verify.data.table_text import TableError
from siamese_verify.data.tables import read_samples
from siamese_verify.files import PathLike
from siamese_verify.messages import listed, shown
from siamese_verify.names import normalized

if TYPE_CHECKING:
    from siamese_verify.data.pair_dataset import PairDataset
    from siamese_verify.data.preprocessing import Preprocessing
    from siamese_verify.verification.verifier import Verifier


class Images(NamedTuple):
    """Images of identities.

    Attributes:
        samples: Their paths and identities.
        root: Folder that the paths start from. None if they are used as they stand.
    """

    samples: Sequence[Sample]
    root: str | None


def load_verifier(path: str) -> Verifier:
    """Load a verifier."""
    # TensorFlow's many objects live until the end. Searching them for garbage costs 1.5 s in all.
    collects = gc.isenabled()
    gc.disable()
    try:
        from siamese_verify.verification.verifier import Verifier

        return Verifier.load(path)
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def is_table(path: str) -> bool:
    """Tell by the ending whether a file is a table."""
    return Path(path).suffix.lower() in TABLES


def read_pairs(path: str, columns: Mapping[str, str]) -> PairList:
    """Read a pair list: a table whose columns may have other names, or LFW's format."""
    with naming_the_flag(columns):
        return PairList.from_table(path, **columns) if is_table(path) else PairList.from_lfw(path)


def read_images(
    source: str, root: str | None = None, columns: Mapping[str, str] | None = None
) -> Images:
    """Read which images show whom: a folder with a folder for each identity, or a table."""
    if Path(source).is_dir():
        grouped = samples_by_identity(source)
        return Images([sample for samples in grouped.values() for sample in samples], source)
    if is_table(source):
        with naming_the_flag(columns or {}):
            return Images(read_samples(source, **(columns or {})), root)
    raise ValueError(
        f"{shown(source)} must be a folder with a folder of images for each identity, or a table "
        f"with the columns path and identity ({', '.join(TABLES)})."
    )


@contextlib.contextmanager
def naming_the_flag(columns: Mapping[str, str]) -> Iterator[None]:
    """Let the error for a column that is lacking say what to type."""
    try:
        yield
    except TableError as error:
        names = {column: name for name, column in columns.items()}
        name = names.get(error.column or "", error.column)
        text = f"name another one by --columns {shown(name)}=COLUMN"
        error.args = (str(error).replace("name another one", text),)
        raise


def read_any(source: str, root: str | None, columns: Mapping[str, str]) -> PairList | Images:
    """Read a pair list, or images of identities. The columns of a table say which."""
    if Path(source).is_dir():
        return read_images(source)
    if is_table(source) and columns.get("path", "path") in open_table(source).columns:
        return read_images(source, root, columns)
    return read_pairs(source, columns)


def read_columns(
    path: str, names: Mapping[str, str]
) -> tuple[dict[str, list[Any]], tuple[str, str]]:
    """Read all columns of a table of pairs, or of a list in LFW's format.

    Returns:
        The values of each column, and the names of the columns of left and right paths.
    """
    if not is_table(path):
        pairs = PairList.from_lfw(path)
        left, right = ([pairs.samples[i].path for i in side] for side in pairs.indices.T)
        return {"left": left, "right": right, "label": pairs.labels.tolist()}, ("left", "right")
    table = open_table(path)
    sides = names.get("left", "left"), names.get("right", "right")
    with naming_the_flag(names):
        check_present(table, sides)
    check_distinct(table, sides)
    if table.columns.count("") > 1:
        raise TableError(
            path,
            "Several columns have no name, so they cannot be kept. Name or remove them. "
            f"Received: columns {listed(table.columns, lambda name: shown(repr(name)))}",
        )
    values: dict[str, list[Any]] = {name: [] for name in table.columns}
    for chunk in table.chunks(table.columns):
        for name, column in values.items():
            column += chunk.values(name)
    return values, sides


def check_root(settings: Namespace) -> None:
    """Raise an error if a pair list needs a folder of images and none is given."""
    if settings.images_root is None and not is_table(settings.pairs):
        raise ValueError("A pair list in LFW's format needs --images, the folder of its images.")


def load_pairs(settings: Namespace, preprocessing: Preprocessing) -> PairDataset:
    """Read and decode the pairs of a command, with progress on a terminal."""
    check_root(settings)
    pairs = read_pairs(settings.pairs, settings.columns)
    if len({*pairs.labels.tolist()}) < 2:
        only = "same" if pairs.labels[0] else "different"
        raise ValueError(
            f"{shown(settings.pairs)} must hold same and different pairs, or nothing can be "
            f"measured. Add pairs. Received: only {only} pairs"
        )
    from siamese_verify.data.pair_dataset import PairDataset

    terminal = settings.terminal
    with contextlib.redirect_stdout(terminal):
        return PairDataset(pairs, settings.images_root, preprocessing, verbose=terminal.isatty())


def check_formats(images: Images) -> None:
    """Raise an error if no image has a format that is decoded without the extra `images`.

    The endings tell it before the images are read, which may take long.
    """
    endings = Counter(Path(sample.path).suffix.lower() for sample in images.samples)
    if any(ending not in EXTRA_SUFFIXES for ending in endings):
        return
    if importlib.util.find_spec("PIL") is None:
        raise ImportError(
            f"The images end in {listed(endings)}, which the extra images decodes: "
            f'pip install "siamese-verify[images]". Received: {len(images.samples):,} images'
        )


def images_by_identity(images: Images) -> dict[str, list[Path]]:
    """List the files of each identity."""
    folder = Path(images.root or "")
    return {
        identity: [folder / sample.path for sample in samples]
        for identity, samples in group_by_identity(images.samples).items()
    }


def load_gallery(
    verifier: Verifier, path: PathLike, reembed: bool = False, images_root: str | None = None
) -> None:
    """Load a gallery. The error for one of another model says which command to type."""
    from siamese_verify.verification.gallery import GalleryError

    try:
        verifier.load_gallery(path, reembed=reembed, images_root=images_root)
    except GalleryError as error:
        command = f"siamese-verify enroll MODEL --gallery {shown(path)} --reembed"
        text = str(error).replace("load_gallery(path, reembed=True)", command)
        raise GalleryError(text) from error


def read_metadata(settings: Namespace) -> dict[str, dict[str, Any]]:
    """Read the values of further columns of a table of images, by identity.

    Raises:
        ValueError: If the images are not listed in a table.
        TableError: If a column is missing, or two rows of an identity differ.
    """
    if not is_table(settings.source):
        raise ValueError("--metadata needs a table in place of a folder, whose columns it names.")
    table = open_table(settings.source)
    identity = settings.columns.get("identity", "identity")
    check_present(table, (identity, *settings.metadata))
    found: dict[str, dict[str, Any]] = {}
    for chunk in table.chunks([identity, *settings.metadata]):
        values = zip(*map(chunk.values, settings.metadata), strict=True)
        for name, row, line in zip(chunk.values(identity), values, chunk.lines, strict=True):
            record = dict(zip(settings.metadata, row, strict=True))
            if found.setdefault(normalized(str(name)), record) != record:
                raise TableError(
                    table.source,
                    f"All rows of {shown(repr(name))} must have the same metadata.",
                    int(line),
                )
    return found
