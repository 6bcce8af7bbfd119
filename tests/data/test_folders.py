"""Tests of image files in folders: listed by identity, and found for samples."""

import os
from collections import Counter
from pathlib import Path

import pytest
from image_folders import FILES, NFC, NFD, make_folders

from siamese_verify.data.folders import find_files, locate_files, samples_by_identity
from siamese_verify.data.lfw import lfw_sample
from siamese_verify.data.samples import Sample
from siamese_verify.data.scanning import FolderWarning


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_folders(tmp_path)


def test_only_image_files_in_folders_of_identities_count(root: Path):
    for stray in ("stray.jpg", "Ada/notes.txt", "Ada/Thumbs.db", "Ada/.jpg", "Ada/jpg"):
        (root / stray).touch()
    make_folders(root, {"Empty": [], "No images": ["readme.md"]})
    (root / "Ada" / "folder.jpg").mkdir()
    with pytest.warns(FolderWarning, match="4 files and folders are passed over") as caught:
        found = samples_by_identity(root)
    assert len(caught) == 1
    assert caught[0].filename == __file__  # The caller's line, not the library's.
    assert found == {
        identity: [Sample(f"{identity}/{file}", identity) for file in sorted(FILES[identity])]
        for identity in sorted(FILES)
    }
    assert list(found) == sorted(FILES)


def test_an_identity_has_the_images_of_the_folders_inside_its_folder(tmp_path: Path):
    paths = [
        "Ada/b.png",
        "Ada/genuine/1.png",
        "Ada/genuine/2020/2.tif",
        "Ada/z/3.png",
        "Bob/x/4.pgm",
    ]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    found = samples_by_identity(tmp_path)
    assert [sample.path for samples in found.values() for sample in samples] == paths
    assert {identity: len(samples) for identity, samples in found.items()} == {"Ada": 4, "Bob": 1}
    assert locate_files(tmp_path, found["Ada"]) == [tmp_path / path for path in paths[:4]]


def test_forty_folders_of_pgm_files_are_forty_identities(tmp_path: Path):
    files = {f"s{i}": [f"{j}.pgm" for j in range(1, 11)] for i in range(1, 41)}
    found = samples_by_identity(make_folders(tmp_path, files))
    assert found == {
        name: [Sample(f"{name}/{file}", name) for file in sorted(files[name])]
        for name in sorted(files)
    }


def test_images_in_the_root_itself_ask_for_a_table(tmp_path: Path):
    for i in range(3):
        (tmp_path / f"{i}.png").touch()
    with pytest.raises(FileNotFoundError, match=r"3 images lie in the root itself.*a table with"):
        samples_by_identity(tmp_path)


@pytest.mark.parametrize("parts", [["train", "test"], ["Training", "val", "test"]])
def test_folders_named_as_parts_of_a_data_set_are_warned_of(parts: list[str], tmp_path: Path):
    for part in parts:
        make_folders(tmp_path / part, {"Ada": ["1.jpg"], "Bob": ["1.jpg"]})
    with pytest.warns(FolderWarning, match="named as parts of a data set.*Use the folder of one"):
        samples_by_identity(tmp_path)


