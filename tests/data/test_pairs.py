"""Tests of pair lists."""

import operator
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pair_lists import different, same

from siamese_verify.data.lfw import lfw_sample
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import Pair, Sample
from siamese_verify.data.summary import PairSummary

LFW = Path(__file__).parents[3] / "shared" / "lfw"
needs_lfw = pytest.mark.skipif(not LFW.is_dir(), reason="needs LFW in ../shared/lfw")


A_SAME, A_DIFFERENT = same("Ada", 1, 2), different("Ada", 1, "Bob", 1)


FOUR = PairList([A_SAME, A_DIFFERENT, same("Bob", 3, 1), different("Zoë", 1, "Ada", 2)])


def test_labels_are_1_for_same_and_0_for_different():
    assert FOUR.labels.dtype == np.int32
    assert FOUR.labels.tolist() == [1, 0, 1, 0]
    assert PairList([]).labels.dtype == np.int32
    assert FOUR.same == PairList([FOUR[0], FOUR[2]])
    assert FOUR.different == PairList([FOUR[1], FOUR[3]])


def test_identities_and_images_come_once_each_and_sorted():
    assert FOUR.identities == ("Ada", "Bob", "Zoë")
    assert [sample.path for sample in FOUR.samples] == [
        f"{name}/{name}_000{i}.jpg"
        for name, i in [("Ada", 1), ("Ada", 2), ("Bob", 1), ("Bob", 3), ("Zoë", 1)]
    ]


def test_paths_below_the_root_are_named_as_in_lfw():
    assert FOUR[:2].paths("root") == [
        (Path("root/Ada/Ada_0001.jpg"), Path("root/Ada/Ada_0002.jpg")),
        (Path("root/Ada/Ada_0001.jpg"), Path("root/Bob/Bob_0001.jpg")),
    ]


def test_summary_counts_and_prints_a_table():
    assert FOUR.summary() == (4, 2, 2, 3, 5)
    assert str(PairSummary(3200, 1600, 1600, 3095, 4992)).splitlines() == [
        "pairs           3,200",
        "same            1,600",
        "different       1,600",
        "identities      3,095",
        "images          4,992",
    ]


def test_a_list_behaves_as_a_sequence_of_pairs():
    assert len(FOUR) == 4
    assert (FOUR[0], FOUR[-1]) == (A_SAME, different("Zoë", 1, "Ada", 2))
    assert FOUR[1:3] == PairList([FOUR[1], FOUR[2]])
    assert FOUR[::-1] == PairList(reversed(FOUR))
    assert FOUR[:2] + FOUR[2:] == FOUR
    assert A_DIFFERENT in FOUR
    assert FOUR.index(A_DIFFERENT) == 1
    with pytest.raises(IndexError):
        FOUR[4]


def test_lists_are_equal_if_their_pairs_order_and_folds_are():
    again = PairList(list(FOUR))
    assert again == FOUR
    assert hash(again) == hash(FOUR)
    folded = PairList(FOUR, [0, 0, 1, 1])
    assert folded == PairList(FOUR, np.array([0, 0, 1, 1]))
    assert hash(folded) == hash(PairList(FOUR, [0, 0, 1, 1]))
    for other in (FOUR[::-1], FOUR[:3], folded, PairList(FOUR, [0, 1, 0, 1]), list(FOUR)):
        assert other != FOUR
    assert folded != PairList(FOUR, [0, 1, 0, 1])


def test_only_a_list_is_added_to_a_list():
    with pytest.raises(TypeError):
        operator.add(FOUR, [A_SAME])


@pytest.mark.parametrize("label", [2, -1, 0.5, "1", None])
def test_a_label_is_0_or_1(label: object):
    with pytest.raises(ValueError, match="label"):
        PairList([A_SAME._replace(label=label)])


def test_folds_are_one_for_each_pair():
    with pytest.raises(ValueError, match="4 pairs, 3 folds"):
        PairList(FOUR, [0, 0, 1])


def test_a_list_is_made_of_pairs():
    with pytest.raises(TypeError, match=r"only `Pair`s. Received: \('a', 'b', 1\)"):
        PairList([("a", "b", 1)])


@pytest.mark.parametrize("fold", [0.9, -1, "1"])
def test_folds_are_whole_numbers(fold: object):
    pair = Pair(lfw_sample("Ada", 1), lfw_sample("Ada", 2), 1)
    with pytest.raises(ValueError, match=f"`folds` must be a whole number.*folds={fold!r}"):
        PairList([pair], [fold])


@needs_lfw
def test_the_official_files_hold_the_published_counts():
    train, test = (PairList.from_lfw(LFW / f"pairsDev{name}.txt") for name in ("Train", "Test"))
    assert train.summary() == (2200, 1100, 1100, 2132, 3443)
    assert test.summary() == (1000, 500, 500, 963, 1549)
    assert (train + test).summary()[:3] == (3200, 1600, 1600)
    assert not set(train.identities) & set(test.identities)


# --- No TensorFlow


@pytest.mark.parametrize(
    "statement",
    ["import siamese_verify.data.pairs", "import siamese_verify; siamese_verify.PairList"],
)
def test_pair_lists_need_neither_tensorflow_nor_keras(statement: str):
    code = f"import sys; {statement}; print(sys.modules.keys() & {{'tensorflow', 'keras'}})"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("path", ["/etc/1.png", "../1.png"])
