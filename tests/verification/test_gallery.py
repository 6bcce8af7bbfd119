"""Tests of galleries in files: they load only into the model that made them."""

from pathlib import Path

import numpy as np
import pytest
from verifiers import FACE_SIZE, IMAGES, PREPROCESSING, SIZE, build, build_for_faces, make_enrolled

import siamese_verify as sv
from siamese_verify.verification.fingerprint import digest_of_format_1
from siamese_verify.verification.gallery import Gallery, GalleryError


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
