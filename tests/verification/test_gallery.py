"""Tests of galleries in files: they load only into the model that made them."""

import copy
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_archive import little_memory
from verifiers import FACE_SIZE, IMAGES, PREPROCESSING, SIZE, build, build_for_faces, make_enrolled

import siamese_verify as sv
from siamese_verify.verification.fingerprint import digest_of_format_1
from siamese_verify.verification.gallery import Gallery, GalleryError
from siamese_verify.verification.gallery_file import _digest


def test_a_gallery_is_saved_and_loaded(
    enrolled: sv.Verifier, saved: Path, drawn: Path, pairs: sv.PairDataset, tmp_path: Path
) -> None:
    enrolled.save_gallery(tmp_path / "identities.npz")
    again = sv.Verifier.load(saved)
    again.load_gallery(tmp_path / "identities.npz")
    assert again.gallery.identities == enrolled.gallery.identities == pairs.pairs.identities[:-1]
    probe = drawn / "lfw2" / pairs.pairs.samples[0].path
    assert again.identify(probe, 5) == enrolled.identify(probe, 5)


def test_a_gallery_of_another_model_raises(
    enrolled: sv.Verifier, pairs: sv.PairDataset, tmp_path: Path
) -> None:
    enrolled.save_gallery(tmp_path / "identities.npz")
    model = build_for_faces()
    model.set_weights([2 * weights for weights in model.get_weights()])
    with pytest.raises(GalleryError, match="made by another model"):
        sv.Verifier(model, pairs.preprocessing).load_gallery(tmp_path / "identities.npz")


