"""`write_shards`: images of any number, decoded into files that `ShardedImages` streams."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from siamese_verify.checks import whole_number
from siamese_verify.data.folders import samples_by_identity
from siamese_verify.data.loading import load_samples
from siamese_verify.data.preprocessing import Preprocessing
from siamese_verify.data.sample_list import SampleList
from siamese_verify.data.samples import Sample
from siamese_verify.data.shard_index import Shard, ShardIndex, is_remote
from siamese_verify.data.shard_plan import PREFIX, Plan, divide, plan_files
from siamese_verify.data.shard_records import sha256_of, write_records
from siamese_verify.data.sharded_images import ShardedImages
from siamese_verify.data.skipping import (
    SKIPPED,
    OnError,
    Skipped,
    check_on_error,
    warn_of_skipped,
    write_skipped,
)
from siamese_verify.data.tables import is_table, read_samples
from siamese_verify.files import PathLike, read_regular_file, replacing
from siamese_verify.messages import images_of, shown

_SHARD_BYTES = 2**25
"""Pixels in a file by default: large enough to be read at full speed, small enough to mix many."""
_ENDING, _NOTE_ENDING = ".tfrecord", ".json"
_NAME = re.compile(rf"{PREFIX}[0-9a-f]{{32}}")
_MOST_NOTE_BYTES = 2**28


class _Written(NamedTuple):
    """A file that is complete, or None if no image could be used. Also the images left out."""

    shard: Shard | None
    skipped: tuple[Skipped, ...]


def write_shards(
    source: Any,
    folder: PathLike,
    preprocessing: Preprocessing | None = None,
    *,
    images_root: PathLike | None = None,
    images_per_shard: int | None = None,
    seed: int = 0,
    on_error: OnError = "raise",
    verbose: bool = True,
) -> ShardedImages:
    """Decode images on all cores, and write them to files that `ShardedImages` streams.

    Identities come in a random order, so that each file holds a mixture. The images of an identity
    stay together. A call that was stopped goes on where it was. A finished file is made again only
    if its images, by path, size and time of their files, or the preprocessing have changed. Images
    that were left out are tried again. The index is written last, so that unfinished folders cannot
    be opened.

    Args:
        source: Folder with one folder of images for each identity. Or a table with the columns
            `path` and `identity`, as for `IdentityDataset.from_table`. Or the samples.
        folder: Local folder to write to. Files there with other names stay.
        preprocessing: Preprocessing of the images. By default 105 x 105 pixels, grey.
        images_root: Folder that the paths of a table or of samples start from. By default they are
            used as they are.
        images_per_shard: Largest number of images in a file. By default, as many as fit into
            32 MiB.
        seed: Seed of the order of the identities.
        on_error: `"raise"`, or `"skip"` to leave out images that are missing or cannot be read.
            `skipped.csv` in the folder then lists them with path and reason.
        verbose: Whether to show the progress.

    Returns:
        The written images.

    Raises:
        TableError: If the table is not as described.
        ValueError: If an argument is out of range, there are fewer than two identities, or two
            paths lead to one file.
        FileNotFoundError: If images are missing. Raised before any image is decoded.
        ImageError: If files cannot be decoded. Names the first ten of a file's images.
        OSError: If a file cannot be written.

    Warns:
        UserWarning: If images are left out. Tells how many.

    Examples:
        >>> written = write_shards(
        ...     "lfw/lfw2", "shards", Preprocessing((24, 24)), images_per_shard=20, verbose=False
        ... )
        >>> written.part(0, 2).preprocessing.image_size
        (24, 24)
    """
    check_on_error(on_error)
    if is_remote(folder):
        raise ValueError(
            "Images are written to a local folder. Write them there, and copy the folder to the "
            f"address. Received: folder={shown(repr(folder))}"
        )
    preprocessing = preprocessing or Preprocessing()
    if images_per_shard is None:
        images_per_shard = max(1, _SHARD_BYTES // math.prod(preprocessing.shape))
    per_shard = whole_number("images_per_shard", images_per_shard)
    seed = whole_number("seed", seed, 0)
    samples, root = _read_source(source, images_root)
    if len(samples.identities) < 2:
        raise _too_few_identities(len(samples), len(samples.identities))
    plans = plan_files(samples, root, preprocessing, divide(samples, per_shard, seed), on_error)
    progress = keras.utils.Progbar(len(samples), unit_name="image") if verbose else None
    written = []
    done = 0
    for plan in plans:
        found = _finished(Path(folder), plan, on_error)
        chosen = [samples[row] for row in plan.rows.tolist()]
        if found is None or not _holds_still(found, chosen, root, preprocessing):
            found = _write(Path(folder), plan, chosen, root, preprocessing, on_error)
        written.append(found)
        done += len(plan.rows)
        if progress:
            progress.update(done)
    _complete(Path(folder), samples, preprocessing, written)
    _remove_others(Path(folder), {plan.name for plan in plans})
    return ShardedImages.open(folder)


def _read_source(source: Any, images_root: PathLike | None) -> tuple[SampleList, PathLike | None]:
    """Return the samples, and the folder that their paths start from."""
    if isinstance(source, SampleList):
        return source, images_root
    if is_table(source):
        return read_samples(source), images_root
    grouped = samples_by_identity(source)
    samples = [sample for each in grouped.values() for sample in each]
    is_folder = isinstance(source, (str, os.PathLike))
    return SampleList.of(samples)[0], source if is_folder else images_root


def _finished(folder: Path, plan: Plan, on_error: OnError) -> _Written | None:
    """Return what is known of a file that is complete, or None if it must be written."""
    try:
        note = json.loads(
            read_regular_file(folder / f"{plan.name}{_NOTE_ENDING}", _MOST_NOTE_BYTES)
        )
        skipped = tuple(Skipped(*one) for one in note["skipped"])
        shard = Shard(**note["shard"]) if note["shard"] else None
        if shard and (folder / shard.file).stat().st_size != note["bytes"]:
            return None
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return None if skipped and on_error == "raise" else _Written(shard, skipped)


def _holds_still(
    written: _Written,
    chosen: Sequence[Sample],
    root: PathLike | None,
    preprocessing: Preprocessing,
) -> bool:
    """Try the images that were left out again, and tell whether their reasons are the same."""
    if not written.skipped:
        return True
    paths = {one.path for one in written.skipped}
    again = [sample for sample in chosen if sample.path in paths]
    return load_samples(again, root, preprocessing, None, "skip", False).skipped == written.skipped


def _write(
    folder: Path,
    plan: Plan,
    chosen: Sequence[Sample],
    root: PathLike | None,
    preprocessing: Preprocessing,
    on_error: OnError,
) -> _Written:
    """Decode the images of a file, write it, and note what it holds."""
    images, rows, skipped = load_samples(chosen, root, preprocessing, None, on_error, False)
    kept = [sample for sample, row in zip(chosen, rows.tolist(), strict=True) if row >= 0]
    shard, size = None, 0
    if kept:
        file = f"{plan.name}{_ENDING}"
        with replacing(folder / file) as unfinished:
            write_records(unfinished, np.asarray(images), kept)
            sha256, size = sha256_of(str(unfinished)), unfinished.stat().st_size
        shard = Shard(file, len(kept), len({sample.identity for sample in kept}), sha256)
    note = {"shard": shard._asdict() if shard else None, "bytes": size, "skipped": skipped}
    with replacing(folder / f"{plan.name}{_NOTE_ENDING}") as unfinished:
        unfinished.write_text(json.dumps(note), encoding="ascii")
    return _Written(shard, skipped)


def _complete(
    folder: Path, samples: SampleList, preprocessing: Preprocessing, written: Sequence[_Written]
) -> None:
    """Write the index, and the table of the images that were left out."""
    skipped = tuple(one for each in written for one in each.skipped)
    warn_of_skipped(skipped, len(samples))
    left_out = {one.path for one in skipped}
    is_good = np.array([path not in left_out for path in samples.paths])
    used = np.unique(samples.identity_codes[is_good]).tolist()
    if len(used) < 2:
        raise _too_few_identities(int(is_good.sum()), len(used))
    identities = tuple(samples.identities[code] for code in used)
    shards = tuple(each.shard for each in written if each.shard is not None)
    if skipped:
        write_skipped(skipped, folder / SKIPPED)
    else:
        (folder / SKIPPED).unlink(missing_ok=True)
    ShardIndex(preprocessing, identities, shards, skipped).write(folder)


def _remove_others(folder: Path, names: set[str]) -> None:
    """Remove files of images that have changed since, or that are not wanted any more."""
    for path in folder.glob(f"{PREFIX}*"):
        # Other programs name their files "shard-00001.tfrecord".
        is_ours = _NAME.fullmatch(path.stem) and path.suffix in (_ENDING, _NOTE_ENDING)
        if is_ours and path.stem not in names:
            path.unlink(missing_ok=True)


def _too_few_identities(n_images: int, n_identities: int) -> ValueError:
    return ValueError(
        "The images must show two identities or more, or there is nothing to tell apart. Add "
        f"images. Received: {images_of(n_images, n_identities)}"
    )
