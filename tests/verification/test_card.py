"""Tests of a verifier's model card."""

import warnings

import keras
import numpy as np
import pytest
from sklearn import metrics

import siamese_verify as sv
from siamese_verify.evaluation.calibration import calibrate
from siamese_verify.evaluation.report import Evaluation, EvaluationWarning

N = 400
RNG = np.random.default_rng(0)
IS_SAME = RNG.random(N) < 0.5
SCORES = RNG.normal(1.5 * IS_SAME)
TEXTS = {
    "name": "a name",
    "data": "Some data.",
    "recipe": "A recipe.",
    "intended_use": "No use.",
}


def make_verifier(
    preprocessing: sv.Preprocessing | None = None,
    tower: keras.Model | None = None,
    policy: str = "eer",
    head: keras.layers.Layer | None = None,
) -> sv.Verifier:
    tower = tower or sv.ConvTower([], (6, 5, 1), 4)
    preprocessing = preprocessing or sv.Preprocessing((6, 5))
    verifier = sv.Verifier(sv.SiameseModel(tower, head or sv.CosineHead()), preprocessing)
    rng = np.random.default_rng(1)
    labels = np.repeat([1, 0], [120, 130])
    verifier.calibration = calibrate(rng.normal(1.5 * labels), labels, policy, 0.25)
    return verifier


@pytest.fixture(scope="module")
def verifier() -> sv.Verifier:
    return make_verifier()


@pytest.fixture(scope="module")
def report(verifier: sv.Verifier) -> Evaluation:
    return sv.evaluate_scores(SCORES, IS_SAME, verifier.threshold)


def sections(card: str) -> dict[str, str]:
    """By title, what stands below it."""
    parts = [part.partition("\n") for part in f"\n{card}".split("\n## ")]
    return {title.strip(): text.strip() for title, _, text in parts if title.strip()}


