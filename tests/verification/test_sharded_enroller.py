"""Tests of galleries of embeddings in files: they equal galleries of the same images."""

import functools
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedding_tables import write

import siamese_verify as sv
from siamese_verify.verification import sharded_enroller
from siamese_verify.verification.gallery import TEMPLATES, GalleryError, Template
from siamese_verify.verification.indexes.exact import ExactIndex
from siamese_verify.verification.indexes.faiss import FaissIndex
from siamese_verify.verification.indexes.milvus import MilvusIndex
from siamese_verify.verification.looks import UnlikeValidationError, UnlikeValidationWarning


@pytest.fixture(scope="module")
def identities(table: dict[str, list[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path, name in zip(*table.values(), strict=True):
        if name != "nobody":
            found.setdefault(name, []).append(path)
    return found


@pytest.fixture
def fresh(saved: Path) -> sv.Verifier:
    return sv.Verifier.load(saved)


@pytest.mark.parametrize("large", [0, 2**30])
@pytest.mark.parametrize("template", TEMPLATES)
def test_the_gallery_is_as_if_the_images_had_been_enrolled(
    template: Template, large: int, saved: Path, fresh: sv.Verifier, shards: Path,
    identities: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sharded_enroller, "_LARGE", large)
    direct = sv.Verifier.load(saved)
    n = direct.enroll(identities, template=template, unlike="ignore")
    assert fresh.enroll_embeddings(shards, template=template, unlike="ignore") == n
    mine, theirs = fresh.gallery, direct.gallery
    assert (mine.names, mine.images, mine.template) == (
        *(theirs.names, theirs.images, theirs.template),
    )
    np.testing.assert_array_equal(mine.image_digests, theirs.image_digests)
    np.testing.assert_array_equal(mine.ids, theirs.ids)
    np.testing.assert_allclose(mine.embeddings, theirs.embeddings, atol=1e-6)
    probes = [paths[0] for paths in identities.values()]
    for found, expected in zip(
        fresh.identify_many(probes, 3), direct.identify_many(probes, 3), strict=True
    ):
        assert [(one.name, bool(one)) for one in found] == [(o.name, bool(o)) for o in expected]
    assert isinstance(fresh._enrolled._images._embeddings.rows, np.memmap) == (not large)


def test_the_same_call_again_adds_nothing_and_more_images_can_follow(
    fresh: sv.Verifier, shards: Path, identities: dict[str, list[str]]
) -> None:
    name = next(iter(identities))
    first = fresh.enroll({name: identities[name][:1]}, unlike="ignore")
    n = fresh.enroll_embeddings(shards, unlike="ignore")
    assert first + n == sum(map(len, identities.values())) == len(fresh.gallery)
    assert fresh.enroll_embeddings(shards, unlike="ignore") == 0
    assert fresh.enroll(identities, unlike="ignore") == 0


def test_every_index_finds_what_the_files_hold(
    fresh: sv.Verifier, pairs: sv.PairDataset, table: dict[str, list[str]],
    identities: dict[str, list[str]], tmp_path: Path,
) -> None:  # fmt: skip
    model = sv.SiameseModel(fresh.model.tower, sv.CosineHead())
    fresh = sv.Verifier(model, fresh.preprocessing)
    with warnings.catch_warnings(action="ignore"):  # The pairs are few.
        fresh.calibrate(pairs)
    write(fresh, table, tmp_path / "shards")
    fresh.enroll_embeddings(tmp_path / "shards", unlike="ignore")
    probes = [paths[0] for paths in identities.values()]
    for index_type in (
        ExactIndex,
        functools.partial(FaissIndex, path=tmp_path / "faces.faiss"),
        functools.partial(MilvusIndex, url=tmp_path / "faces.db"),
    ):
        fresh.index_type = index_type
        found = fresh.identify_many(probes)
        assert [matches[0].name for matches in found] == [*identities]


def test_a_saved_gallery_is_embedded_again_from_the_paths_of_the_table(
    fresh: sv.Verifier, shards: Path, tmp_path: Path
) -> None:
    fresh.enroll_embeddings(shards, unlike="ignore")
    fresh.save_gallery(tmp_path / "gallery.npz")
    weights = [array * 1.01 for array in fresh.model.get_weights()]
    fresh.model.set_weights(weights)
    fresh.load_gallery(tmp_path / "gallery.npz", reembed=True)


def test_images_unlike_validation_are_told_as_by_enroll(
    verifier: sv.Verifier, saved: Path, fresh: sv.Verifier, identities: dict[str, list[str]],
    tmp_path: Path,
) -> None:  # fmt: skip
    from PIL import Image, ImageFilter

    name, paths = next(iter(identities.items()))
    blurred = str(tmp_path / "blurred.png")
    Image.open(paths[0]).filter(ImageFilter.GaussianBlur(9)).save(blurred)
    images = [*paths, blurred]
    write(verifier, {"path": images, "identity": [name] * len(images)}, tmp_path / "shards")
    with pytest.warns(UnlikeValidationWarning) as direct:
        sv.Verifier.load(saved).enroll({name: images})
    with pytest.raises(UnlikeValidationError):
        fresh.enroll_embeddings(tmp_path / "shards", unlike="raise")
    assert len(fresh.gallery) == 0
    with pytest.warns(UnlikeValidationWarning) as warned:
        fresh.enroll_embeddings(tmp_path / "shards")
    assert str(warned[0].message) == str(direct[0].message)


def test_embeddings_of_another_model_are_not_enrolled(fresh: sv.Verifier, shards: Path) -> None:
    fresh.model.set_weights([array * 1.01 for array in fresh.model.get_weights()])
    with pytest.raises(GalleryError, match=r"another model.*Received: fingerprint="):
        fresh.enroll_embeddings(shards)
    assert len(fresh.gallery) == 0


def test_embeddings_without_identities_are_not_enrolled(
    verifier: sv.Verifier, fresh: sv.Verifier, table: dict[str, list[str]], tmp_path: Path
) -> None:
    write(verifier, {"path": table["path"][:5]}, tmp_path)
    with pytest.raises(ValueError, match="without an identity"):
        fresh.enroll_embeddings(tmp_path)


def test_a_damaged_missing_or_foreign_file_raises_and_nothing_is_enrolled(
    fresh: sv.Verifier, verifier: sv.Verifier, table: dict[str, list[str]], shards: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    copy = tmp_path / "copy"
    shutil.copytree(shards, copy)
    file = copy / "embeddings-0000002.parquet"
    contents = bytearray(file.read_bytes())
    contents[len(contents) // 3] ^= 1
    file.write_bytes(contents)
    check_nothing_is_enrolled(fresh, copy, "0000002.parquet is damaged")
    file.unlink()
    check_nothing_is_enrolled(fresh, copy, "0000002.parquet is missing")
    swapped = {**table, "identity": table["identity"][::-1]}
    write(verifier, swapped, tmp_path / "other")
    shutil.copy(tmp_path / "other" / file.name, copy)
    check_nothing_is_enrolled(fresh, copy, "0000002.parquet is of another folder")
    (copy / "embeddings.json").write_text("{}")
    check_nothing_is_enrolled(fresh, copy, "embeddings.json is damaged")
    record = json.loads((shards / "embeddings.json").read_text())
    (copy / "embeddings.json").write_text(json.dumps({**record, "format": 2}))
    check_nothing_is_enrolled(fresh, copy, "embeddings.json was written by another version")


def check_nothing_is_enrolled(verifier: sv.Verifier, folder: Path, message: str) -> None:
    with pytest.raises(sv.ShardError, match=message):
        verifier.enroll_embeddings(folder)
    assert len(verifier.gallery) == 0


def test_an_image_that_is_listed_twice_is_enrolled_once(
    verifier: sv.Verifier, fresh: sv.Verifier, identities: dict[str, list[str]], tmp_path: Path
) -> None:
    (name, paths), *_ = identities.items()
    rows: Any = {"path": [paths[0]] * 45, "identity": [name] * 45}
    write(verifier, rows, tmp_path)
    with warnings.catch_warnings(action="ignore"):
        assert fresh.enroll_embeddings(tmp_path) == 1
