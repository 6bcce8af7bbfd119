"""`PairScores`: scores of a pair list, with the images that cannot be used marked."""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np

from siamese_verify.data.folders import find_files, path_below
from siamese_verify.data.pairs import PairList
from siamese_verify.files import PathLike
from siamese_verify.messages import shown
from siamese_verify.scoring import Floats
from siamese_verify.verification.embedder import Embedder
from siamese_verify.verification.looks import Looks, Reasons


class PairScores(NamedTuple):
    """Scores of a pair list, from `Verifier.score`."""

    scores: Floats
    """float32 array `(n,)`, NaN for a pair with an image that cannot be used."""
    failures: dict[str, str]
    """Reason for each sample whose image cannot be used, by the sample's path."""
    unlike_validation: dict[str, Reasons]
    """In what an image is unlike all validation images, by the sample's path."""


def score_list(
    embedder: Embedder,
    pairs: PairList,
    images_root: PathLike | None,
    looks: Looks | None,
    verbose: bool,
) -> PairScores:
    """Score the pairs of a list, as `Verifier.score` says."""
    paths = pairs.samples.paths
    located = find_files(images_root, pairs.samples)
    # A missing file stays below the root, or a file of that path elsewhere would be read.
    files = [
        path_below(images_root, sample) if file is None else file
        for sample, file in zip(pairs.samples, located, strict=True)
    ]
    bar = keras.utils.Progbar(len(files), unit_name="image") if verbose else None
    embedded = embedder.embed_each(files, on_error="skip", looks=looks, progress=bar and bar.update)
    rows = embedded.rows[pairs.indices]
    are_good = (rows >= 0).all(axis=1)
    scores = np.full(len(pairs), np.nan, np.float32)
    scores[are_good] = embedder.score(embedded.embeddings, rows[are_good])
    failures = {paths[place]: _reason(error) for place, error in embedded.failures.items()}
    unlike = {
        path: embedded.unlike[row]
        for path, row in zip(paths, embedded.rows.tolist(), strict=True)
        if row >= 0 and embedded.unlike[row]
    }
    return PairScores(scores, failures, unlike)


def _reason(error: Exception) -> str:
    """Describe an error. An error of the system has a text without its number and its path."""
    return shown((isinstance(error, OSError) and error.strerror) or error, 500)
