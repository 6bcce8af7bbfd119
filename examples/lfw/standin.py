"""Drawn faces in the layout of LFW, for running the example without LFW."""

from __future__ import annotations

import tempfile
from pathlib import Path

from siamese_verify import PairList
from siamese_verify.drawn_faces.files import write_faces
from siamese_verify.messages import shown

PAIRS_PER_IDENTITY = 3  # Three images allow three genuine pairs.


def _write_side(folder: Path, list_name: str, identities: range, seed: int) -> None:
    """Write the images and the pair list of the training or of the test identities."""
    names = write_faces(folder / "lfw2", identities, seed=seed)
    size = 2 * PAIRS_PER_IDENTITY * len(names)
    PairList.sample(folder / "lfw2", size, identities=names, seed=seed).to_lfw(folder / list_name)


def write_standin(
    folder: Path, *, seed: int = 0, train_identities: int = 560, test_identities: int = 120
) -> Path:
    """Write drawn images and pair lists in the layout of LFW, once.

    The files are `lfw2/NAME/NAME_0001.jpg`, `pairsDevTrain.txt` and `pairsDevTest.txt`. They
    appear in `folder` together, when all are written. A folder that already holds them is not
    changed, whatever its seed and size. Use another folder for another choice.

    Args:
        folder: Folder to write. The folders above it are made as needed.
        seed: Seed of the identities, their images and the pairs.
        train_identities: Number of identities in the training pairs, at least 2.
        test_identities: Number of other identities in the test pairs, at least 2.

    Returns:
        `folder`.

    Raises:
        ValueError: If either number of identities is less than 2.
        FileExistsError: If `folder` exists and holds something else.
    """
    if min(train_identities, test_identities) < 2:
        raise ValueError(
            "Impostor pairs need at least 2 identities for training and 2 for the test. Received: "
            f"train_identities={train_identities}, test_identities={test_identities}"
        )
    if (folder / "pairsDevTest.txt").exists():
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(
            f"{shown(folder)} is not empty and does not hold drawn faces. "
            "Remove it or choose another."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Renaming is atomic within a file system, which a sibling folder is on.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        partial = Path(scratch) / folder.name
        train = range(1, train_identities + 1)
        test = range(train.stop, train.stop + test_identities)
        _write_side(partial, "pairsDevTrain.txt", train, seed)
        _write_side(partial, "pairsDevTest.txt", test, seed)
        partial.rename(folder)
    return folder
