from dataclasses import replace
from pathlib import Path

import pytest
from lfw_data import load_data
from recipes import RECIPES
from standin import write_standin

import siamese_verify as sv

RECIPE = replace(RECIPES["unrestricted"], image_size=24, crop=80)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "drawn"
    return write_standin(folder, train_identities=20, test_identities=8)


def test_nobody_in_the_validation_pairs_is_trained_on(drawn: Path) -> None:
    data = load_data(drawn, RECIPE)
    trained, validation = set(data.identities.identities), set(data.validation.pairs.identities)
    assert not trained & validation
    listed = sv.PairList.from_lfw(drawn / "pairsDevTrain.txt")
    assert trained | validation == set(listed.identities)
    assert data.validation.pairs.labels.mean() == 0.5
    assert data.n_identities == len(trained)


def test_a_share_of_the_identities_does_not_change_the_validation_pairs(drawn: Path) -> None:
    whole, half = (load_data(drawn, replace(RECIPE, identities_share=x)) for x in (1.0, 0.5))
    assert half.validation.pairs == whole.validation.pairs
    assert half.n_identities == round(0.5 * whole.n_identities)
    assert set(half.identities.identities) < set(whole.identities.identities)


def test_a_limit_leaves_so_many_pairs(drawn: Path) -> None:
    data = load_data(drawn, replace(RECIPES["drawn"], image_size=24), limit=20)
    assert len(data.train) == len(data.test) == 20
