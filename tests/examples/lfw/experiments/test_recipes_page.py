import json
import re
import statistics
from pathlib import Path

import numpy as np
import pytest
from experiments import ablations
from experiments import recipes_page as recipes
from experiments.pages import DOCS
from experiments.run import RESULTS
from scipy import stats
from traits import TRAITS

N = 200
ACCURACIES = {
    "unrestricted-seed0": 0.91,
    "unrestricted-seed1": 0.89,
    "unrestricted-seed2": 0.93,
    "restricted-seed0": 0.82,
    "dropout-0.5-seed0": 0.68,
    "unrestricted-one-crop-seed0": 0.80,
    "unrestricted-one-crop-seed1": 0.81,
    "koch-seed0": 0.60,
    "koch-crop-seed0": 0.65,
    "identities-0.1-seed0": 0.65,
    "identities-0.3-seed0": 0.74,
}


def write_result(folder: Path, name: str, accuracy: float) -> None:
    """Scores of which so many are right at the threshold of 0.5."""
    kept = folder / name
    kept.mkdir(parents=True)
    versions = dict.fromkeys(("python", "tensorflow", "keras", "numpy"), "1.2.3")
    (kept / "config.json").write_text(json.dumps({"settings": {}, "versions": versions}))
    (kept / "history.csv").write_text("epoch,loss,seconds\n1,3.0,600\n2,2.0,630\n")
    labels = np.arange(N) % 2
    right = np.arange(N) < round(accuracy * N)
    scores = 0.5 + np.where(right == (labels == 1), 1, -1) * (0.1 + 0.001 * np.arange(N))
    rows = (
        f"A_B/A_B_{i:04}.jpg,C_D/C_D_{i:04}.jpg,{label},0,{score:.6f}"
        for i, (label, score) in enumerate(zip(labels, scores, strict=True))
    )
    which = "recomputed" if name.startswith("koch") else "best"
    heads = f"left,right,label,last,{which}\n"
    (kept / "scores.csv").write_text(heads + "\n".join(rows) + "\n")
    figures = {"threshold": 0.5, "accuracy_at_threshold": accuracy, "equal_error_rate": 0.2}
    figures |= {"tar_at_far_1e-1": 0.5, "tar_at_far_1e-2": 0.25}
    share = float(name.split("-")[1]) if name.startswith("identities") else 1.0
    sizes = {
        "parameters": 1_234_567,
        "trained_on": {"identities": int(2000 * share), "images": int(6000 * share)},
    }
    (kept / "figures.json").write_text(json.dumps({"last": {}, which: figures} | sizes))


def write_traits(folder: Path) -> None:
    values = np.random.default_rng(0).random((N, len(TRAITS)))
    rows = "\n".join(",".join(["a", "b", *map(str, row)]) for row in values)
    (folder / "traits.csv").write_text(f"left,right,{','.join(TRAITS)}\n{rows}\n")


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    for name, accuracy in ACCURACIES.items():
        write_result(folder / "results", name, accuracy)
    write_traits(folder / "results")
    recipes.main(["--results", str(folder / "results"), "--docs", str(folder / "docs")])
    return folder / "docs"


@pytest.fixture(scope="module")
def text(docs: Path) -> str:
    return (docs / "lfw-recipes.md").read_text()


