"""Tests of image files in folders: listed by identity, and found for samples."""

from pathlib import Path

import pytest
from image_folders import FILES, make_folders

from siamese_verify.data.folders import locate_files, samples_by_identity
from siamese_verify.data.lfw import lfw_sample
from siamese_verify.data.samples import Sample


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_folders(tmp_path)


def test_only_image_files_in_folders_of_identities_count(root: Path):
    for stray in ("stray.jpg", "Ada/notes.txt", "Ada/Thumbs.db", "Ada/.jpg", "Ada/jpg"):
        (root / stray).touch()
    make_folders(root, {"Empty": [], "No images": ["readme.md"]})
    (root / "Ada" / "folder.jpg").mkdir()
    (root / "Ada" / "nested").mkdir()
    (root / "Ada" / "nested" / "1.jpg").touch()
    found = samples_by_identity(root)
    assert found == {
        identity: [Sample(f"{identity}/{file}", identity) for file in sorted(FILES[identity])]
        for identity in sorted(FILES)
    }
    assert list(found) == sorted(FILES)


def test_identities_without_images_are_named(root: Path):
    (root / "Empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"2 of the 3 .*: Empty, Nobody"):
        samples_by_identity(root, ["Nobody", "Ada", "Empty"])


@pytest.mark.parametrize("files", [{}, {"Empty": []}, {"Ada": ["notes.txt"]}])
def test_a_folder_without_images_is_named(files: dict, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no folder with an image file") as caught:
        samples_by_identity(make_folders(tmp_path, files))
    assert str(tmp_path) in str(caught.value)


def test_an_absent_folder_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="absent"):
        samples_by_identity(tmp_path / "absent")


def test_all_missing_images_come_in_one_error(tmp_path: Path):
    (tmp_path / "Ada").mkdir()
    samples = [lfw_sample("Ada", i) for i in range(1, 31)]
    for sample in samples[::6]:
        (tmp_path / sample.path).touch()
    with pytest.raises(FileNotFoundError) as caught:
        locate_files(tmp_path, samples)
    message = str(caught.value)
    assert message.startswith("25 of 30 images are missing:")
    missing = [str(tmp_path / sample.path) for i, sample in enumerate(samples) if i % 6]
    assert [line.strip() for line in message.splitlines()[1:11]] == missing[:10]
    assert missing[10] not in message
    assert "and 15 more" in message
    assert f"images_root={tmp_path}" in message


def test_a_folder_that_is_named_as_an_image_is_missing(tmp_path: Path):
    sample = lfw_sample("Ada", 1)
    (tmp_path / sample.path).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="1 of 1 images"):
        locate_files(tmp_path, [sample])


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".gif", ".jpeg", ".JPG", ".PNG"])
def test_an_image_may_have_another_ending_than_lfws(suffix: str, tmp_path: Path):
    sample = lfw_sample("Ada", 1)
    (tmp_path / "Ada").mkdir()
    other = (tmp_path / sample.path).with_suffix(suffix)
    other.touch()
    assert locate_files(tmp_path, [sample]) == [other]
    (tmp_path / sample.path).touch()
    assert locate_files(tmp_path, [sample]) == [tmp_path / sample.path]


def test_an_ending_that_is_not_known_is_a_part_of_the_name(tmp_path: Path):
    (tmp_path / "Ada").mkdir()
    (tmp_path / "Ada" / "scan.jpg").touch()
    assert locate_files(tmp_path, [Sample("Ada/scan", "Ada")]) == [tmp_path / "Ada" / "scan.jpg"]
    with pytest.raises(FileNotFoundError, match="2 of 2 images are missing"):
        locate_files(tmp_path, [Sample("Ada/scan.1", "Ada"), Sample("Ada/scan.2", "Ada")])


def test_a_sample_lies_in_any_folder(tmp_path: Path):
    samples = [Sample("scans/17.png", "Ada"), Sample("18.png", "Bob"), Sample("a/b/c.png", "Ada")]
    for sample in samples:
        (tmp_path / sample.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / sample.path).touch()
    assert locate_files(tmp_path, samples) == [tmp_path / sample.path for sample in samples]


def test_the_error_about_missing_images_asks_for_no_folder_of_an_identity(tmp_path: Path):
    with pytest.raises(FileNotFoundError) as caught:
        locate_files(tmp_path, [Sample("scans/17.png", "Ada")])
    assert "identity" not in str(caught.value)
    assert str(tmp_path / "scans" / "17.png") in str(caught.value)


@pytest.mark.parametrize("path", ["/etc/1.png", "../1.png", "scans/../../1.png", "..", "", "."])
def test_a_path_that_leads_out_of_the_root_raises_an_error(path: str, tmp_path: Path):
    with pytest.raises(ValueError, match="below `images_root`") as caught:
        locate_files(tmp_path, [Sample(path, "Ada")])
    assert f"Received: path={path!r}, images_root={tmp_path}" in str(caught.value)
