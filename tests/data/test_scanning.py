"""Tests of the scan of a folder of identities: files that count, files passed over, and links."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_folders import make_folders

from siamese_verify.data.samples import Sample
from siamese_verify.data.scanning import IMAGE_SUFFIXES, scan_folders
from siamese_verify.names import normalized

HIDDEN = [".ipynb_checkpoints", ".DS_Store", "__MACOSX", "__macosx", "Thumbs.db", "DESKTOP.INI"]
HIDDEN += ["$RECYCLE.BIN", "System Volume Information", "@eaDir", "lost+found"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_folders(tmp_path, {"Ada": ["1.jpg"]})


ADA = {"Ada": [Sample("Ada/1.jpg", "Ada")]}


@pytest.mark.parametrize("name", [*HIDDEN, "._1.jpg", ".hidden.jpg"])
def test_hidden_files_and_folders_are_left_out_in_silence(name: str, root: Path):
    (root / name).mkdir()
    (root / name / "1.jpg").touch()
    (root / "Ada" / name).touch()
    found, passed_over = scan_folders(root)
    assert found == ADA
    assert not passed_over
    assert str(passed_over) == ""


def test_a_root_below_a_hidden_folder_is_scanned(tmp_path: Path):
    (tmp_path / ".cache").mkdir()
    assert scan_folders(make_folders(tmp_path / ".cache", {"Ada": ["1.jpg"]}))[0] == ADA


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JFIF", ".Jpg"])
def test_every_ending_of_a_jpeg_counts_in_any_case(suffix: str, tmp_path: Path):
    make_folders(tmp_path, {"Eve": [f"1{suffix}"]})
    assert scan_folders(tmp_path)[0] == {"Eve": [Sample(f"Eve/1{suffix}", "Eve")]}


def test_everything_else_is_counted_by_ending_with_an_example(root: Path):
    make_folders(root, {"Eve": [f"{i}.PSD" for i in range(10)], "Bob": [], "Cyd": ["a.txt"]})
    for name in ("Ada/b.txt", "Ada/README", "list.csv", "2.jpg"):
        (root / name).touch()
    found, passed_over = scan_folders(root)
    assert found == ADA
    assert passed_over
    assert str(passed_over) == (
        "15 files and folders are passed over: 10 .psd (such as Eve/0.PSD), 2 .txt (such as "
        "Ada/b.txt), 1 .jpg outside of a folder (such as 2.jpg), 1 without an ending (such as "
        "Ada/README), 1 .csv outside of a folder (such as list.csv). 3 identities have no "
        "image: Bob, Cyd, Eve. "
    )


def test_an_empty_folder_alone_is_told(root: Path):
    (root / "Eve").mkdir()
    assert str(scan_folders(root)[1]) == "1 identity has no image: Eve. "


def test_many_kinds_and_long_names_make_a_bounded_line(root: Path):
    for i in range(30):
        (root / "Ada" / f"{'x' * 200}\n.{'y' * 30}{i}").touch()
        (root / f"{'z' * 200}\n{i}").mkdir()
    line = str(scan_folders(root)[1])
    assert line.isprintable()
    assert len(line) < 6_000
    assert "and 20 of other kinds" in line
    assert "and 20 more" in line


def test_a_link_counts_as_the_file_or_folder_that_it_leads_to(root: Path, tmp_path: Path):
    elsewhere = make_folders(tmp_path.parent / f"{tmp_path.name}-elsewhere", {"Bob": ["1.png"]})
    (root / "Eve").symlink_to(elsewhere / "Bob")
    (root / "Ada" / "2.png").symlink_to(elsewhere / "Bob" / "1.png")
    found, passed_over = scan_folders(root)
    assert found == {
        "Ada": [Sample("Ada/1.jpg", "Ada"), Sample("Ada/2.png", "Ada")],
        "Eve": [Sample("Eve/1.png", "Eve")],
    }
    assert not passed_over


def test_links_in_a_circle_and_broken_links_are_told(root: Path):
    (root / "Root").symlink_to(root)
    (root / "Around").symlink_to(root.parent)
    (root / "Ada" / "loop.jpg").symlink_to("loop.jpg")
    (root / "Ada" / "broken.jpg").symlink_to("nowhere.jpg")
    (root / "Ada" / "up").symlink_to(root)
    found, passed_over = scan_folders(root)
    assert found == ADA
    assert "2 .jpg that is not a file (such as Ada/broken.jpg)" in str(passed_over)
    assert "1 link to a folder inside a folder (such as Ada/up)" in str(passed_over)
    assert "2 link to a folder that holds this one (such as Around)" in str(passed_over)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_that_is_named_as_an_image_is_told_and_not_opened(root: Path):
    os.mkfifo(root / "Ada" / "2.jpg")
    found, passed_over = scan_folders(root)
    assert found == ADA
    assert "1 .jpg that is not a file (such as Ada/2.jpg)" in str(passed_over)


NAMES = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=12)
FILE_NAMES = st.builds(str.__add__, NAMES, st.sampled_from(["", ".txt", *IMAGE_SUFFIXES]))


@given(folder=NAMES, names=st.sets(FILE_NAMES, max_size=8))
def test_each_visible_file_is_either_listed_or_counted(
    folder: str, names: set[str], tmp_path_factory: pytest.TempPathFactory
):
    root = tmp_path_factory.mktemp("any", numbered=True) / "root"
    try:
        (root / "A").mkdir(parents=True)
        for name in names:
            (root / "A" / name).touch()
        (root / "A").rename(root / folder)
    except (OSError, ValueError):  # The file system does not know this name.
        return
    found, passed_over = scan_folders(root)
    visible = [n for n in names if not (n.startswith(".") or n.lower() in ("thumbs.db",))]
    if folder.startswith(".") or folder.lower() in ("__macosx", "thumbs.db", "desktop.ini"):
        visible = []
    listed = found.get(normalized(folder), [])
    assert len(listed) + passed_over.count == len(visible)
    assert all((root / sample.path).is_file() for sample in listed)
    assert str(passed_over).isprintable()
