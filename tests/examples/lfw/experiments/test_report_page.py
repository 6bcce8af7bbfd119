import json
import re
from pathlib import Path

import numpy as np
import pytest
from experiments import report_page as report
from experiments.pages import DOCS
from experiments.report_tables import verdict
from experiments.run import RESULTS
from experiments.tables import compare
from scipy import stats
from traits import TRAITS


def write_result(folder: Path, name: str, accuracy: float) -> None:
    rng = np.random.default_rng(0)
    kept = folder / name
    kept.mkdir(parents=True)
    versions = dict.fromkeys(("python", "tensorflow", "keras", "numpy"), "1.2.3")
    (kept / "config.json").write_text(json.dumps({"settings": {}, "versions": versions}))
    (kept / "history.csv").write_text(
        "epoch,accuracy,loss,val_accuracy,val_loss,val_equal_error_rate,seconds\n"
        "1,0.5,1.1,0.5,1.2,0.5,40\n2,0.611,1.0,0.622,1.15,0.4,30\n3,0.711,0.9,0.722,1.05,0.3,31\n"
    )
    labels = np.arange(100) % 2
    scores = rng.normal(0.4 + 0.2 * labels, 0.1).clip(0, 1)
    rows = (f"a/a_1.jpg,b/b_1.jpg,{y},{s:.4f},0" for y, s in zip(labels, scores, strict=True))
    (kept / "scores.csv").write_text("left,right,label,last,best\n" + "\n".join(rows) + "\n")
    figures = {
        **{"accuracy": accuracy, "loss": 0.8, "threshold": 0.45, "accuracy_at_threshold": 0.7},
        **{"equal_error_rate": 0.25, "tar_at_far_1e-1": 0.3, "tar_at_far_1e-2": 0.1},
        "recombined_accuracy": 0.6,
    }
    recomputed = figures | {"accuracy": 0.8, "equal_error_rate": 0.2}
    more = {} if name.startswith("base") else {"recomputed": recomputed}
    (kept / "figures.json").write_text(json.dumps({"last": figures, "best": {}} | more))


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page and the plots of some results."""
    folder = tmp_path_factory.mktemp("report")
    for name, accuracy in {
        "batch-norm-seed0": 0.70,
        "base-seed0": 0.65,
        "batch-norm-seed1": 0.74,
        "batch-norm-seed2": 0.72,
        "dropout-0.1-seed0": 0.71,
        "by-identity-seed0": 0.68,
    }.items():
        write_result(folder / "results", name, accuracy)
    (folder / "results" / "dropout-0.5-seed0").mkdir()  # not finished
    values = ",".join("0.25" for _ in TRAITS)
    rows = "\n".join(f"a/a_1.jpg,b/b_1.jpg,{values}" for _ in range(100))
    (folder / "results" / "traits.csv").write_text(f"left,right,{','.join(TRAITS)}\n{rows}\n")
    report.main(["--results", str(folder / "results"), "--docs", str(folder / "docs")])
    return folder / "docs"


def tables(docs: Path, title: str) -> list[str]:
    """The rows of the tables below a title, without their heads."""
    page = (docs / "lfw-results.md").read_text()
    section = page.split(f"# {title}\n")[1].split("\n#")[0]
    return re.findall(r"^\| (?!run \||the report \|).*", section, re.MULTILINE)


def test_the_page_has_figures_next_to_the_reports_figures(docs: Path) -> None:
    rows = tables(docs, "Results on LFW")
    assert rows[0] == (
        "| base, Adam | 3 | **0.711** (0.854) | **0.722** (0.676) | **0.650** (0.645) | "
        "**0.900** (0.544) | **1.050** (0.865) | **0.800** (1.060) | 31 |"
    )
    assert rows[1].startswith("| batch norm | 3 | **0.711** (1.000)")
    assert rows[4].startswith("| batch norm | 0.700 | 0.450 | 0.700 |")
    assert len(rows) == 6


def test_the_page_names_the_run_that_validation_chooses(docs: Path) -> None:
    page = " ".join((docs / "lfw-results.md").read_text().split())
    assert (
        "validation accuracy is base, Adam. Its test accuracy is 0.650 at 0.5 and 0.700 at" in page
    )
    assert "test accuracy is 0.774, in a run that was chosen on the test pairs." in page


def test_the_page_has_the_spread_between_seeds(docs: Path) -> None:
    expected = "| batch norm | 3 | 0.720 ± 0.020 | 0.700 ± 0.000 | 0.250 ± 0.000 | 0.800 ± 0.000 |"
    assert tables(docs, "Between seeds") == [expected]


def test_the_page_tests_the_reports_conclusions(docs: Path) -> None:
    same_scores = "+0.0 ± 0.0, may be chance"
    # 0.70, 0.74 and 0.72: a standard deviation of 2 points, of a difference 1.41 times as much.
    page = " ".join((docs / "lfw-results.md").read_text().split())
    assert "Two runs of one experiment differ by 2.8 points" in page
    rows = tables(docs, "The report's conclusions")
    assert rows[0] == f"| batch norm helps | +4.3 | {same_scores} | {same_scores} |"


def test_the_page_shows_what_was_memorized(docs: Path) -> None:
    rows = tables(docs, "Why train accuracy reaches 1.0")
    assert rows[0] == "| base, Adam | 0.711 | 0.600 | 0.722 | 0.650 |"


def test_the_page_shows_what_recomputed_averages_change(docs: Path) -> None:
    assert tables(docs, "Batch norm's averages lag behind") == [
        "| batch norm | 0.700 → 0.800 | 0.700 → 0.700 | 0.250 → 0.200 | 0.800 → 0.800 |",
        "| batch norm, dropout 0.1 | 0.710 → 0.800 | 0.700 → 0.700 | 0.250 → 0.200 | "
        "0.800 → 0.800 |",
    ]


def test_the_page_compares_the_splits(docs: Path) -> None:
    rows = tables(docs, "Validation by pair and by identity")
    assert rows[1] == (
        "| batch norm, split by identity | 0.722 | 0.300 | 0.450 | 0.680 | 0.700 | 0.250 |"
    )


def test_the_page_has_traits_of_the_wrong_pairs(docs: Path) -> None:
    rows = tables(docs, "What the wrong pairs have in common")
    assert rows[0].startswith("| base, Adam | asymmetry")
    # At 0.45, a single one of the same pairs is wrong: no mean, no error.
    assert rows[0].endswith("| (49 pairs) | (1 pairs) | 0.250 ± 0.000 | 0.250 ± 0.000 |")
    assert len(rows) == 3 * len(TRAITS)


def test_traits_of_wrong_pairs_stand_out_where_they_differ_by_more_than_chance() -> None:
    right, near, far = np.arange(10.0), np.arange(10.0) + 2, np.arange(10.0) + 3
    assert compare(right, near) == ["4.500 ± 0.957", "6.500 ± 0.957"]
    assert compare(right, far) == ["4.500 ± 0.957", "**7.500 ± 0.957**"]
    assert stats.sem(right) == pytest.approx(0.957, abs=5e-4)


def test_runs_with_dropout_stand_next_to_the_run_without_and_the_reports(docs: Path) -> None:
    rows = tables(docs, "Dropout, wired or not")
    assert rows == [
        "| batch norm | 0.711 | 0.722 | 0.700 |",
        "| batch norm, dropout 0.1 | 0.711 | 0.722 | 0.710 |",
        "| the report: batch norm, dropout 0.1 | 1.000 | 0.720 | 0.720 |",
        "| the report: batch norm, dropout 0.5 | 1.000 | 0.658 | 0.774 |",
    ]


@pytest.mark.parametrize(
    ("gained", "lost", "word"),
    [
        (30, 10, "holds"),
        (10, 30, "the reverse"),
        (30, 20, "may be chance"),
        (0, 0, "may be chance"),
    ],
)
def test_a_difference_between_runs_is_told_from_chance_as_by_a_paired_test(
    gained: int, lost: int, word: str
) -> None:
    # Gained, lost, both right, both wrong.
    counts = [gained, lost, 200, 200 - gained - lost]
    better, worse = (
        np.repeat([True, False, True, False], counts),
        np.repeat([0, 1, 1, 0], counts) == 1,
    )
    differences = 100 * (better.astype(int) - worse.astype(int))
    mean, error = (gained - lost) / 4, stats.sem(differences)
    assert verdict(better, worse) == f"{mean:+.1f} ± {error:.1f}, {word}"
    if gained != lost:
        assert (stats.ttest_1samp(differences, 0).pvalue > 0.05) == (word == "may be chance")


def test_every_picture_of_the_page_is_there_and_shows_no_bitmap(docs: Path) -> None:
    plots = re.findall(r"\((images/.*?)\)", (docs / "lfw-results.md").read_text())
    assert len(plots) == 4
    for plot in plots:
        drawn = (docs / plot).read_text()
        assert "<image" not in drawn
        assert len(drawn) < 2**20


def test_without_results_it_says_how_to_make_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        report.main(["--results", str(tmp_path), "--docs", str(tmp_path)])
    assert "experiments run --data DIR" in capsys.readouterr().err


@pytest.mark.skipif(not RESULTS.is_dir(), reason="the results are not there")
def test_the_committed_page_is_what_the_committed_results_give(tmp_path: Path) -> None:
    report.main(["--docs", str(tmp_path)])
    assert (tmp_path / "lfw-results.md").read_text() == (DOCS / "lfw-results.md").read_text()
