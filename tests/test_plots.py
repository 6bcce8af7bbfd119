"""Tests of the plots of a run."""

import numpy as np
import pytest
from PIL import Image

from siamese_verify import Pair, PairDataset, PairList, evaluate_scores
from siamese_verify.data.lfw import lfw_sample
from siamese_verify.plots import plot_history, plot_outcomes, plot_roc

SIZE = (6, 5)


def make_dataset(folder, channels=1, suffix=".png"):
    """Make three identities of two random images, each image paired with each other."""
    rng = np.random.default_rng(0)
    samples = [
        lfw_sample(identity, number) for identity in ("Ada", "Bob", "Cyd") for number in (1, 2)
    ]
    for sample in samples:
        path = (folder / sample.path).with_suffix(suffix)
        path.parent.mkdir(exist_ok=True)
        # Values from 50 to 199 are neither black nor white.
        Image.fromarray(rng.integers(50, 200, (*SIZE, 3), np.uint8)).save(path)
    pairs = [
        Pair(left, right, int(left.identity == right.identity))
        for i, left in enumerate(samples)
        for right in samples[i + 1 :]
    ]
    kwargs = {"image_size": SIZE, "channels": channels, "verbose": False}
    PairList(pairs).to_lfw(folder / "pairs.txt")
    return PairDataset.from_lfw(folder / "pairs.txt", folder, **kwargs)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("identities"))


def assert_saved(figure, path):
    figure.savefig(path, dpi=40)
    with Image.open(path) as picture:
        assert np.ptp(np.asarray(picture)) > 0


# --- History

HISTORY = [
    {"epoch": 1, "loss": 0.9, "val_loss": 1.0, "accuracy": 0.5, "val_accuracy": 0.4},
    {"epoch": 2, "loss": 0.5, "val_loss": 0.8, "accuracy": 0.7, "val_accuracy": 0.6},
]


def test_history_shows_curves_of_loss_and_accuracy(tmp_path):
    figure = plot_history(HISTORY)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    for axes, name in zip(figure.axes, ("loss", "accuracy"), strict=True):
        assert axes.get_xlabel() == "epoch"
        assert [text.get_text() for text in axes.get_legend().texts] == ["training", "validation"]
        for line, key in zip(axes.lines, (name, f"val_{name}"), strict=True):
            assert line.get_xdata().tolist() == [1, 2]
            assert line.get_ydata().tolist() == [row[key] for row in HISTORY]
    assert_saved(figure, tmp_path / "history.png")


