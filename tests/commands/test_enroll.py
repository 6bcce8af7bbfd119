"""Tests of `siamese-verify enroll`."""

import json
import warnings
from pathlib import Path

import pytest

import siamese_verify as sv
from siamese_verify import cli
from siamese_verify.verification.gallery import Gallery


def test_enrolled_identities_are_found_and_more_can_be_added(
    model: str, drawn: Path, data: sv.PairDataset, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    gallery, table = tmp_path / "staff.npz", tmp_path / "more.csv"
    one, other = data.pairs.samples[0], data.pairs.samples[-1]
    (tmp_path / one.identity).mkdir()
    image = (drawn / "lfw2" / one.path).read_bytes()
    (tmp_path / one.identity / "1.jpg").write_bytes(image)
    table.write_text(f"path,identity\n{other.path},{other.identity}\n")
    assert cli.main(["enroll", model, str(tmp_path), "--gallery", str(gallery), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        **{"images": 1, "identities": 1},
        **{"added": 1, "removed": 0},
    }
    arguments = ["enroll", model, str(table), "--images", str(drawn / "lfw2")]
    assert cli.main([*arguments, "--gallery", str(gallery)]) == 0
    assert "2 images of 2 identities" in capsys.readouterr().out
    probe = str(drawn / "lfw2" / other.path)
    assert cli.main(["identify", model, probe, "--gallery", str(gallery)]) == 0
    assert capsys.readouterr().out.startswith(f"{other.identity}: score 1.0")


@pytest.fixture
def gallery(model: str, drawn: Path, data: sv.PairDataset, tmp_path: Path) -> Path:
    """Gallery of three identities, from a table that is next to it."""
    samples = [sample for sample in data.pairs.samples if sample.identity in names_of(data)]
    rows = [f"{drawn / 'lfw2' / path},{identity},room {identity[-1]}" for path, identity in samples]
    (tmp_path / "staff.csv").write_text("\n".join(["path,identity,room", *rows]))
    arguments = ["enroll", model, str(tmp_path / "staff.csv"), "--metadata", "room"]
    assert cli.main([*arguments, "-o", str(tmp_path / "staff.npz")]) == 0
    return tmp_path / "staff.npz"


def names_of(data: sv.PairDataset) -> tuple[str, ...]:
    return data.pairs.identities[:3]


def test_metadata_comes_from_columns_and_is_told_with_a_match(
    model: str, drawn: Path, data: sv.PairDataset, gallery: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    probe = str(drawn / "lfw2" / data.pairs.samples[0].path)
    room = f"room {names_of(data)[0][-1]}"
    assert Gallery.load(gallery).metadata[names_of(data)[0]] == {"room": room}
    capsys.readouterr()
    assert cli.main(["identify", model, probe, "--gallery", str(gallery)]) == 0
    assert capsys.readouterr().out.endswith(f"image {probe}, room {room}\n")


def test_identities_are_removed_and_replaced(
    model: str, gallery: Path, data: sv.PairDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, _ = names_of(data)
    header, *rows = gallery.with_suffix(".csv").read_text().splitlines()
    one = gallery.with_name("one.csv")
    one.write_text("\n".join([header, next(row for row in rows if f",{second}," in row)]))
    arguments = ["enroll", model, "--gallery", str(gallery)]
    assert cli.main([*arguments, str(one), "--replace", "--remove", first]) == 0
    assert Gallery.load(gallery).names.count(second) == 1
    assert first not in Gallery.load(gallery).names
    before = gallery.read_bytes()
    assert cli.main([*arguments, "--remove", f"{second}x"]) == 2
    assert second in capsys.readouterr().err  # It is told as a near name.
    assert cli.main([*arguments, str(one), "--template", "mean"]) == 2
    assert "--template" in capsys.readouterr().err
    assert gallery.read_bytes() == before


def test_a_gallery_of_another_model_is_refused_and_embedded_again(
    gallery: Path, data: sv.PairDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tower = sv.ConvTower([sv.ConvBlock(4, 3, 2)], data.preprocessing.shape, 8)
    verifier = sv.Verifier(sv.SiameseModel(tower, sv.CosineHead()), data.preprocessing)
    with warnings.catch_warnings(action="ignore"):  # The pairs are few.
        verifier.calibrate(data).save(tmp_path / "newer.keras")
    newer, names = str(tmp_path / "newer.keras"), Gallery.load(gallery).names
    capsys.readouterr()
    assert cli.main(["identify", newer, str(gallery), "--gallery", str(gallery)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{gallery} was made by another model" in line
    assert f"siamese-verify enroll MODEL --gallery {gallery} --reembed" in line
    assert cli.main(["enroll", newer, "--gallery", str(gallery), "--reembed"]) == 0
    verifier.load_gallery(gallery)
    assert verifier.gallery.names == names


def test_rows_of_an_identity_with_other_metadata_are_an_error(
    model: str, gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = gallery.with_suffix(".csv")
    header, first, *_ = table.read_text().splitlines()
    path, identity, _ = first.split(",")
    table.write_text(f"{header}\n{path},{identity},1\n{path}2,{identity},2\n")
    arguments = ["enroll", model, str(table), "--metadata", "room", "--gallery", str(gallery)]
    assert cli.main(arguments) == 2
    assert "line 3: All rows of" in capsys.readouterr().err


def test_images_that_another_process_has_enrolled_meanwhile_are_not_lost(
    model: str, gallery: Path, data: sv.PairDataset, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    arguments = ["enroll", model, "--gallery", str(gallery), "--remove"]
    first, second, _ = names_of(data)
    remove = sv.Verifier.remove

    def remove_late(verifier: sv.Verifier, names: list[str]) -> int:
        monkeypatch.undo()
        assert cli.main([*arguments, second]) == 0
        return remove(verifier, names)

    monkeypatch.setattr(sv.Verifier, "remove", remove_late)
    assert cli.main([*arguments, first]) == 2
    assert "Another process has written" in capsys.readouterr().err
    assert first in Gallery.load(gallery).names
    assert second not in Gallery.load(gallery).names