def test_a_gallery_of_the_same_weights_in_another_model_raises(
    saved: Path, paths: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    verifier = sv.Verifier.load(saved)
    verifier.enroll({"Ada": paths[0]})
    verifier.save_gallery(tmp_path / "identities.npz")
    model = verifier.model
    mirrored = sv.SiameseModel(sv.FlipAverage(model.tower), model.head)
    crops = [sv.Preprocessing(FACE_SIZE, center_crop=(n, n)) for n in (100, 101)]
    of_crop, of_another = (sv.Verifier(model, crop) for crop in crops)
    of_crop.save_gallery(tmp_path / "cropped.npz")
    with pytest.raises(GalleryError, match="made by another model or with other preproc"):
        of_another.load_gallery(tmp_path / "cropped.npz")
    for other in (sv.Verifier(mirrored, verifier.preprocessing), of_crop):
        with pytest.raises(GalleryError, match="made by another model or with other preproc"):
            other.load_gallery(tmp_path / "identities.npz")


def test_damaged_and_newer_galleries_raise(tmp_path: Path) -> None:
    path = tmp_path / "identities.npz"
    gallery = Gallery(("Ada",), np.zeros((1, 4), np.float32), "digest", np.ones(4, np.float32))
    gallery.save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(GalleryError, match="cannot be read as a gallery"):
        Gallery.load(path)
    kept = {"model": "", "names": ["Ada"], "embeddings": np.zeros((1, 4), np.float32)}
    np.savez(path, format=9, **kept)
    with pytest.raises(GalleryError, match=r"newer siamese-verify.*Received: format=9"):
        Gallery.load(path)
    for reference in (np.zeros(3), np.zeros((4, 1)), np.float32(0)):
        np.savez(path, format=1, reference=np.float32(reference), **kept)
        with pytest.raises(GalleryError, match=r"must fit.*1 names, embeddings \(1, 4\)"):
            Gallery.load(path)
    with pytest.raises(FileNotFoundError):
        Gallery.load(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        gallery.save(tmp_path / "identities.txt")


@pytest.fixture(scope="module")
def faces() -> sv.Verifier:
    return make_enrolled()


def damaged(path: Path, signed: bool, **changed: np.ndarray) -> Path:
    """Change arrays of a gallery's file, and perhaps its digest."""
    with np.load(path) as arrays:
        content = {**arrays, **changed}
    digest = content.pop("digest")
    if signed:
        digest = np.array(_digest({name: np.asarray(array) for name, array in content.items()}))
    np.savez(path, digest=digest, **content)
    return path


ROWS = np.eye(4, 8, dtype=np.float32)
RECORD = {
    "images": [""] * 4, "metadata": {}, "template": "each", "next_id": 4, "identification": None,
}  # fmt: skip
MEASURED = {
    "threshold": 0.5, "target": 0.1, "fpir": [0.1, 0.05, 0.2], "n_strangers": 10, "n_images": 20,
    "gallery_size": 4, "fnir": None,
}  # fmt: skip


def recorded(**changed: object) -> np.ndarray:
    return np.frombuffer(json.dumps({**RECORD, **changed}).encode(), np.uint8)


def test_the_record_of_these_tests_is_read(faces: sv.Verifier, tmp_path: Path) -> None:
    path = tmp_path / "identities.npz"
    faces.save_gallery(path)
    assert Gallery.load(damaged(path, True, record=recorded())).names == faces.gallery.names
    found = Gallery.load(damaged(path, True, record=recorded(identification=MEASURED)))
    assert found.identification.to_dict() == MEASURED


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    "changed",
    [
        {"embeddings": np.full((4, 8), np.nan, np.float32)},
        {"embeddings": np.full((4, 8), np.inf, np.float32)},
        {"embeddings": ROWS.astype("U8")},
        {"embeddings": ROWS.astype(float)},
        {"embeddings": ROWS.astype(">f4")},
        {"embeddings": ROWS[:3]},
        {"embeddings": ROWS[:, :5], "reference": ROWS[0, :5]},
        {"reference": ROWS[0].astype("U8")},
        {"reference": ROWS[0] * np.nan},
        {"ids": np.arange(4.0)},
        {"ids": np.arange(4)[::-1].copy()},
        {"ids": np.arange(4) - 1},
        {"ids": np.arange(3)},
        {"image_digests": np.zeros((4, 2, 8), np.uint8)},
        {"image_digests": np.zeros((3, 2, 16), np.uint8)},
        {"image_digests": np.zeros((4, 2, 16), np.float32)},
        {"record": np.array(["Ada"] * 4)},
        {"record": np.zeros((4, 4), np.float32)},
        {"names": np.arange(4)},
        {"names": np.full((4, 2), "a")},
        {"names": np.array([b"a"] * 4)},
        {"names": np.array([{}, None, 1, "a"], object)},
        {"record": recorded(images="1234")},
        {"record": recorded(images=None)},
        {"record": recorded(images=["a.jpg"])},
        {"record": recorded(images=[1, 2, 3, 4])},
        {"record": recorded(metadata=[1])},
        {"record": recorded(metadata={"Ada": 1})},
        {"record": recorded(template="all")},
        {"record": recorded(next_id=-1)},
        {"record": recorded(next_id="9")},
        {"record": recorded(identification={"threshold": 0.5})},
        {"record": recorded(identification={**MEASURED, "threshold": float("nan")})},
        {"record": recorded(identification={**MEASURED, "fpir": [0.5, 0.6, 0.7]})},
        {"record": recorded(identification={**MEASURED, "gallery_size": 0})},
        {"record": recorded(identification={**MEASURED, "more": 0})},
        {"record": np.frombuffer(b"[" * 100_000, np.uint8)},
        {"record": np.frombuffer(b"\xff", np.uint8)},
        {"format": np.array([4, 4])},
        {"format": np.array(4.0)},
        {"decoding": np.array(9)},
        {"fingerprint": np.arange(3)},
    ],
)
def test_galleries_that_save_never_wrote_raise(
    changed: dict[str, np.ndarray], signed: bool, faces: sv.Verifier, tmp_path: Path
) -> None:
    verifier, path = copy.copy(faces), tmp_path / "identities.npz"
    verifier.save_gallery(path)
    before = verifier.gallery
    with pytest.raises(GalleryError):
        verifier.load_gallery(damaged(path, signed, **changed))
    assert verifier.gallery is before


def test_names_and_embeddings_belong_together(faces: sv.Verifier, tmp_path: Path) -> None:
    verifier, path = copy.copy(faces), tmp_path / "identities.npz"
    for changed in (
        {"names": np.array(["Bob", "Bob", "Ada", "Ada"])},
        {"embeddings": ROWS},
    ):
        verifier.save_gallery(path)
        with pytest.raises(GalleryError, match="was changed after it was saved"):
            verifier.load_gallery(damaged(path, False, **changed))


@pytest.mark.parametrize(
    ("shape", "descr"),
    [((2**20, 2**20), "<f4"), ((-1, 8), "<f4"), ((10**12,), "<U0"), ((10**12,), "|V0"),
     ((1,), "<U500000000"), ((10**12, 0), "<f4")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["record", "embeddings"])
def test_a_header_cannot_fill_the_memory(
    name: str, shape: tuple[int, ...], descr: str, faces: sv.Verifier, tmp_path: Path
) -> None:
    verifier, path = copy.copy(faces), tmp_path / "identities.npz"
    verifier.save_gallery(path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in {**members, f"{name}.npy": header.getvalue()}.items():
            archive.writestr(member, content)
    with little_memory(), pytest.raises(GalleryError):
        verifier.load_gallery(path)


def test_a_name_is_one_in_either_form_of_unicode(faces: sv.Verifier, tmp_path: Path) -> None:
    verifier, path = copy.copy(faces), tmp_path / "identities.npz"
    verifier.enroll({"Zo\u00eb": IMAGES[4:5], "Zoe\u0308": IMAGES[5:6], "\udcff": IMAGES[6:7]})
    verifier.save_gallery(path)
    verifier.load_gallery(path)
    assert verifier.gallery.identities == ("Ada", "Bob", "Zo\u00eb", "\udcff")
    with pytest.raises(ValueError, match="without null characters"):
        verifier.enroll({"Eve\0": IMAGES[7:8]})


def test_a_gallery_of_format_1_is_read_where_it_fits(tmp_path: Path) -> None:
    verifier = make_enrolled()
    gallery, path = verifier.gallery, tmp_path / "old.npz"
    digest = digest_of_format_1(verifier.model, PREPROCESSING)
    np.savez(
        path, format=1, model=digest, reference=gallery.reference, names=np.array(gallery.names),
        embeddings=gallery.embeddings,
    )  # fmt: skip
    other = sv.Verifier(build(), PREPROCESSING)
    other.calibration = verifier.calibration
    with pytest.warns(UserWarning, match=r"old\.npz was enrolled from images .* differently"):
        other.load_gallery(path)
    assert other.identify(IMAGES[0], 2) == verifier.identify(IMAGES[0], 2)
    other.enroll({"Eve": IMAGES[4:5]})
    other.save_gallery(path)
    with pytest.warns(UserWarning, match="Enroll all identities again"):  # Two are still old.
        verifier.load_gallery(path)
    assert verifier.gallery.identities == ("Ada", "Bob", "Eve")
    np.savez(
        path, format=1, model="0" * 64, reference=gallery.reference,
        names=np.array(gallery.names), embeddings=gallery.embeddings,
    )  # fmt: skip
    with pytest.raises(GalleryError, match="made by another model"):
        verifier.load_gallery(path)


def test_the_digest_of_format_1_is_what_it_was() -> None:
    model = build()
    for variable in model.weights:
        variable.assign(np.ones(variable.shape, np.float32))
    digests = [
        digest_of_format_1(model, p) for p in (PREPROCESSING, sv.Preprocessing(SIZE, 1, (9, 9)))
    ]
    assert digests == [
        "c86d5694a7ab8ecda78f64c9031e4df2cd90650480ae5b7b185a2a2d48170ed0",
        "c48cbdb4b462ee199b890bd5c3e00c410b6acb15e9aae11f0056b7b00c34bdad",
    ]


def test_a_gallery_is_shown_on_one_short_line() -> None:
    embeddings = np.eye(3, dtype=np.float32)
    gallery = Gallery(("Ada", "Ada", "Bob"), embeddings, "a fingerprint", embeddings[0])
    assert repr(gallery) == "Gallery(3 images of 2 identities)"
