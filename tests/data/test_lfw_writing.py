"""Tests of LFW's pair files: written, or not where the format cannot express a list."""

import os
from pathlib import Path

import pytest
from image_folders import NFC, NFD
from pair_lists import different, same

from siamese_verify.data.lfw import lfw_sample
from siamese_verify.data.pairs import PairList
from siamese_verify.data.samples import Pair, Sample


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pairs.txt"


def test_a_list_that_counts_cannot_express_has_no_count_line(path: Path):
    PairList([same("Ada", 1, 2), same("Ada", 1, 3), different("Ada", 1, "Bob", 2)]).to_lfw(path)
    assert path.read_text() == "Ada\t1\t2\nAda\t1\t3\nAda\t1\tBob\t2\n"


A_SAME, A_DIFFERENT = same("Ada", 1, 2), different("Ada", 1, "Bob", 1)


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        (PairList([]), "at least one pair"),
        (
            PairList([Pair(Sample("Ada/a.png", "Ada"), lfw_sample("Ada", 1), 1)]),
            "named as in LFW",
        ),
        (PairList([Pair(Sample("Ada/Ada_1.jpg", "Ada"), lfw_sample("Ada", 1), 1)]), "named as"),
        (
            PairList([Pair(Sample("Ada/Ada_0000.jpg", "Ada"), lfw_sample("Ada", 1), 1)]),
            "named as",
        ),
        (PairList([Pair(lfw_sample("Ada", 1), lfw_sample("Bob", 1), 1)]), "one name"),
        (
            PairList([Pair(*(Sample(f"{n}/{NFC}_0001.jpg", NFC) for n in (NFC, NFD)), 1)]),
            "form of Unicode",
        ),
        (PairList([A_SAME, A_DIFFERENT], [0, 1]), "View 2"),
        (PairList([A_DIFFERENT, A_SAME, A_SAME, A_DIFFERENT], [0, 1, 0, 1]), "View 2"),
        (PairList([A_SAME, A_SAME, A_DIFFERENT, A_DIFFERENT], [0, 0, 1, 1]), "View 2"),
        *(
            (PairList([A_SAME, same(name, 1, 2)]), "A name in a pair file must not")
            for name in ("", "a/b", "..", "C:", "a\tb", "a\nb", "a\rb", " a", "a ", "\0", "\udcff")
        ),
    ],
)
def test_what_cannot_be_written_raises_an_error_and_leaves_the_old_file(
    pairs: PairList, reason: str, path: Path
):
    path.write_text("precious")
    with pytest.raises(ValueError, match=reason):
        pairs.to_lfw(path)
    assert path.read_text() == "precious"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("folder", [NFC, NFD])
@pytest.mark.parametrize("file", [NFC, NFD])
def test_paths_in_either_form_are_written_in_the_composed_form(folder: str, file: str, path: Path):
    samples = (Sample(f"{folder}/{file}_000{i}.jpg", folder) for i in (1, 2))
    PairList([Pair(*samples, 1)]).to_lfw(path)
    assert PairList.from_lfw(path) == PairList([same(NFC, 1, 2)])
