import json
from dataclasses import asdict

import pytest
from experiments.plans import CURVE_RUNS, EXPERIMENTS, GROUPS, changes
from experiments.run import RESULTS
from recipes import RECIPES

needs_results = pytest.mark.skipif(not RESULTS.is_dir(), reason="the results are not there")


def test_one_experiment_constrains_the_reports_head() -> None:
    l1 = {name for name, recipe in EXPERIMENTS.items() if recipe.l1_head}
    assert [n for n in l1 if not EXPERIMENTS[n].unconstrained_head] == ["koch-constrained"]
    assert {"koch", "base", "dropout-0.5"} <= l1


def test_the_learning_curve_sees_about_as_many_images_in_all() -> None:
    whole = RECIPES["unrestricted"].epochs
    for recipe in CURVE_RUNS.values():
        assert recipe.epochs * recipe.identities_share == pytest.approx(whole, rel=0.01)
        assert recipe.patience == recipe.epochs


def test_names_stand_for_one_recipe_each() -> None:
    for name, recipe in EXPERIMENTS.items():
        assert all(runs[name] == recipe for runs in GROUPS.values() if name in runs)


def test_changes_are_the_fields_that_differ() -> None:
    base, changed = EXPERIMENTS["koch"], EXPERIMENTS["koch-residual"]
    assert changes(changed, base) == "tower=residual, batch_norm=False, learning_rate=0.001"


@needs_results
def test_kept_results_are_from_the_recipes_that_their_experiments_have_now() -> None:
    folders = sorted(RESULTS.glob("*-seed*"))
    assert len(folders) > 50
    for folder in folders:
        name, _, seed = folder.name.rpartition("-seed")
        kept = json.loads((folder / "config.json").read_text())["settings"]
        assert kept == asdict(EXPERIMENTS[name]) | {"limit": None, "seed": int(seed)}
