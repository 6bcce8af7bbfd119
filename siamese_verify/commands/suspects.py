"""Images that look wrong to a verifier, for `siamese-verify inspect --model`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import numpy as np

from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import Sample
from siamese_verify.messages import listed_in_lines, shown

if TYPE_CHECKING:
    from siamese_verify.verification.verifier import Verifier


class Suspects(NamedTuple):
    """Images that look wrong to a verifier, as rows of tables.

    Attributes:
        near_duplicates: Pairs that are nearly the same under two identities, or in two folds.
        mislabelled: Images that look like another identity.
    """

    near_duplicates: list[dict[str, Any]]
    mislabelled: list[dict[str, Any]]

    def in_words(self) -> list[str]:
        """Describe both lists, with the first ten of each."""
        said = []
        if self.near_duplicates:
            said.append(
                f"{len(self.near_duplicates):,} pairs of images are nearly the same, but under two "
                f"identities or in two folds:{listed_in_lines(self.near_duplicates, _duplicate)}"
            )
        if self.mislabelled:
            said.append(
                f"{len(self.mislabelled):,} images look like another identity than their own:"
                f"{listed_in_lines(self.mislabelled, _mislabelled)}"
            )
        return said

    def columns(self) -> dict[str, list[Any]]:
        """Make one table of both lists."""
        rows = [{"problem": "near duplicate", **row} for row in self.near_duplicates]
        rows += [{"problem": "mislabelled", **row} for row in self.mislabelled]
        names = ("problem", "path", "identity", "other_path", "other_identity", "score")
        return {name: [row.get(name) for row in rows] for name in (*names, "own_score")}


def find_suspects(
    verifier: Verifier,
    samples: Sequence[Sample],
    files: Sequence[Path | None],
    parts: Sequence[int],
    terminal: TextIO,
) -> tuple[Suspects, dict[str, str]]:
    """Embed images, and find the images that look wrong.

    Args:
        verifier: The verifier.
        samples: The images.
        files: File of each image. None for one that is missing.
        parts: Number of the fold of each image.
        terminal: Text file for the progress.

    Returns:
        The suspects, and the error of each file that cannot be decoded.
    """
    import keras

    from siamese_verify.verification.embedded_images import BLOCK, read_block
    from siamese_verify.verification.suspects import (
        mislabelled_images,
        near_duplicates,
        thumbnails,
    )

    found = [place for place, file in enumerate(files) if file is not None]
    progress = keras.utils.Progbar(len(found), unit_name="image") if terminal.isatty() else None
    kept: list[int] = []
    thumbs, embeddings, failures = [], [], {}
    for start in range(0, len(found), BLOCK):
        places = found[start : start + BLOCK]
        pixels, failed = read_block([str(files[place]) for place in places], verifier.preprocessing)
        failures.update({str(files[places[i]]): str(error) for i, error in failed.items()})
        if len(pixels):
            kept += [place for i, place in enumerate(places) if i not in failed]
            thumbs.append(thumbnails(pixels))
            embeddings.append(verifier.model.embed(pixels))
        if progress:
            progress.update(start + len(places))
    if not kept:
        return Suspects([], []), failures
    names = sorted({samples[place].identity for place in kept})
    number = {name: i for i, name in enumerate(names)}
    labels = np.array([number[samples[place].identity] for place in kept])
    vectors = np.concatenate(embeddings)
    pairs, likeness = near_duplicates(
        np.concatenate(thumbs), vectors, labels, np.asarray(parts)[kept]
    )
    wrong = mislabelled_images(vectors, labels, verifier.model.head, verifier.threshold)
    duplicates = [
        {**_named(samples[kept[left]]), **_named(samples[kept[right]], "other_"), "score": score}
        for (left, right), score in zip(pairs.tolist(), likeness.tolist(), strict=True)
    ]
    mislabelled = [
        {
            **_named(samples[kept[row]]),
            **{"other_identity": names[label], "score": score, "own_score": own},
        }
        for row, label, score, own in zip(*(column.tolist() for column in wrong), strict=True)
    ]
    return Suspects(duplicates, mislabelled), failures


def folds_of(found: PairList) -> list[int]:
    """Return the fold of each image of a list, or 0."""
    parts = np.zeros(len(found.samples), int)
    if found.folds is not None:
        parts[found.indices] = found.folds[:, None]
    return parts.tolist()


def _named(sample: Sample, prefix: str = "") -> dict[str, str]:
    return {f"{prefix}path": sample.path, f"{prefix}identity": sample.identity}


def _duplicate(row: dict[str, Any]) -> str:
    sides = (
        f"{shown(row[f'{prefix}path'])} of {shown(row[f'{prefix}identity'])}"
        for prefix in ("", "other_")
    )
    return f"{' and '.join(sides)}: {row['score']:.3f}"


def _mislabelled(row: dict[str, Any]) -> str:
    return (
        f"{shown(row['path'])} of {shown(row['identity'])} looks like "
        f"{shown(row['other_identity'])}: score {row['score']:.3f}, and {row['own_score']:.3f} "
        "with its own"
    )