def row(text: str, start: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_each_recipe_has_the_median_of_its_seeds_with_time_and_size(text: str) -> None:
    cells = row(text, "`unrestricted`")
    middle = statistics.median([0.91, 0.89, 0.93])
    assert cells[1:3] == ["3", f"{middle:.3f} (0.890 to 0.930)"]
    assert cells[-2:] == ["1,234,567", f"{1230 / 60:.0f}"]
    assert row(text, "`restricted`")[2] == "0.820"
    assert row(text, "`report`, its best run")[2] == "0.680"


def test_a_change_is_beside_the_run_that_it_changes(text: str) -> None:
    (section,) = re.findall("## What matters in `unrestricted`(.*?)##", text, re.DOTALL)
    assert row(section, "unchanged")[1:3] == ["2 epochs", "3"]
    cells = row(text, "one-crop")
    assert cells[1:4] == [
        "`image_size=64, crop=96, tower=residual`",
        "2",
        "0.805 (0.800 to 0.810)",
    ]
    # Only the unchanged recipe is right on the pairs from 80% to 91% with seed 0, and from 81% to
    # 89% with seed 1.
    differences = np.zeros(N)
    differences[160:182] -= 50
    differences[162:178] -= 50
    # The seeds differ by -11 and by -8 points.
    error = np.hypot(stats.sem(differences), stats.sem([-11, -8]))
    assert cells[-1] == f"**{differences.mean():+.1f} ± {error:.1f}**"
    # There is nothing yet to compare these with.
    assert "What matters in `restricted`" not in text


def test_ingredients_are_compared_with_averages_of_batch_norm_that_do_not_lag(text: str) -> None:
    assert row(text, "crop")[1:4] == ["`crop=120`", "1", "0.650"]
    # With one seed of each, only this row is right on the pairs from 60% to 65%.
    differences = np.zeros(N)
    differences[120:130] = 100
    assert row(text, "crop")[-1] == f"**+5.0 ± {stats.sem(differences):.1f}**"
    assert "the standard error covers the choice of pairs only" in " ".join(text.split())


def test_the_constrained_head_is_an_ingredient_like_others(tmp_path: Path) -> None:
    for name, accuracy in {**ACCURACIES, "koch-constrained-seed0": 0.64}.items():
        write_result(tmp_path, name, accuracy)
    write_traits(tmp_path)
    recipes.main(["--results", str(tmp_path), "--docs", str(tmp_path)])
    text = (tmp_path / "lfw-recipes.md").read_text()
    assert row(text, "constrained")[1:4] == ["`unconstrained_head=False`", "1", "0.640"]


def test_what_seeds_do_is_pooled_over_the_changes() -> None:
    rng = np.random.default_rng(0)
    changes = [rng.normal(mean, 3.0, (3, 50)) for mean in (0.0, 10.0)]
    centred = np.concatenate([c.mean(axis=1) - c.mean() for c in changes])
    # Six means, about two means of their own: four degrees of freedom.
    expected = np.sqrt((centred**2).sum() / 4)
    assert ablations.between_seeds(changes) == pytest.approx(expected)
    assert ablations.between_seeds([changes[0]]) == pytest.approx(changes[0].mean(1).std(ddof=1))
    assert np.isnan(ablations.between_seeds([changes[0][:1]]))


def test_the_learning_curve_says_what_a_doubling_gives(text: str) -> None:
    assert row(text, "200")[1:3] == ["600", "0.650"]
    assert row(text, "2,000")[1:3] == ["6,000", "0.910 (0.890 to 0.930)"]
    slope = stats.linregress(np.log2([200, 600, 2000]), [65.0, 74.0, 91.0]).slope
    assert f"each doubling of the people adds {slope:.1f} points" in text


def test_errors_are_counted_by_kind_and_the_most_confident_ones_are_named(text: str) -> None:
    assert "| genuine, rejected | 9 of 100 |" in text
    assert "| impostor, accepted | 9 of 100 |" in text
    # The last pairs are wrong with the highest confidence. Odd numbers are genuine pairs.
    assert "| genuine, rejected | A B 0199 | C D 0199 | 0.201 |" in text


def test_there_is_a_picture_of_curves(docs: Path) -> None:
    assert (docs / "images" / "lfw-recipes.svg").read_text().startswith("<?xml")


def test_changes_wait_for_the_run_that_they_change(tmp_path: Path) -> None:
    for name in ("unrestricted-seed0", "koch-crop-seed0", "koch-names-seed0"):
        write_result(tmp_path, name, 0.6)
    write_traits(tmp_path)
    recipes.main(["--results", str(tmp_path), "--docs", str(tmp_path)])
    assert "crop=120" not in (tmp_path / "lfw-recipes.md").read_text()


def test_without_results_it_says_how_to_make_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        recipes.main(["--results", str(tmp_path), "--docs", str(tmp_path)])
    assert "experiments run --data DIR" in capsys.readouterr().err


@pytest.mark.skipif(not RESULTS.is_dir(), reason="the results are not there")
def test_the_committed_page_is_what_the_committed_results_give(tmp_path: Path) -> None:
    recipes.main(["--docs", str(tmp_path)])
    made, kept = ((folder / "lfw-recipes.md").read_text() for folder in (tmp_path, DOCS))
    assert made == kept
    for plot in re.findall(r"\((images/[^)]+)\)", kept):
        assert (tmp_path / plot).exists()
        assert (DOCS / plot).exists()
