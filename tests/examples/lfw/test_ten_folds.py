"""Tests of `examples/lfw/ten_folds.py`."""

from pathlib import Path

import numpy as np
import ten_folds
from standin import write_standin

import siamese_verify as sv


def test_folds_are_balanced_and_share_nobody(tmp_path: Path) -> None:
    data = write_standin(tmp_path / "drawn", train_identities=4, test_identities=40)
    ten_folds.main(["--data", str(data), "--output", str(tmp_path / "pairs.txt"), "--size", "4"])
    pairs = sv.PairList.from_lfw(tmp_path / "pairs.txt")
    assert np.bincount(pairs.folds).tolist() == [4] * 10
    identities = []
    for fold in range(10):
        part = [pair for pair, f in zip(pairs, pairs.folds, strict=True) if f == fold]
        assert sorted(pair.label for pair in part) == [0, 0, 1, 1]
        identities.append({sample.identity for pair in part for sample in pair[:2]})
    assert len(set.union(*identities)) == sum(map(len, identities))
    assert set.union(*identities) <= set(sv.PairList.from_lfw(data / "pairsDevTest.txt").identities)