def test_identities_without_images_are_named(root: Path):
    (root / "Empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"2 of the 3 .*: Empty, Nobody"):
        samples_by_identity(root, ["Nobody", "Ada", "Empty"])


def test_the_error_about_an_identity_without_images_tells_what_was_passed_over(root: Path):
    make_folders(root, {"Eve": ["1.psd", "2.psd"]})
    with pytest.raises(FileNotFoundError, match=r"2 \.psd \(such as Eve/1\.psd\)"):
        samples_by_identity(root, ["Ada", "Eve"])


def test_folders_of_other_identities_are_not_spoken_of(root: Path):
    make_folders(root, {"Eve": ["1.psd"]})
    (root / "list.txt").touch()
    assert list(samples_by_identity(root, ["Ada"])) == ["Ada"]


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


# --- Unicode


@pytest.mark.parametrize("listed", [f"{a}/{b}_0001.jpg" for a in (NFC, NFD) for b in (NFC, NFD)])
@pytest.mark.parametrize("on_disk", [f"{a}/{b}_0001.jpg" for a in (NFC, NFD) for b in (NFC, NFD)])
def test_a_path_matches_in_any_mix_of_forms(listed: str, on_disk: str, tmp_path: Path):
    (tmp_path / on_disk).parent.mkdir()
    (tmp_path / on_disk).touch()
    (file,) = locate_files(tmp_path, [Sample(listed, "Ada")])
    assert file.samefile(tmp_path / on_disk)
    png = (tmp_path / on_disk).rename((tmp_path / on_disk).with_suffix(".png"))
    (file,) = locate_files(tmp_path, [Sample(listed, "Ada")])
    assert file.samefile(png)


@pytest.mark.parametrize("name", [NFC, NFD])
@pytest.mark.parametrize("on_disk", [NFC, NFD])
def test_an_identity_is_found_by_either_form_of_its_name(name: str, on_disk: str, tmp_path: Path):
    make_folders(tmp_path, {on_disk: ["1.jpg"], "Ada": ["1.jpg"]})
    assert samples_by_identity(tmp_path, [name]) == {NFC: [Sample(f"{on_disk}/1.jpg", NFC)]}
    listed = [Sample("1.jpg", on_disk), Sample("2.jpg", "Ada")]
    assert samples_by_identity(listed, [name]) == {NFC: [Sample("1.jpg", NFC)]}


@pytest.fixture
def both_forms(tmp_path: Path) -> Path:
    make_folders(tmp_path, {NFC: ["1.jpg", "2.jpg"], NFD: ["1.jpg", "3.jpg"]})
    if len(os.listdir(tmp_path)) < 2:
        pytest.skip("the file system takes both forms for one name")
    return tmp_path


def test_folders_in_both_forms_are_one_identity_with_the_images_of_both(both_forms: Path):
    found = samples_by_identity(both_forms)
    assert list(found) == [NFC]
    files = locate_files(both_forms, found[NFC])
    assert sorted(files) == sorted(both_forms.glob("*/*.jpg"))
    assert len(files) == 4


def test_an_image_is_found_in_either_of_two_folders_of_both_forms(both_forms: Path):
    samples = [Sample(f"{NFC}/{i}.jpg", NFC) for i in (1, 2, 3)]
    expected = [f"{NFC}/1.jpg", f"{NFC}/2.jpg", f"{NFD}/3.jpg"]
    assert locate_files(both_forms, samples) == [both_forms / path for path in expected]


@pytest.mark.parametrize("form", [NFC, NFD])
def test_a_folder_is_listed_only_to_search_and_once(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make_folders(tmp_path, {form: [f"{i}.jpg" for i in range(50)]})
    listed: Counter[str] = Counter()
    list_folder = os.listdir

    def count(folder: str) -> list[str]:
        listed[str(folder)] += 1
        return list_folder(folder)

    monkeypatch.setattr(os, "listdir", count)
    samples = [Sample(f"{NFC}/{i}.jpg", NFC) for i in range(60)]
    found = find_files(tmp_path, samples[:50])
    assert None not in found
    assert listed.total() == (0 if form == NFC else 2)
    listed.clear()
    assert find_files(tmp_path, samples)[50:] == [None] * 10
    assert set(listed.values()) == {1}


def test_paths_in_errors_are_on_one_line_each_and_bounded(tmp_path: Path):
    samples = [Sample(f"Ada/{'x' * 10_000}\nno problems {i}.jpg", "Ada") for i in range(100)]
    with pytest.raises(FileNotFoundError) as caught:
        locate_files(tmp_path, samples)
    message = str(caught.value)
    assert len(message) < 5_000
    assert len(message.splitlines()) == 13