def table(text: str) -> list[list[str]]:
    """The rows of the only table in a text."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return lines[2:]


def rates(chosen: np.ndarray, threshold: float) -> list[str]:
    """Accuracy, FAR and FRR of some of the pairs."""
    report = sv.evaluate_scores(SCORES[chosen], IS_SAME[chosen], threshold)
    right = (SCORES[chosen] >= threshold) == IS_SAME[chosen]
    assert float(report.accuracy) == right.mean()
    return [str(report.accuracy), str(report.far), str(report.frr)]


def test_each_figure_stands_with_its_interval(verifier: sv.Verifier, report: Evaluation):
    card = sv.model_card(verifier, report, **TEXTS)
    figures = sections(card)["Figures"]
    assert f"{IS_SAME.sum()} same and {(~IS_SAME).sum()} different test pairs" in figures
    rows = table(figures)
    assert [value for _, value in rows[:3]] == rates(np.full(N, True), verifier.threshold)
    eer, auc, *tars = rows[3:]
    assert (eer[1], auc[1]) == (str(report.eer), str(report.auc))
    assert auc[1].startswith(f"{metrics.roc_auc_score(IS_SAME, SCORES):.4f} [")
    far, tar, _ = metrics.roc_curve(IS_SAME, SCORES)
    for (title, value), allowed in zip(tars, (0.1, 0.01), strict=True):
        assert f"where {allowed:.0%}" in title
        assert value.startswith(f"{tar[far <= allowed].max():.4f} [")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EvaluationWarning)  # The card's interval shows it.
            assert value == str(report.tar(allowed))


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        ("eer", "`eer` chose this threshold"),
        ("max_accuracy", "`max_accuracy` chose this threshold for 25% same pairs in use"),
    ],
)
def test_texts_stand_as_they_were_given_and_the_threshold_with_its_evidence(
    policy: str, chosen: str
):
    verifier = make_verifier(policy=policy)
    report = sv.evaluate_scores(SCORES, IS_SAME, verifier.threshold)
    card = sv.model_card(verifier, report, **TEXTS)
    found = sections(card)
    assert card.startswith("# a name\n")
    for title, key in (("Data", "data"), ("Recipe", "recipe"), ("Intended use", "intended_use")):
        assert found[title] == TEXTS[key]
    assert found["Threshold"] == (
        f"Pairs that score {verifier.threshold:.4f} or more are accepted as same. The policy "
        f"{chosen}, on 120 same and 130 different validation pairs. "
        f"On them, FAR is {verifier.calibration.far} and FRR {verifier.calibration.frr}."
    )


@pytest.mark.parametrize(
    ("preprocessing", "seen"),
    [
        (sv.Preprocessing((6, 5)), "The model sees the whole image, at 6 x 5 pixels, in grey."),
        (
            sv.Preprocessing((6, 5), 3, (8, 7)),
            "The model sees the central 8 x 7 pixels, at 6 x 5 pixels, in colour.",
        ),
    ],
)
def test_the_model_is_described(preprocessing: sv.Preprocessing, seen: str, report: Evaluation):
    tower = sv.ConvTower([], preprocessing.shape, 4, name="small")
    verifier = make_verifier(preprocessing, tower)
    card = sv.model_card(verifier, report, **TEXTS)
    parameters = 6 * 5 * preprocessing.channels * 4 + 4
    assert sections(card)["The model"] == (
        f"The tower `small` has {parameters} parameters and returns embeddings of 4 numbers. "
        "The head `CosineHead` scores two of them: higher is more alike. "
        f"{seen} "
        f"Its fingerprint is `{verifier.fingerprint}`."
    )


@pytest.mark.parametrize("unconstrained", [False, True])
def test_the_card_says_if_the_head_is_unconstrained(unconstrained: bool, report: Evaluation):
    head = sv.WeightedL1Head(unconstrained=unconstrained)
    card = sv.model_card(make_verifier(head=head), report, **TEXTS)
    told = "a larger distance may raise a score" in sections(card)["The model"]
    assert told == unconstrained


def test_a_model_that_has_changed_since_calibration_raises(report: Evaluation):
    verifier = make_verifier()
    weight = verifier.model.weights[0]
    weight.assign(2 * weight)
    with pytest.raises(RuntimeError, match=r"changed since calibrate\(\)"):
        sv.model_card(verifier, report, **TEXTS)


def test_the_tower_may_be_any_keras_model(report: Evaluation):
    class Tower(keras.Model):
        def __init__(self):
            super().__init__()
            self.flatten, self.dense = keras.layers.Flatten(), keras.layers.Dense(7)

        def build(self, input_shape):
            self.dense.build((None, int(np.prod(input_shape[1:]))))
            self.built = True

        def call(self, images, training=None):
            return self.dense(self.flatten(images))

    card = sv.model_card(make_verifier(tower=Tower()), report, **TEXTS)
    assert "217 parameters and returns embeddings of 7 numbers" in card


# --- Groups


def test_groups_stand_with_their_figures_the_least_accurate_first(
    verifier: sv.Verifier, report: Evaluation
):
    groups = {f"group {i}": RNG.random(N) < 0.4 for i in range(5)}
    card = sv.model_card(verifier, report, groups=groups, **TEXTS)
    weaknesses = sections(card)["Known weaknesses"]
    rows = table(weaknesses)
    assert {name for name, *_ in rows} == groups.keys()
    for name, counts, *figures in rows:
        same, different = (groups[name] & kind for kind in (IS_SAME, ~IS_SAME))
        assert counts == f"{same.sum()} / {different.sum()}"
        assert figures == rates(groups[name], verifier.threshold)
    right = (verifier.threshold <= SCORES) == IS_SAME
    assert [row[0] for row in rows] == sorted(groups, key=lambda name: right[groups[name]].mean())
    assert "Too few" not in weaknesses


def take(n_same: int, n_different: int) -> np.ndarray:
    chosen = np.zeros(N, bool)
    chosen[np.flatnonzero(IS_SAME)[:n_same]] = True
    chosen[np.flatnonzero(~IS_SAME)[:n_different]] = True
    return chosen


def test_groups_too_few_to_measure_are_named(verifier: sv.Verifier, report: Evaluation):
    groups = {
        "no same": take(0, 100),
        "just enough": take(20, 20),
        "few different": take(100, 19),
        "few same": take(19, 100),
    }
    card = sv.model_card(verifier, report, groups=groups, **TEXTS)
    weaknesses = sections(card)["Known weaknesses"]
    assert [row[0] for row in table(weaknesses)] == ["just enough"]
    assert weaknesses.endswith(
        "Too few to measure, below 20 same or different pairs: few different, few same, no same."
    )


def test_a_bar_in_the_name_of_a_group_leaves_the_table_whole(
    verifier: sv.Verifier, report: Evaluation
):
    card = sv.model_card(verifier, report, groups={"a|b": take(30, 30)}, **TEXTS)
    assert "| a\\|b | 30 / 30 |" in sections(card)["Known weaknesses"]


def test_names_may_be_numbers_and_break_no_line(verifier: sv.Verifier, report: Evaluation):
    groups = {"two\nlines": take(30, 30), 2003: take(30, 30), 2004: take(1, 1)}
    texts = {**TEXTS, "name": "Faces\n# evil"}
    card = sv.model_card(verifier, report, groups=groups, **texts)
    assert card.startswith("# Faces # evil\n\n## The model\n")
    weaknesses = sections(card)["Known weaknesses"]
    assert [row[0] for row in table(weaknesses)] == ["two lines", "2003"]
    assert weaknesses.endswith(": 2004.")


def test_no_table_stands_where_all_groups_are_too_few(verifier: sv.Verifier, report: Evaluation):
    card = sv.model_card(verifier, report, groups={"nobody": take(0, 0)}, **TEXTS)
    assert sections(card)["Known weaknesses"] == (
        "Too few to measure, below 20 same or different pairs: nobody."
    )


@pytest.mark.parametrize("groups", [None, {}])
def test_a_card_without_groups_says_so(
    groups: dict | None, verifier: sv.Verifier, report: Evaluation
):
    card = sv.model_card(verifier, report, groups=groups, **TEXTS)
    assert sections(card)["Known weaknesses"].startswith("Not measured")


# --- Arguments that raise an error


@pytest.mark.parametrize(
    ("group", "received"),
    [
        (IS_SAME[:-1], r"bool array of shape \(399,\)"),
        (IS_SAME[:, None], r"bool array of shape \(400, 1\)"),
        (IS_SAME.astype(np.int64), r"int64 array of shape \(400,\)"),
    ],
)
def test_a_group_must_be_a_bool_for_each_pair(
    group: np.ndarray, received: str, verifier: sv.Verifier, report: Evaluation
):
    with pytest.raises(ValueError, match=f"a bool for each of 400 pairs.*Received: {received}"):
        sv.model_card(verifier, report, groups={"good": IS_SAME, "bad": group}, **TEXTS)


@pytest.mark.parametrize("argument", ["name", "data", "recipe", "intended_use"])
@pytest.mark.parametrize("text", ["", " \n", None])
def test_each_text_is_needed(
    argument: str, text: str | None, verifier: sv.Verifier, report: Evaluation
):
    with pytest.raises(
        ValueError, match=f"`{argument}` must be a text that is not empty. Received: {argument}="
    ):
        sv.model_card(verifier, report, **{**TEXTS, argument: text})


def test_a_report_at_another_threshold_raises(verifier: sv.Verifier, report: Evaluation):
    other = sv.evaluate_scores(SCORES, IS_SAME, verifier.threshold + 0.1)
    with pytest.raises(ValueError, match=rf"report.threshold={other.threshold}, not "):
        sv.model_card(verifier, other, **TEXTS)


def test_an_uncalibrated_verifier_raises(report: Evaluation):
    verifier = make_verifier()
    verifier.calibration = None
    with pytest.raises(RuntimeError, match="calibrate"):
        sv.model_card(verifier, report, **TEXTS)


def test_figures_by_group_of_pairs_stand_with_their_intervals(verifier: sv.Verifier):
    kinds = np.where(IS_SAME, "", np.where(np.arange(N) % 3, "random", "skilled | traced"))
    report = sv.evaluate_scores(SCORES, IS_SAME, verifier.threshold, groups=kinds)
    _, by_group = sections(sv.model_card(verifier, report, **TEXTS))["Figures"].split("By group")
    rows = {row[0]: row[1:] for row in table(by_group)}
    for name, group in report.by_group.items():
        expected = [f"0 / {group.n_different}", str(group.far), "-", str(group.eer)]
        assert rows[name.replace("|", "\\|")] == expected


def test_the_band_for_review_stands_with_its_evidence(report: Evaluation):
    verifier = make_verifier()
    labels = np.repeat([1, 0], [120, 130])
    scores = np.random.default_rng(1).normal(1.5 * labels)
    review = ("frr=0.1", "far=0.1")
    verifier.calibration = calibrate(scores, labels, "eer", 0.25, review=review)
    band = verifier.calibration.review
    report = sv.evaluate_scores(SCORES, IS_SAME, verifier.threshold)
    text = sections(sv.model_card(verifier, report, **TEXTS))["Threshold"]
    for figure in (band.same, band.different, band.frr, band.far, f"{band.low:.4f}", "`frr=0.1`"):
        assert str(figure) in text
