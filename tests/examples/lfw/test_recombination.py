import itertools
from pathlib import Path

import numpy as np
from PIL import Image
from recombination import recombine

import siamese_verify as sv
from siamese_verify.data.lfw import lfw_sample

SAMPLES = [lfw_sample(identity, number) for identity in "ABCD" for number in (1, 2, 3)]


def data_set(folder: Path, same: list[tuple[int, int]], n_different: int) -> sv.PairDataset:
    for sample in SAMPLES:
        (folder / sample.path).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4)).save(folder / sample.path)
    pairs = [sv.Pair(SAMPLES[i], SAMPLES[j], 1) for i, j in same]
    pairs += [sv.Pair(SAMPLES[i], SAMPLES[i + 3], 0) for i in range(n_different)]
    return sv.PairDataset(sv.PairList(pairs), folder, sv.Preprocessing((4, 4)), verbose=False)


def test_all_new_same_pairs_and_as_many_different_ones(tmp_path: Path) -> None:
    pairs = data_set(tmp_path, [(0, 1), (2, 1), (6, 7), (6, 8), (7, 8)], 3)
    sample = dict(
        itertools.chain(
            *(
                zip(row, (pair.left, pair.right), strict=True)
                for row, pair in zip(pairs.indices.tolist(), pairs.pairs, strict=True)
            )
        )
    )
    indices, labels = recombine(pairs)
    found = [frozenset(sample[i] for i in row) for row in indices.tolist()]
    listed = {frozenset((pair.left, pair.right)) for pair in pairs.pairs}
    assert len(set(found)) == len(found)
    assert not listed & set(found)
    for pair, label in zip(found, labels.tolist(), strict=True):
        assert (len({one.identity for one in pair}) == 1) == (label == 1)
    # A has one genuine pair left, B three by its images in the impostor pairs, C none.
    assert int(labels.sum()) == 1 + 3
    assert len(labels) == 8


def test_where_all_same_pairs_are_listed_there_are_none(tmp_path: Path) -> None:
    indices, labels = recombine(data_set(tmp_path, [(0, 1), (3, 4)], 2))
    assert indices.shape == (0, 2)
    assert labels.shape == (0,)


def test_a_seed_gives_the_same_pairs(tmp_path: Path) -> None:
    pairs = data_set(tmp_path, [(0, 1)], 9)
    np.testing.assert_array_equal(recombine(pairs, 1)[0], recombine(pairs, 1)[0])
    assert (recombine(pairs, 1)[0] != recombine(pairs, 2)[0]).any()
