"""The real images, where they are at hand."""

from pathlib import Path

import numpy as np
import pytest

import siamese_verify as sv
from siamese_verify.data.store import load_images

LFW = Path(__file__).parents[3] / "shared" / "lfw"
pytestmark = pytest.mark.skipif(not LFW.is_dir(), reason="the LFW images are not in ../shared/lfw")


@pytest.fixture(scope="module")
def train() -> sv.PairList:
    return sv.PairList.from_lfw(LFW / "pairsDevTrain.txt")


@pytest.fixture(scope="module")
def test() -> sv.PairList:
    return sv.PairList.from_lfw(LFW / "pairsDevTest.txt")


def test_the_counts_are_the_reports(train: sv.PairList, test: sv.PairList) -> None:
    assert train.summary() == (2_200, 1_100, 1_100, 2_132, 3_443)
    assert test.summary() == (1_000, 500, 500, 963, 1_549)
    assert (train + test).summary()[:3] == (3_200, 1_600, 1_600)
    rest, validation = train.split(0.15, seed=0)
    assert (len(rest), len(validation)) == (1_870, 330)
    assert len(rest.same) == 935
    assert len(validation.same) == 165


def test_nobody_is_in_training_and_in_test(train: sv.PairList, test: sv.PairList) -> None:
    assert not set(train.identities) & set(test.identities)


@pytest.mark.parametrize("by", ["pair", "identity"])
def test_a_split_keeps_every_pair_and_the_balance(train: sv.PairList, by: str) -> None:
    rest, validation = train.split(0.15, seed=1, by=by)
    assert sorted(rest + validation) == sorted(train)
    assert len(validation.same) == len(validation.different) == 165
    if by == "identity":
        assert not set(rest.identities) & set(validation.identities)


def test_every_image_decodes() -> None:
    paths = sorted((LFW / "lfw2").glob("*/*.jpg"))
    pixels = load_images(paths, sv.Preprocessing(), verbose=False)
    assert pixels.shape == (8_234, 105, 105, 1)
    # No image is blank.
    assert np.ptp(pixels.reshape(len(pixels), -1), axis=1).min() > 50
