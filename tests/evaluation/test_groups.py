"""Tests of figures by group, against figures of the pairs of the group alone."""

import json

import numpy as np
import pytest

from siamese_verify import compare_evaluations, evaluate_scores

RNG = np.random.default_rng(0)
N = 200
LABELS = np.repeat([1, 0, 0, 0], N)
GROUPS = np.repeat(["", "random", "skilled", ""], N)
SCORES = RNG.normal(np.repeat([2.0, 0.0, 1.2, 0.5], N))
IDENTITIES = RNG.integers(30, size=(4 * N, 2))
IDENTITIES[(LABELS == 1) | (GROUPS == "skilled"), 1] = IDENTITIES[
    (LABELS == 1) | (GROUPS == "skilled"), 0
]
THRESHOLD = 1.1


def ends(figure):
    return pytest.approx(figure.to_list())


@pytest.mark.parametrize("identities", [None, IDENTITIES])
@pytest.mark.parametrize("group", ["random", "skilled"])
def test_a_group_of_impostor_pairs_is_measured_against_all_genuine_pairs(group, identities):
    report = evaluate_scores(SCORES, LABELS, THRESHOLD, identities, GROUPS)
    chosen = (LABELS == 1) | (group == GROUPS)
    alone = evaluate_scores(
        SCORES[chosen],
        LABELS[chosen],
        THRESHOLD,
        None if identities is None else identities[chosen],
    )
    found = report.by_group[group]
    assert (found.n_same, found.n_different, found.frr) == (0, N, None)
    assert found.far.to_list() == ends(alone.far)
    assert found.far == np.mean(SCORES[group == GROUPS] >= THRESHOLD)
    assert found.eer.to_list() == ends(alone.eer)
    assert report.against(group).auc.to_list() == ends(alone.auc)


def test_the_order_of_pairs_does_not_matter_to_groups():
    order = RNG.permutation(4 * N)
    one, other = (
        evaluate_scores(SCORES[i], LABELS[i], THRESHOLD, IDENTITIES[i], GROUPS[i])
        for i in (np.arange(4 * N), order)
    )
    assert one.to_dict() == other.to_dict()


def test_a_group_of_genuine_pairs_has_an_frr_and_a_group_of_both_kinds_has_all():
    groups = np.where(np.arange(4 * N) % 2, "left-handed", np.where(LABELS == 1, "genuine", ""))
    report = evaluate_scores(SCORES, LABELS, THRESHOLD, IDENTITIES, groups)
    assert list(report.by_group) == ["genuine", "left-handed"]
    genuine, both = report.by_group.values()
    assert (genuine.far, genuine.eer, genuine.n_different) == (None, None, 0)
    mine = groups == "genuine"
    assert genuine.frr == np.mean(SCORES[mine] < THRESHOLD)
    mine = groups == "left-handed"
    assert both.frr == np.mean(SCORES[mine & (LABELS == 1)] < THRESHOLD)
    assert both.far == np.mean(SCORES[mine & (LABELS == 0)] >= THRESHOLD)
    assert (both.n_same, both.n_different) == (N // 2, 3 * N // 2)


def test_the_report_prints_a_line_for_each_group_and_its_record_holds_each():
    report = evaluate_scores(SCORES, LABELS, THRESHOLD, IDENTITIES, GROUPS)
    lines = [line.split() for line in str(report).splitlines()]
    skilled = report.by_group["skilled"]
    (line,) = (line for line in lines if line[:1] == ["skilled"])
    assert line[1:4] == ["0", str(N), f"{skilled.far:.4f}"]
    record = json.loads(json.dumps(report.to_dict()))["groups"]
    assert record.keys() == {"random", "skilled"}
    assert record["skilled"]["far"] == skilled.far.to_list()
    assert "frr" not in record["skilled"]


def test_without_groups_nothing_is_said_of_them():
    report = evaluate_scores(SCORES, LABELS, THRESHOLD, IDENTITIES)
    assert report.by_group == report.to_dict()["groups"] == {}
    assert "group" not in str(report)


def test_some_of_the_pairs_keep_their_groups():
    report = evaluate_scores(SCORES, LABELS, THRESHOLD, IDENTITIES, GROUPS)
    assert report.among(GROUPS != "random").by_group.keys() == {"skilled"}


def test_two_evaluations_with_groups_are_compared():
    a, b = (evaluate_scores(s, LABELS, 1.0, IDENTITIES, GROUPS) for s in (SCORES, SCORES**3))
    assert compare_evaluations(a, b).auc_difference == pytest.approx(0)


def test_the_name_of_a_group_cannot_forge_a_line():
    groups = np.where(LABELS == 0, "x\nFAR 0.0000", "")
    lines = str(evaluate_scores(SCORES, LABELS, THRESHOLD, groups=groups)).splitlines()
    assert sum(line.startswith("FAR") for line in lines) == 1


@pytest.mark.parametrize(
    ("groups", "match"),
    [
        (GROUPS[:3], r"shape \(3,\) for 800 scores"),
        (GROUPS[:, None], r"shape \(800, 1\)"),
        (np.arange(4 * N), "of int"),
        ([None] * 4 * N, "of NoneType"),
        ("skilled", r"shape \(\)"),
    ],
)
def test_a_group_is_a_name_for_each_pair(groups, match):
    with pytest.raises(ValueError, match=f"`groups` must hold.*Received: .*{match}"):
        evaluate_scores(SCORES, LABELS, THRESHOLD, groups=groups)


def test_a_group_without_impostor_pairs_has_no_curve():
    with pytest.raises(ValueError, match="Received: group='unknown', of random, skilled"):
        evaluate_scores(SCORES, LABELS, THRESHOLD, groups=GROUPS).against("unknown")