def test_no_path_leads_out_of_the_root(path: str):
    pairs = PairList([Pair(Sample(path, "Ada"), Sample("2.png", "Ada"), 1)])
    with pytest.raises(ValueError, match="below `images_root`"):
        pairs.paths("root")


FLAT = PairList(
    [
        Pair(Sample("scans/17.png", "Ada"), Sample("scans/18.png", "Ada"), 1),
        Pair(Sample("scans/17.png", "Ada"), Sample("scans/19.png", "Bob"), 0),
    ]
)


def test_samples_need_no_folder_of_their_identity():
    assert FLAT.summary() == (2, 1, 1, 2, 3)
    assert FLAT.identities == ("Ada", "Bob")
    assert [sample.path for sample in FLAT.samples] == [f"scans/{i}.png" for i in (17, 18, 19)]
    assert FLAT[:1].paths("root") == [(Path("root/scans/17.png"), Path("root/scans/18.png"))]
    rest, part = (FLAT + FLAT).split(0.5)
    assert rest == part == FLAT


# --- Columns


def test_indices_and_codes_lead_to_the_samples_and_identities_of_each_pair():
    for pairs in (FOUR, FOUR[1:], FOUR.same, FOUR[2:] + FOUR[:1], PairList([])):
        assert pairs.indices.shape == pairs.identity_codes.shape == (len(pairs), 2)
        assert pairs.indices.dtype == pairs.identity_codes.dtype == np.int32
        for pair, rows, codes in zip(pairs, pairs.indices, pairs.identity_codes, strict=True):
            assert tuple(pairs.samples[row] for row in rows) == pair[:2]
            assert [pairs.identities[code] for code in codes] == [s.identity for s in pair[:2]]


def test_a_list_of_columns_equals_the_list_of_its_pairs():
    again = PairList.from_columns(FOUR.samples, FOUR.indices, FOUR.labels)
    assert again == FOUR
    assert again.samples is FOUR.samples
    backwards = [*list(FOUR.samples)[::-1], Sample("unused.png", "Nobody")]
    rows = [[backwards.index(sample) for sample in pair[:2]] for pair in FOUR]
    assert PairList.from_columns(backwards, rows, FOUR.labels) == FOUR
    assert PairList.from_columns([], [], []) == PairList([])


def test_groups_stay_with_their_pairs():
    groups = ["", "random", "", "skilled"]
    grouped = PairList.from_columns(FOUR.samples, FOUR.indices, FOUR.labels, groups=groups)
    assert grouped != FOUR
    assert grouped.groups.tolist() == groups
    assert grouped.different.groups.tolist() == ["random", "skilled"]
    assert grouped[::-1].groups.tolist() == groups[::-1]
    assert (FOUR[:1] + grouped[3:]).groups.tolist() == ["", "skilled"]
    assert PairList(grouped, [0, 0, 1, 1]).groups.tolist() == groups
    assert grouped.group_names == ("", "random", "skilled")
    assert grouped[:2].group_names == ("", "random")
    assert FOUR.groups is None
    assert FOUR.group_names == ()


@pytest.mark.parametrize("groups", ["skilled", ["a", "b", "c", None], [[1]] * 4, [["a"]] * 4])
def test_a_group_is_a_name(groups: object):
    with pytest.raises(ValueError, match="`groups` must hold one name for each pair"):
        PairList.from_columns(FOUR.samples, FOUR.indices, FOUR.labels, groups=groups)


def test_groups_are_not_lost_in_lfws_format(tmp_path: Path):
    grouped = PairList.from_columns(FOUR.samples, FOUR.indices, FOUR.labels, groups=["a"] * 4)
    with pytest.raises(ValueError, match=r"no groups.*`to_table`"):
        grouped.to_lfw(tmp_path / "pairs.txt")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"labels": [1, 2]}, "labels.*2"),
        ({"labels": [1]}, "shape"),
        ({"indices": [[0, 1], [0, 5]]}, "from 0 to 4"),
        ({"indices": [[0, 1], [0, -1]]}, "from -1 to 1"),
        ({"indices": [[0.0, 1], [0, 1]]}, "whole numbers"),
        ({"folds": [0]}, "2 pairs, 1 folds"),
        ({"groups": ["a"]}, "2 pairs, 1 groups"),
        ({"groups": [1, 2]}, "groups.*name"),
    ],
)
def test_columns_that_describe_no_pairs_raise_an_error(changed: dict[str, object], expected: str):
    columns = {"indices": [[0, 1], [0, 2]], "labels": [1, 0], **changed}
    with pytest.raises(ValueError, match=expected):
        PairList.from_columns(FOUR.samples, **columns)


def test_a_pair_of_plain_paths_raises_an_error_that_tells_what_to_do():
    with pytest.raises(TypeError, match=r"two `Sample`s.*from_table.*Received: Pair\(left='a.jpg'"):
        PairList([Pair("a.jpg", "b.jpg", 1)])


def test_the_columns_of_a_list_cannot_be_changed():
    for column in (FOUR.labels, FOUR.indices, FOUR[:2].indices, FOUR.samples.identity_codes):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0
