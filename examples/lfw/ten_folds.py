"""Writes a pair list in ten folds, as LFW's View 2 has it, from the images of the test identities.

    python ten_folds.py --data lfw --output pairs.txt
    siamese-verify evaluate runs/lfw/verifier.keras pairs.txt --images lfw/lfw2

Half of the pairs of each fold are same, half different, and nobody is in two folds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import siamese_verify as sv

FOLDS = 10


def make_folds(data: Path, size: int, seed: int = 0) -> sv.PairList:
    """Ten folds of `size` pairs each, of the identities in `pairsDevTest.txt`."""
    identities = sv.PairList.from_lfw(data / "pairsDevTest.txt").identities
    shuffled = np.random.default_rng(seed).permutation(identities)
    pairs = [
        pair
        for part in np.array_split(shuffled, FOLDS)
        for pair in sv.PairList.sample(data / "lfw2", size, identities=part.tolist(), seed=seed)
    ]
    return sv.PairList(pairs, np.repeat(np.arange(FOLDS), size))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="folder with lfw2/ and the lists")
    add("--output", type=Path, default=Path("pairs.txt"), metavar="FILE", help="(pairs.txt)")
    add("--size", type=int, default=100, metavar="PAIRS", help="in each fold, even (100)")
    settings = parser.parse_args(arguments)
    make_folds(settings.data, settings.size).to_lfw(settings.output)
    print(f"{FOLDS} folds of {settings.size} pairs: {settings.output}")


if __name__ == "__main__":
    main()