def drawn(history):
    """Map the name of each plot to the points of its curves."""
    return {
        axes.get_ylabel(): {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
        for axes in plot_history(history).axes
    }


def test_without_accuracy_the_equal_error_rate_is_drawn():
    rows = [
        {"epoch": 3, "loss": 0.9, "val_equal_error_rate": 0.4, "equal_error_rate": 0.3},
        {"epoch": 4, "loss": 0.5, "val_equal_error_rate": 0.2, "equal_error_rate": 0.1},
    ]
    error = {"training": [[3, 0.3], [4, 0.1]], "validation": [[3, 0.4], [4, 0.2]]}
    assert drawn(rows) == {"loss": {"training": [[3, 0.9], [4, 0.5]]}, "equal error rate": error}
    with_accuracy = [{**row, "accuracy": 0.5} for row in rows]
    assert drawn(with_accuracy)["accuracy"] == {"training": [[3, 0.5], [4, 0.5]]}


def test_unknown_values_are_not_drawn():
    rows = [{"epoch": 1, "val_loss": 1.0, "seconds": 2.0}]
    assert drawn(rows) == {"loss": {"validation": [[1, 1.0]]}, "equal error rate": {}}
    assert drawn([]) == {"loss": {}, "equal error rate": {}}


# --- Outcomes


def outcomes(figure, count):
    """Map the label of each row to the captions of the pairs that it shows."""
    rows = np.reshape(figure.axes, (4, count))
    return {row[0].get_ylabel(): [axes.get_xlabel() for axes in row if axes.images] for row in rows}


def test_the_most_confident_pairs_of_each_outcome_are_shown(pairs, tmp_path):
    scores = np.full(len(pairs), 0.4)  # All pairs are rejected, except for the next ones.
    same, different = np.flatnonzero(pairs.labels == 1), np.flatnonzero(pairs.labels == 0)
    assert (len(same), len(different)) == (3, 12)
    scores[same] = [0.7, 0.9, 0.1]
    scores[different[:6]] = [0.55, 0.99, 0.8, 0.3, 0.0, 0.2]

    def caption(index):
        pair = pairs.pairs[int(index)]
        identities = (
            [pair.left.identity] if pair.label else [pair.left.identity, pair.right.identity]
        )
        return "\n".join([*identities, f"score {scores[index]:.3f}, threshold 0.500"])

    figure = plot_outcomes(pairs, scores, threshold=0.5, count=2)
    assert outcomes(figure, 2) == {
        "genuine accepted\n(2 of 15)": [caption(same[1]), caption(same[0])],
        "impostor rejected\n(9 of 15)": [caption(different[4]), caption(different[5])],
        "impostor accepted\n(3 of 15)": [caption(different[1]), caption(different[2])],
        "genuine rejected\n(1 of 15)": [caption(same[2])],
    }
    assert_saved(figure, tmp_path / "outcomes.png")


def test_a_score_at_the_threshold_is_accepted(pairs):
    labels = list(outcomes(plot_outcomes(pairs, np.full(15, 0.5), threshold=0.5), 4))
    assert labels == [
        "genuine accepted\n(3 of 15)",
        "impostor rejected\n(0 of 15)",
        "impostor accepted\n(12 of 15)",
        "genuine rejected\n(0 of 15)",
    ]


@pytest.mark.parametrize(("channels", "suffix"), [(1, ".png"), (3, ".jpg")])
def test_left_and_right_are_shown_side_by_side_in_their_own_grey_or_colour(
    channels, suffix, tmp_path
):
    pairs = make_dataset(tmp_path, channels, suffix)
    scores = np.linspace(1, 2, 15)
    figure = plot_outcomes(pairs, scores, threshold=0.0, count=1)
    (shown,) = figure.axes[0].images
    best = np.flatnonzero(pairs.labels)[-1]
    left, right = pairs.images[pairs.indices[best]]
    expected = np.concatenate([left, right], axis=1)
    np.testing.assert_array_equal(np.reshape(shown.get_array(), expected.shape), expected)
    if channels == 1:
        # Grey is not stretched to the darkest and lightest pixel of each pair.
        assert (shown.get_cmap().name, shown.get_clim()) == ("gray", (0, 255))
    assert_saved(figure, tmp_path / "outcomes.png")


def test_scores_may_be_a_column_as_from_predict(pairs):
    figure = plot_outcomes(pairs, np.linspace(0, 1, 15)[:, None], threshold=0.5, count=3)
    assert len(figure.axes) == 12


@pytest.mark.parametrize("n_scores", [0, 14, 16])
def test_a_number_of_scores_other_than_of_pairs_raises(pairs, n_scores):
    with pytest.raises(ValueError, match=f"Received: {n_scores} scores, 15 pairs"):
        plot_outcomes(pairs, np.zeros(n_scores), threshold=0.5)


def test_each_group_of_impostor_pairs_has_a_curve():
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0, 0], 100)
    scores = rng.normal(np.repeat([2.0, 0.0, 1.0], 100))
    groups = np.repeat(["", "random", "skilled"], 100)
    report = evaluate_scores(scores, labels, 1.0, groups=groups)
    lines = {line.get_label().partition(":")[0]: line for line in plot_roc(report).axes[0].lines}
    for name in ("random", "skilled"):
        far, tar = lines[name].get_data()
        assert (far == report.against(name).roc.far).all()
        assert (tar == report.against(name).roc.tar).all()


def test_a_name_with_dollars_is_no_formula(tmp_path):
    labels, groups = np.repeat([1, 0], 50), np.full(100, "a$b_$")
    scores = np.random.default_rng(0).normal(2.0 * labels)
    figure = plot_roc(evaluate_scores(scores, labels, 1.0, groups=groups))
    assert_saved(figure, tmp_path / "roc.png")
